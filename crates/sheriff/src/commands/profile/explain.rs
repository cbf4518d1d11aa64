//! `sheriff profile explain`: everything that a jail with a profile gets, layer by layer, on one page.
//!
//! Not for: what `sheriff run` adds with its options, nor for a living jail (`inspect`).

use jail::outline::{LandlockRule, Outline, OutlinedMount};
use jail::{Root, Tmpfs, View};
use model::{ByteSize, Limits, ProfileName};
use policy::{Budget, EffectivePolicy, ResolvedProfile};
use seccomp::explain::{self, Count};
use seccomp::{Arch, Profile, Purpose, compile_for};
use serde::Serialize;

use crate::commands::SeccompError;
use crate::commands::folder::Folder;
use crate::failure::Failure;
use crate::render::{Output, page};
use crate::shelf::Shelf;

/// Options of `profile explain`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    folder: Folder,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// The profile
    #[arg(value_name = "NAME")]
    name: ProfileName,
}

/// The whole profile.
#[derive(Debug, Serialize)]
pub(crate) struct Page {
    /// It and its parents, nearest first.
    pub(crate) chain: Vec<ProfileName>,
    /// The mounts, outer ones first.
    pub(crate) mounts: Vec<Mount>,
    /// Landlock's rules.
    pub(crate) landlock: Landlock,
    /// The seccomp profile.
    pub(crate) seccomp: Filter,
    /// Limits of the jail's cgroup and of its processes.
    pub(crate) limits: Limits,
    /// What may leave, and where each rule stands.
    pub(crate) egress: Egress,
    /// Byte budgets.
    pub(crate) budget: Budget,
    /// Variables that the profile sets.
    pub(crate) environment: std::collections::BTreeMap<String, String>,
}

/// One mount.
#[derive(Debug, Serialize)]
pub(crate) struct Mount {
    /// Where, in the jail.
    pub(crate) path: String,
    /// What is there.
    pub(crate) kind: &'static str,
    /// What a program can do there.
    pub(crate) access: &'static str,
    /// Most that it holds, for memory.
    pub(crate) size: Option<ByteSize>,
}

/// One rule of Landlock.
#[derive(Debug, Serialize)]
pub(crate) struct Rule {
    /// It holds for this and everything beneath.
    pub(crate) path: String,
    /// The rights.
    pub(crate) rights: Vec<String>,
    /// Whether that is every right that there is.
    pub(crate) all: bool,
}

/// Landlock's part.
#[derive(Debug, Serialize)]
pub(crate) struct Landlock {
    /// The least ABI with which a jail of this profile starts.
    pub(crate) least: u32,
    /// What the running kernel offers; none without Landlock.
    pub(crate) offered: Option<u32>,
    /// The rules for the newest ABI that this kernel and this version have in common.
    pub(crate) rules: Vec<Rule>,
    /// What else is fenced at this ABI.
    pub(crate) scopes: &'static [&'static str],
}

/// The seccomp profile in numbers.
#[derive(Debug, Serialize)]
pub(crate) struct Filter {
    /// It and its parents, nearest first.
    pub(crate) lineage: Vec<String>,
    /// Its file.
    pub(crate) source: String,
    /// What it is for.
    pub(crate) description: String,
    /// How much it permits on this host's architecture.
    pub(crate) count: Option<Count>,
    /// SHA-256 of the program that jails get, which also reports denials.
    pub(crate) sha256: Option<String>,
    /// Its length.
    pub(crate) instructions: Option<usize>,
    /// Published vulnerabilities that it keeps out of reach.
    pub(crate) stopped: usize,
}

/// The egress rules.
#[derive(Debug, Serialize)]
pub(crate) struct Egress {
    /// The rules; each names its file and line.
    #[serde(flatten)]
    pub(crate) policy: EffectivePolicy,
}

/// Explains the profile.
pub(crate) fn run(args: &Args) -> Result<u8, Failure> {
    let page = Page::of(&args.name, &args.folder.shelf())?;
    let mut output = Output::new();
    if args.json {
        output.json(&page)?;
    } else {
        page::print(&page, &mut output)?;
    }
    output.finish().map(|()| 0)
}

impl Page {
    fn of(name: &ProfileName, shelf: &Shelf) -> Result<Self, Failure> {
        let mut look_up = |kind, name: &ProfileName| shelf.look_up(kind, name);
        let resolved = ResolvedProfile::resolve(name, &mut look_up)?;
        // No generation: nothing is in force here.
        let rules = resolved.policy(0)?;
        let read_only = resolved.workspace.mode == policy::profile::WorkspaceMode::ReadOnly;
        let outline = Outline::of(&view(&resolved), &resolved.workspace.path, read_only)?;
        let filter = shelf
            .filter(resolved.seccomp.as_str())
            .map_err(SeccompError::from)?;
        Ok(Self {
            landlock: Landlock::of(&outline, resolved.landlock_min_abi),
            mounts: outline.mounts.into_iter().map(Mount::from).collect(),
            seccomp: Filter::of(&filter)?,
            egress: Egress::of(EffectivePolicy::new(&rules, resolved.budget), shelf),
            chain: resolved.chain,
            limits: resolved.limits,
            budget: resolved.budget,
            environment: resolved.environment,
        })
    }
}

/// The profile's view of files as the jail's builder takes it.
fn view(profile: &ResolvedProfile) -> View {
    let tmpfs = profile.filesystem.tmpfs.iter();
    View {
        root: match &profile.filesystem.root {
            policy::profile::Root::Host => Root::Host,
            policy::profile::Root::Folder(path) => Root::Folder(path.clone()),
        },
        read_only: profile.filesystem.read_only.clone(),
        tmpfs: tmpfs
            .map(|one| Tmpfs {
                at: one.path.clone(),
                size: one.size,
            })
            .collect(),
    }
}

impl From<OutlinedMount> for Mount {
    fn from(mount: OutlinedMount) -> Self {
        Self {
            path: mount.path.display().to_string(),
            kind: mount.kind,
            access: mount.use_of_it,
            size: mount.size,
        }
    }
}

impl From<LandlockRule> for Rule {
    fn from(rule: LandlockRule) -> Self {
        Self {
            path: rule.path.display().to_string(),
            rights: rule.rights,
            all: rule.all,
        }
    }
}

impl Landlock {
    fn of(outline: &Outline, least: u32) -> Self {
        let offered = sys::landlock::landlock_abi().ok();
        let abi = offered.unwrap_or(least);
        Self {
            least,
            offered,
            rules: outline.landlock(abi).into_iter().map(Rule::from).collect(),
            scopes: Outline::scopes(abi),
        }
    }
}

impl Filter {
    fn of(profile: &Profile) -> Result<Self, SeccompError> {
        let explanation = explain::explain(profile)?;
        let native = Arch::native();
        let program = native.map(|arch| compile_for(profile, arch, Purpose::Report));
        let program = program.transpose()?;
        let mut counts = explanation.counts.into_iter();
        let source = profile.lineage().first();
        Ok(Self {
            lineage: explanation.lineage,
            source: source.map(|origin| origin.file.clone()).unwrap_or_default(),
            description: explanation.description,
            count: counts.find(|count| Some(count.arch) == native),
            sha256: program.as_ref().map(seccomp::Program::hash),
            instructions: program.map(|program| program.instructions().len()),
            stopped: explain::stopped(profile).len(),
        })
    }
}

impl Egress {
    /// Rules name their profile; a reader wants its file.
    fn of(mut policy: EffectivePolicy, shelf: &Shelf) -> Self {
        for rule in policy.allow.iter_mut().chain(&mut policy.deny) {
            if let Some(place) = shelf.rule_place(&rule.rule) {
                rule.rule = format!("{}:{}", place.file, place.line);
            }
        }
        Self { policy }
    }
}
