//! The seccomp profile that a session was started under, asked for the rule that refused a call.
//!
//! Not for: enforcing it; the kernel did. The profile is read when the first call was refused.

use std::sync::Arc;

use model::{DeniedCall, ProfileName};
use seccomp::decision::{Decision, Ground, decide};
use seccomp::{Arch, Data, Errno, Profile, syscalls};

use crate::policies::Set;

/// Entries of other tables that a 64-bit kernel may have (`AUDIT_ARCH_*`, `linux/audit.h`), by the names
/// that `strace` gives them.
const FOREIGN: [(u32, &str); 2] = [(0x4000_0003, "i386"), (0x4000_0028, "arm")];

/// The rules on system calls of one session: those of the generation that it was started under.
#[derive(Debug, Clone)]
pub struct SyscallRules {
    pub(crate) set: Arc<Set>,
    pub(crate) profile: ProfileName,
}

/// A refused call in words.
#[derive(Debug)]
pub(crate) struct Found {
    /// Its name, or its number where no known kernel gives it one.
    pub(crate) name: String,
    /// The architecture's name, or its number where it has none here.
    pub(crate) arch: String,
    /// The answer's name; none when the process was killed.
    pub(crate) errno: Option<String>,
    /// The profile.
    pub(crate) profile: ProfileName,
    /// The rule's reason, or why there is no rule.
    pub(crate) why: String,
    /// What the rule keeps out of reach.
    pub(crate) cves: Vec<String>,
    /// File and line to change.
    pub(crate) rule: Option<String>,
}

impl SyscallRules {
    /// Finds the rule that refused a call.
    pub(crate) fn find(&self, call: &DeniedCall) -> Found {
        let arch = Arch::ALL.into_iter().find(|arch| arch.audit() == call.arch);
        let profile = self.set.seccomp(&self.profile);
        // A foreign architecture's call met the program of this one.
        let decision = arch.or(Arch::native()).zip(profile.as_deref());
        let decision = decision.map(|(arch, profile)| judge(profile, arch, call));
        let (why, cves, rule) = match decision {
            Some(decision) => told(decision),
            None => (
                "its profile can't be read any more".to_owned(),
                Vec::new(),
                None,
            ),
        };
        let (name, arch) = named(call);
        let errno = |number| Errno::new(number).map_or_else(String::new, |errno| errno.to_string());
        Found {
            name,
            arch,
            errno: call.errno.map(errno),
            profile: self.profile.clone(),
            why,
            cves,
            rule: rule.or_else(|| profile.as_deref().and_then(file_of)),
        }
    }
}

/// The call and the table that its number is from. Only the own table's numbers are given names: the same
/// number means another call in others.
fn named(call: &DeniedCall) -> (String, String) {
    let Some(arch) = Arch::ALL.into_iter().find(|arch| arch.audit() == call.arch) else {
        let known = FOREIGN.iter().find(|(audit, _)| *audit == call.arch);
        let arch = known.map_or_else(|| format!("{:#x}", call.arch), |(_, name)| name.to_string());
        return (call.number.to_string(), arch);
    };
    let second = arch.foreign_abi_bit().unwrap_or(0);
    if call.number & second != 0 {
        return ((call.number & !second).to_string(), "x32".to_owned());
    }
    let name = syscalls::name(arch, call.number);
    let name = name.map_or_else(|| call.number.to_string(), str::to_owned);
    (name, arch.to_string())
}

fn judge(profile: &Profile, arch: Arch, call: &DeniedCall) -> Decision {
    let call = Data {
        number: call.number,
        arch: call.arch,
        instruction_pointer: 0,
        arguments: call.arguments,
    };
    decide(profile, arch, &call)
}

fn told(decision: Decision) -> (String, Vec<String>, Option<String>) {
    let Some(rule) = decision.rule else {
        let why = match decision.ground {
            Ground::Unnamed => "no rule of the profile names it",
            Ground::Unknown => "no known kernel assigns the number",
            Ground::SecondAbi => {
                "every call of a second ABI is fatal: its numbers mean other calls"
            }
            Ground::Foreign => {
                "every call by another architecture's entry is fatal: its numbers mean other calls"
            }
            _ => "the profile says nothing else",
        };
        return (why.to_owned(), Vec::new(), None);
    };
    let cves = rule.cves.into_iter().map(|one| one.id).collect();
    (rule.why, cves, Some(format!("{}:{}", rule.file, rule.line)))
}

/// Where a rule would have to be added.
fn file_of(profile: &Profile) -> Option<String> {
    profile.lineage().first().map(|own| own.file.clone())
}

#[cfg(test)]
mod tests;
