//! The seccomp profile that a session was started under, asked for the rule that refused a call.
//!
//! Not for: enforcing it; the kernel did. The profile is read when the first call was refused.

use std::sync::Arc;

use model::{DeniedCall, ProfileName};
use seccomp::decision::{Decision, Ground, decide};
use seccomp::{Arch, Data, Errno, Profile, syscalls};

use crate::policies::Set;

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
    /// The answer's name.
    pub(crate) errno: String,
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
        let decision = arch.zip(profile.as_deref());
        let decision = decision.map(|(arch, profile)| judge(profile, arch, call));
        let (why, cves, rule) = match decision {
            Some(decision) => told(decision),
            None => (
                "its profile can't be read any more".to_owned(),
                Vec::new(),
                None,
            ),
        };
        Found {
            name: arch
                .and_then(|arch| syscalls::name(arch, call.number))
                .map_or_else(|| call.number.to_string(), str::to_owned),
            arch: arch.map_or_else(|| format!("{:#x}", call.arch), |arch| arch.to_string()),
            errno: Errno::new(call.errno).map_or_else(String::new, |errno| errno.to_string()),
            profile: self.profile.clone(),
            why,
            cves,
            rule: rule.or_else(|| profile.as_deref().and_then(file_of)),
        }
    }
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
