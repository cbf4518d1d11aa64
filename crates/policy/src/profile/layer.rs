//! One profile file, read and checked, and how it lies over its parent.
//!
//! Not for: looking files up (`profile`).

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use model::{Limits, ProfileName};
use serde::de::DeserializeOwned;
use toml::Spanned;

use super::document::{
    BudgetTable, EgressDocument, EgressTable, EnvironmentTable, FilesystemTable, JailDocument,
    WorkspaceTable,
};
use super::fault::{Fault, Position, ProfileError};
use super::place::{Root, WorkspaceMode};
use super::{ENVIRONMENT_MAX, Filesystem, ResolvedProfile, Source, Tmpfs, Workspace};
use crate::budget::{Budget, OnExceeded};
use crate::ceiling;
use crate::egress::{EgressPolicy, EgressRules};
use crate::limits::LimitSettings;
use crate::origin::{self, Origin};
use crate::rule::{Effect, Rule, RuleTable};

/// What one file sets; merged layers have the same form.
#[derive(Debug)]
pub(super) struct Layer {
    pub(super) name: ProfileName,
    pub(super) file: String,
    pub(super) extends: Option<(ProfileName, Position)>,
    pub(super) egress_extends: Vec<(ProfileName, Position)>,
    pub(super) rules: Vec<Rule>,
    root: Option<Root>,
    read_only: Vec<PathBuf>,
    tmpfs: Vec<Tmpfs>,
    workspace_path: Option<PathBuf>,
    workspace_mode: Option<WorkspaceMode>,
    limits: LimitSettings,
    seccomp: Option<ProfileName>,
    landlock_min_abi: Option<u32>,
    budget: BudgetTable,
    environment: BTreeMap<String, String>,
}

/// The rules of `profiles/egress/NAME.toml`.
pub(crate) fn read_egress_list(
    name: &ProfileName,
    source: &Source,
) -> Result<Vec<Rule>, ProfileError> {
    let document: EgressDocument = parse(source)?;
    check_name(name, &document.name, source)?;
    let reader = RuleReader {
        source,
        label: format!("egress/{name}"),
    };
    reader.read_both(document.allow, document.deny)
}

impl Layer {
    /// Reads `profiles/jail/NAME.toml`.
    pub(super) fn read(name: ProfileName, source: &Source) -> Result<Self, ProfileError> {
        let document: JailDocument = parse(source)?;
        check_name(&name, &document.name, source)?;
        if [origin::CLI, ceiling::LABEL].contains(&name.as_str()) {
            let position = at(source, document.name.span().start);
            return Err(position.fault(Fault::ReservedName { name }));
        }
        let filesystem = document.filesystem.unwrap_or_default();
        let (root, read_only, tmpfs) = read_filesystem(filesystem, source)?;
        let WorkspaceTable { path, mode } = document.workspace.unwrap_or_default();
        let egress = document.egress.unwrap_or_default();
        let (egress_extends, rules) = read_egress(&name, egress, source)?;
        Ok(Self {
            file: source.file.clone(),
            extends: document.extends.map(|parent| named(parent, source)),
            egress_extends,
            rules,
            root,
            read_only,
            tmpfs,
            workspace_path: path.map(PathBuf::from),
            workspace_mode: mode,
            limits: document.limits.unwrap_or_default(),
            seccomp: document.seccomp.map(|table| table.profile),
            landlock_min_abi: document.landlock.map(|table| table.min_abi.0),
            budget: document.budget.unwrap_or_default(),
            environment: variables(document.environment.unwrap_or_default()),
            name,
        })
    }

    /// Lays this layer over its parent: its single values win, its lists add.
    pub(super) fn over(self, mut parent: Self) -> Self {
        parent.rules.extend(self.rules);
        parent.environment.extend(self.environment);
        for path in self.read_only {
            if !parent.read_only.contains(&path) {
                parent.read_only.push(path);
            }
        }
        for tmpfs in self.tmpfs {
            parent.tmpfs.retain(|other| other.path != tmpfs.path);
            parent.tmpfs.push(tmpfs);
        }
        Self {
            name: self.name,
            file: self.file,
            root: self.root.or(parent.root),
            workspace_path: self.workspace_path.or(parent.workspace_path),
            workspace_mode: self.workspace_mode.or(parent.workspace_mode),
            limits: self.limits.or(parent.limits),
            seccomp: self.seccomp.or(parent.seccomp),
            landlock_min_abi: self.landlock_min_abi.or(parent.landlock_min_abi),
            budget: BudgetTable {
                egress_up: self.budget.egress_up.or(parent.budget.egress_up),
                egress_down: self.budget.egress_down.or(parent.budget.egress_down),
                requests: self.budget.requests.or(parent.budget.requests),
                llm_tokens: self.budget.llm_tokens.or(parent.budget.llm_tokens),
                llm_cost: self.budget.llm_cost.or(parent.budget.llm_cost),
                on_exceeded: self.budget.on_exceeded.or(parent.budget.on_exceeded),
            },
            ..parent
        }
    }

    /// Turns merged layers into a profile, once every key that a jail needs is there.
    pub(super) fn finish(
        self,
        name: ProfileName,
        chain: Vec<ProfileName>,
    ) -> Result<ResolvedProfile, ProfileError> {
        let missing = |key: &str, example| {
            let position = Position::of_request(&self.file).with_key(key);
            position.fault(Fault::Missing { example })
        };
        let root = self.root.clone();
        let root = root.ok_or_else(|| missing("filesystem.root", "root = \"host\""))?;
        let path = self.workspace_path.clone();
        let path = path.ok_or_else(|| missing("workspace.path", "path = \"/workspace\""))?;
        let mode = self.workspace_mode;
        let mode = mode.ok_or_else(|| missing("workspace.mode", "mode = \"read-write\""))?;
        let seccomp = self.seccomp.clone();
        let seccomp = seccomp.ok_or_else(|| missing("seccomp.profile", "profile = \"agent\""))?;
        let abi = self.landlock_min_abi;
        let landlock_min_abi = abi.ok_or_else(|| missing("landlock.min_abi", "min_abi = 2"))?;
        let limits = self.finish_limits(missing)?;
        self.check_mounts(&path)?;
        let egress = self.check_rules()?;
        Ok(ResolvedProfile {
            name,
            chain,
            filesystem: Filesystem {
                root,
                read_only: self.read_only,
                tmpfs: self.tmpfs,
            },
            workspace: Workspace { path, mode },
            limits,
            seccomp,
            landlock_min_abi,
            egress,
            budget: finish_budget(self.budget),
            environment: self.environment,
        })
    }

    fn finish_limits(
        &self,
        missing: impl Fn(&str, &'static str) -> ProfileError,
    ) -> Result<Limits, ProfileError> {
        let set = &self.limits;
        let cpu = set.cpu.ok_or_else(|| missing("limits.cpu", "cpu = 2"))?;
        Ok(Limits {
            memory: set
                .memory
                .ok_or_else(|| missing("limits.memory", "memory = \"1GiB\""))?,
            pids: set
                .pids
                .ok_or_else(|| missing("limits.pids", "pids = 256"))?,
            cpu_millis: cpu.millis(),
            open_files: set
                .open_files
                .ok_or_else(|| missing("limits.open_files", "open_files = 4096"))?,
            file_size: set
                .file_size
                .ok_or_else(|| missing("limits.file_size", "file_size = \"10GiB\""))?,
            wall_clock: set.wall_clock,
        })
    }

    /// No two mounts at one place, in the whole chain.
    fn check_mounts(&self, workspace: &PathBuf) -> Result<(), ProfileError> {
        let mut seen = BTreeMap::from([(workspace, "the workspace")]);
        let read_only = self.read_only.iter().map(|path| (path, "read-only"));
        let tmpfs = self.tmpfs.iter().map(|tmpfs| (&tmpfs.path, "a tmpfs"));
        for (path, second) in read_only.chain(tmpfs) {
            if let Some(first) = seen.insert(path, second) {
                let position = Position::of_request(&self.file).with_key("filesystem");
                return Err(position.fault(Fault::Conflict {
                    path: path.to_string_lossy().into_owned(),
                    first,
                    second,
                }));
            }
        }
        if self.environment.len() > ENVIRONMENT_MAX {
            let position = Position::of_request(&self.file).with_key("environment.set");
            return Err(position.fault(Fault::TooManyVariables));
        }
        Ok(())
    }

    /// The rules, once they make a policy.
    fn check_rules(&self) -> Result<EgressRules, ProfileError> {
        let rules = EgressRules {
            rules: self.rules.clone(),
        };
        let position = || Position::of_request(&self.file).with_key("egress");
        EgressPolicy::new(0, rules.clone())
            .map_err(|error| position().fault(Fault::Policy(error)))?;
        Ok(rules)
    }
}

/// Makes rules of the tables of one file.
pub(crate) struct RuleReader<'a> {
    pub(crate) source: &'a Source,
    pub(crate) label: String,
}

impl RuleReader<'_> {
    /// The rules of one file. What it allows and denies for one pattern contradicts itself; rules of
    /// several files may, since deny beats allow.
    pub(crate) fn read_both(
        &self,
        allow: Vec<Spanned<RuleTable>>,
        deny: Vec<Spanned<RuleTable>>,
    ) -> Result<Vec<Rule>, ProfileError> {
        let at_heads: Vec<usize> = allow.iter().map(|table| table.span().start).collect();
        let mut rules = self.read(allow, Effect::Allow)?;
        let deny = self.read(deny, Effect::Deny)?;
        for (rule, offset) in rules.iter().zip(at_heads) {
            if let Some(shadow) = deny.iter().find(|deny| deny.shadows(rule)) {
                let denied = shadow.origin().number;
                return Err(at(self.source, offset).fault(Fault::Shadowed { denied }));
            }
        }
        rules.extend(deny);
        Ok(rules)
    }

    pub(crate) fn read(
        &self,
        tables: Vec<Spanned<RuleTable>>,
        effect: Effect,
    ) -> Result<Vec<Rule>, ProfileError> {
        tables
            .into_iter()
            .map(|table| self.read_one(table, effect))
            .collect()
    }

    fn read_one(&self, table: Spanned<RuleTable>, effect: Effect) -> Result<Rule, ProfileError> {
        let offset = table.span().start;
        let before = self.source.text.get(..offset).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let origin = Origin {
            source: self.label.clone(),
            // A file of 256 KiB has fewer lines than u32 counts.
            number: u32::try_from(line).unwrap_or(u32::MAX),
        };
        Rule::new(table.into_inner(), effect, origin)
            .map_err(|error| at(self.source, offset).fault(Fault::Rule(error)))
    }
}

pub(crate) fn parse<T: DeserializeOwned>(source: &Source) -> Result<T, ProfileError> {
    toml::from_str(&source.text).map_err(|error| {
        let position = match error.span() {
            Some(span) => at(source, span.start),
            None => Position::of_request(&source.file),
        };
        position.fault(Fault::Syntax {
            message: error.message().to_owned(),
        })
    })
}

fn check_name(
    expected: &ProfileName,
    found: &Spanned<ProfileName>,
    source: &Source,
) -> Result<(), ProfileError> {
    if found.get_ref() == expected {
        return Ok(());
    }
    Err(at(source, found.span().start).fault(Fault::Name {
        expected: expected.clone(),
        found: found.get_ref().clone(),
    }))
}

type Mounts = (Option<Root>, Vec<PathBuf>, Vec<Tmpfs>);

fn read_filesystem(table: FilesystemTable, source: &Source) -> Result<Mounts, ProfileError> {
    let read_only = table.read_only.map(Vec::from).unwrap_or_default();
    let mut tmpfs: Vec<Tmpfs> = Vec::new();
    let mut seen = BTreeSet::new();
    for entry in table.tmpfs.map(Vec::from).unwrap_or_default() {
        let offset = entry.span().start;
        let entry = entry.into_inner();
        let path = PathBuf::from(entry.path);
        if !seen.insert(path.clone()) {
            return Err(at(source, offset).fault(Fault::Conflict {
                path: path.to_string_lossy().into_owned(),
                first: "a tmpfs",
                second: "another one in the same file",
            }));
        }
        tmpfs.push(Tmpfs {
            path,
            size: entry.size.0,
        });
    }
    let read_only = read_only.into_iter().map(PathBuf::from).collect();
    Ok((table.root, read_only, tmpfs))
}

type NamedRules = (Vec<(ProfileName, Position)>, Vec<Rule>);

fn read_egress(
    name: &ProfileName,
    table: EgressTable,
    source: &Source,
) -> Result<NamedRules, ProfileError> {
    let reader = RuleReader {
        source,
        label: name.to_string(),
    };
    let rules = reader.read_both(table.allow, table.deny)?;
    let lists = table.extends.map(Vec::from).unwrap_or_default();
    let lists = lists.into_iter().map(|list| named(list, source)).collect();
    Ok((lists, rules))
}

fn finish_budget(table: BudgetTable) -> Budget {
    Budget {
        egress_up: table.egress_up,
        egress_down: table.egress_down,
        requests: table.requests,
        llm_tokens: table.llm_tokens,
        llm_cost: table.llm_cost,
        on_exceeded: table.on_exceeded.unwrap_or(OnExceeded::Stop),
    }
}

fn variables(table: EnvironmentTable) -> BTreeMap<String, String> {
    let pairs = table.set.into_iter();
    pairs
        .map(|(name, value)| (name.into(), value.into()))
        .collect()
}

fn named(name: Spanned<ProfileName>, source: &Source) -> (ProfileName, Position) {
    let position = at(source, name.span().start);
    (name.into_inner(), position)
}

fn at(source: &Source, offset: usize) -> Position {
    Position::in_file(&source.file, &source.text, offset)
}
