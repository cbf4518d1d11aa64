//! Reads seccomp policies in JSON: OCI's `linux.seccomp` and Docker's profile format.
//!
//! Not for: deciding what a profile says (`draft`).

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::action::Action;
use crate::arch::Arch;
use crate::errno::Errno;
use crate::syscalls;

use super::comparison::{ALTERNATIVES_MAX, Alternatives, RawComparison, both};
use super::draft::{Draft, Rule};
use super::error::{Defect, ImportError, cut, shown};
use super::note::{Difference, Note};
use super::{RULES_MAX, Request};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawPolicy<'a> {
    default_action: RawAction,
    default_errno_ret: Option<u32>,
    architectures: Option<Vec<String>>,
    arch_map: Option<Vec<RawArchitecture>>,
    flags: Option<Vec<String>>,
    listener_path: Option<String>,
    listener_metadata: Option<String>,
    #[serde(borrow)]
    syscalls: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawArchitecture {
    architecture: String,
    sub_architectures: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawRule {
    names: Option<Vec<String>>,
    name: Option<String>,
    action: RawAction,
    errno_ret: Option<u32>,
    args: Option<Vec<RawComparison>>,
    comment: Option<String>,
    includes: Option<RawFilter>,
    excludes: Option<RawFilter>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawFilter {
    caps: Option<Vec<String>>,
    arches: Option<Vec<String>>,
    min_kernel: Option<String>,
}

#[derive(Deserialize, Clone, Copy)]
enum RawAction {
    #[serde(rename = "SCMP_ACT_ALLOW")]
    Allow,
    #[serde(rename = "SCMP_ACT_LOG")]
    Log,
    #[serde(rename = "SCMP_ACT_ERRNO")]
    Errno,
    #[serde(rename = "SCMP_ACT_TRAP")]
    Trap,
    #[serde(rename = "SCMP_ACT_KILL_PROCESS")]
    KillProcess,
    #[serde(rename = "SCMP_ACT_KILL", alias = "SCMP_ACT_KILL_THREAD")]
    KillThread,
    #[serde(rename = "SCMP_ACT_TRACE")]
    Trace,
    #[serde(rename = "SCMP_ACT_NOTIFY")]
    Notify,
}

/// The policy as rules for the request.
pub(super) fn read(file: &str, text: &str, request: &Request) -> Result<Draft, ImportError> {
    let raw: RawPolicy<'_> = serde_json::from_str(text).map_err(|error| json(file, &error, 1))?;
    let mut reader = Reader {
        file,
        text,
        request,
        notes: Vec::new(),
        skipped: Vec::new(),
    };
    reader.surroundings(&raw)?;
    let fallback = reader.action(raw.default_action, raw.default_errno_ret, 1)?;
    let syscalls = raw.syscalls.unwrap_or_default();
    if syscalls.len() > RULES_MAX {
        return Err(reader.error(1, Defect::TooMany { what: "rules" }));
    }
    let mut rules = Vec::new();
    for (index, raw) in syscalls.into_iter().enumerate() {
        rules.extend(reader.rule(index, raw)?);
    }
    Ok(Draft {
        fallback,
        rules,
        notes: reader.notes,
        skipped: reader.skipped,
    })
}

fn json(file: &str, error: &serde_json::Error, first_line: usize) -> ImportError {
    let whole = error.to_string();
    // The place comes with our own words.
    let message = whole.split(" at line ").next().unwrap_or(&whole);
    ImportError::Json {
        file: file.to_owned(),
        line: first_line + error.line().saturating_sub(1),
        column: error.column(),
        message: shown(message),
    }
}

struct Reader<'a> {
    file: &'a str,
    text: &'a str,
    request: &'a Request,
    notes: Vec<Note>,
    skipped: Vec<usize>,
}

impl Reader<'_> {
    fn error(&self, line: usize, defect: Defect) -> ImportError {
        ImportError::Rule {
            file: self.file.to_owned(),
            line,
            defect,
        }
    }

    /// What stands beside the rules: architectures and settings.
    fn surroundings(&mut self, raw: &RawPolicy<'_>) -> Result<(), ImportError> {
        let listed = raw.architectures.as_deref().unwrap_or_default();
        let map = raw.arch_map.as_deref().unwrap_or_default();
        if !listed.is_empty() && !map.is_empty() {
            return Err(self.error(1, Defect::Architectures));
        }
        let own = scmp(self.request.arch);
        let mapped = map.iter().find(|entry| entry.architecture == own);
        let below = mapped.and_then(|entry| entry.sub_architectures.as_deref());
        // The other architecture that we know has a profile's program of its own.
        let foreign = |arch: &&String| !Arch::ALL.into_iter().any(|known| scmp(known) == **arch);
        for arch in listed
            .iter()
            .chain(below.unwrap_or_default())
            .filter(foreign)
        {
            let arch = cut(arch);
            self.notes
                .push(Note::whole(Difference::ForeignArch { arch }));
        }
        let flags = raw.flags.as_deref().unwrap_or_default();
        let listener = [
            ("listenerPath", &raw.listener_path),
            ("listenerMetadata", &raw.listener_metadata),
        ];
        let settings = flags.iter().map(|flag| format!("flag {}", cut(flag)));
        let listener = listener.into_iter().filter(|(_, given)| given.is_some());
        for setting in settings.chain(listener.map(|(name, _)| name.to_owned())) {
            self.notes
                .push(Note::whole(Difference::Ignored { setting }));
        }
        Ok(())
    }

    fn action(
        &mut self,
        raw: RawAction,
        errno: Option<u32>,
        line: usize,
    ) -> Result<Action, ImportError> {
        Ok(match raw {
            RawAction::Allow => Action::Allow,
            RawAction::Log => Action::Log,
            RawAction::Trap => Action::Trap,
            RawAction::KillProcess => Action::KillProcess,
            RawAction::KillThread => {
                self.notes.push(Note::at(line, Difference::ThreadKill));
                Action::KillProcess
            }
            RawAction::Errno => Action::Errno(self.errno(errno.unwrap_or(1), line)),
            RawAction::Trace => return Err(self.helper("SCMP_ACT_TRACE", line)),
            RawAction::Notify => return Err(self.helper("SCMP_ACT_NOTIFY", line)),
        })
    }

    fn helper(&self, action: &'static str, line: usize) -> ImportError {
        self.error(line, Defect::Helper { action })
    }

    fn errno(&mut self, number: u32, line: usize) -> Errno {
        let named = u16::try_from(number)
            .ok()
            .and_then(Errno::new)
            .filter(|errno| errno.to_string().parse::<Errno>().is_ok());
        named.unwrap_or_else(|| {
            self.notes
                .push(Note::at(line, Difference::Errno { number }));
            Errno::EPERM
        })
    }

    /// One element of `syscalls`; `None` when it does not hold for the request.
    fn rule(&mut self, index: usize, given: &RawValue) -> Result<Option<Rule>, ImportError> {
        let line = self.line(given);
        let raw: RawRule =
            serde_json::from_str(given.get()).map_err(|error| json(self.file, &error, line))?;
        // The action is checked even if the rule does not hold here: elsewhere it would.
        let action = self.action(raw.action, raw.errno_ret, line)?;
        let names = self.names(&raw, line)?;
        let when = self.when(raw.args.as_deref().unwrap_or_default(), line)?;
        let included = self.applies(raw.includes.as_ref(), line)?.unwrap_or(true);
        let excluded = self.excludes(raw.excludes.as_ref(), line)?;
        if !included || excluded {
            self.skipped.push(line);
            return Ok(None);
        }
        if when.is_empty() {
            self.notes.push(Note::at(line, Difference::Never));
        }
        Ok(Some(Rule {
            line,
            why: self.why(index, line, &raw),
            calls: self.known(names, line),
            action,
            when,
        }))
    }

    /// The line on which a value of the text starts.
    fn line(&self, given: &RawValue) -> usize {
        let offset = given.get().as_ptr().addr() - self.text.as_ptr().addr();
        let before = self.text.get(..offset).unwrap_or_default();
        before.matches('\n').count() + 1
    }

    fn names<'r>(&self, raw: &'r RawRule, line: usize) -> Result<Vec<&'r str>, ImportError> {
        let names = raw.names.as_deref().unwrap_or_default();
        if names.len() > RULES_MAX {
            return Err(self.error(line, Defect::TooMany { what: "names" }));
        }
        match &raw.name {
            Some(name) if names.is_empty() && !name.is_empty() => Ok(vec![name]),
            None if !names.is_empty() => Ok(names.iter().map(String::as_str).collect()),
            _ => Err(self.error(line, Defect::Names)),
        }
    }

    fn known(&mut self, names: Vec<&str>, line: usize) -> BTreeSet<&'static str> {
        let mut calls = BTreeSet::new();
        for name in names {
            if let Some(call) = syscalls::canonical(name) {
                calls.insert(call);
            } else {
                let call = cut(name);
                self.notes
                    .push(Note::at(line, Difference::UnknownCall { call }));
            }
        }
        calls
    }

    /// Comparisons are joined by AND, those of the same argument by OR: libseccomp takes one each
    /// argument, so runtimes add a rule for each comparison once an argument comes twice.
    fn when(&mut self, args: &[RawComparison], line: usize) -> Result<Alternatives, ImportError> {
        if args.len() > ALTERNATIVES_MAX {
            return Err(self.error(
                line,
                Defect::TooMany {
                    what: "comparisons",
                },
            ));
        }
        let mut seen = BTreeSet::new();
        let mut twice = None;
        let mut each = Vec::new();
        for raw in args {
            let failed = |defect| self.error(line, defect);
            let argument = raw.argument().map_err(failed)?;
            if !seen.insert(argument) {
                twice = Some(argument);
            }
            each.push(raw.alternatives().map_err(failed)?);
        }
        if let Some(argument) = twice {
            self.notes
                .push(Note::at(line, Difference::SameArgument { argument }));
            return Ok(each.into_iter().flatten().collect());
        }
        each.iter()
            .try_fold(vec![Vec::new()], |all, one| both(&all, one))
            .ok_or_else(|| {
                self.error(
                    line,
                    Defect::TooMany {
                        what: "alternatives",
                    },
                )
            })
    }

    /// Whether every part of a filter fits the request; `None` without a filter.
    fn applies(
        &self,
        filter: Option<&RawFilter>,
        line: usize,
    ) -> Result<Option<bool>, ImportError> {
        let Some(filter) = filter else {
            return Ok(None);
        };
        let caps = filter.caps.as_deref().unwrap_or_default();
        let held = caps
            .iter()
            .all(|cap| self.request.capabilities.contains(cap));
        let arches = filter.arches.as_deref().unwrap_or_default();
        let arch = arches.is_empty() || arches.iter().any(|arch| arch == docker(self.request.arch));
        let kernel = self.kernel(filter, line)?.is_none_or(|new| new);
        Ok(Some(held && arch && kernel))
    }

    /// Whether any part of a filter fits the request.
    fn excludes(&self, filter: Option<&RawFilter>, line: usize) -> Result<bool, ImportError> {
        let Some(filter) = filter else {
            return Ok(false);
        };
        let caps = filter.caps.as_deref().unwrap_or_default();
        let arches = filter.arches.as_deref().unwrap_or_default();
        Ok(caps
            .iter()
            .any(|cap| self.request.capabilities.contains(cap))
            || arches.iter().any(|arch| arch == docker(self.request.arch))
            || self.kernel(filter, line)?.unwrap_or(false))
    }

    /// Whether the request's kernel is as new as a filter asks; `None` when it doesn't ask.
    fn kernel(&self, filter: &RawFilter, line: usize) -> Result<Option<bool>, ImportError> {
        let given = filter.min_kernel.as_deref().unwrap_or_default();
        if given.is_empty() {
            return Ok(None);
        }
        let version = given.split_once('.').and_then(|(kernel, major)| {
            Some((kernel.parse::<u8>().ok()?, major.parse::<u8>().ok()?))
        });
        match version {
            Some(version) => Ok(Some(self.request.kernel >= version)),
            None => Err(self.error(line, Defect::Kernel { given: cut(given) })),
        }
    }

    fn why(&self, index: usize, line: usize, raw: &RawRule) -> String {
        let mut why = format!("Rule {} of {}, line {line}", index + 1, self.file);
        let caps = |filter: Option<&RawFilter>| {
            let caps = filter.and_then(|filter| filter.caps.as_deref());
            caps.unwrap_or_default().join(", ")
        };
        let (with, without) = (caps(raw.includes.as_ref()), caps(raw.excludes.as_ref()));
        if !with.is_empty() {
            why += &format!(", for processes with {with}");
        }
        if !without.is_empty() {
            why += &format!(", for processes without {without}");
        }
        match raw.comment.as_deref().map(str::trim) {
            Some(comment) if !comment.is_empty() => format!("{why}: {comment}"),
            _ => why + ".",
        }
    }
}

/// libseccomp's name of an architecture.
const fn scmp(arch: Arch) -> &'static str {
    match arch {
        Arch::X86_64 => "SCMP_ARCH_X86_64",
        Arch::Aarch64 => "SCMP_ARCH_AARCH64",
    }
}

/// Docker's name of an architecture.
const fn docker(arch: Arch) -> &'static str {
    match arch {
        Arch::X86_64 => "amd64",
        Arch::Aarch64 => "arm64",
    }
}
