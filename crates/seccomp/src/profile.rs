//! A seccomp profile: which system calls are allowed or denied, with which arguments, and why.
//!
//! Not for: one architecture's numbers, nor for reading files: the caller brings the text.

mod conflict;
mod error;
mod group;
mod operand;
mod reader;

use model::ProfileName;

use crate::action::Action;
use crate::condition::Condition;
use crate::errno::Errno;

pub use error::{Problem, ProfileError};

/// The format version that this reader understands.
pub const VERSION: i64 = 1;

/// A checked profile. What no rule names gets EPERM, or ENOSYS when no known kernel has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    name: ProfileName,
    description: String,
    allowances: Vec<Allowance>,
    denials: Vec<Denial>,
}

/// A call's name as a rule gives it, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mention {
    /// Name, as the tables hold it.
    pub name: &'static str,
    /// Line in the file, from 1.
    pub line: usize,
}

/// Calls that take place, perhaps only with some arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowance {
    why: String,
    calls: Vec<Mention>,
    guard: Option<Guard>,
}

/// The arguments that an allowance asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guard {
    alternatives: Vec<Vec<Condition>>,
    otherwise: Errno,
}

/// Calls that do not take place, perhaps only with some arguments. Denials beat allowances.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    why: String,
    calls: Vec<Mention>,
    when: Vec<Vec<Condition>>,
    action: Action,
    cves: Vec<String>,
}

impl Profile {
    /// Reads a profile. `file` only names the text in errors.
    ///
    /// # Errors
    ///
    /// With file, line and key of the first defect: unknown keys and calls, duplicates, rules
    /// without a reason, contradictions, rules that can't take effect.
    pub fn parse(file: &str, text: &str) -> Result<Self, ProfileError> {
        let profile = reader::read(file, text)?;
        conflict::check(file, &profile)?;
        Ok(profile)
    }

    /// The profile's name.
    #[must_use]
    pub const fn name(&self) -> &ProfileName {
        &self.name
    }

    /// What the profile is meant for.
    #[must_use]
    pub fn description(&self) -> &str {
        &self.description
    }

    /// All allowances in the file's order.
    #[must_use]
    pub fn allowances(&self) -> &[Allowance] {
        &self.allowances
    }

    /// All denials in the file's order.
    #[must_use]
    pub fn denials(&self) -> &[Denial] {
        &self.denials
    }

    /// The allowance that names the call; there is one at most.
    #[must_use]
    pub fn allowance_of(&self, call: &str) -> Option<&Allowance> {
        self.allowances
            .iter()
            .find(|allowance| mentions(&allowance.calls, call))
    }

    /// The denials that name the call, in the file's order: the first that applies gives the
    /// action.
    pub fn denials_of(&self, call: &str) -> impl Iterator<Item = &Denial> {
        self.denials
            .iter()
            .filter(move |denial| mentions(&denial.calls, call))
    }
}

fn mentions(calls: &[Mention], call: &str) -> bool {
    calls.iter().any(|mention| mention.name == call)
}

impl Allowance {
    /// Why the calls are needed and harmless.
    #[must_use]
    pub fn why(&self) -> &str {
        &self.why
    }

    /// The calls.
    #[must_use]
    pub fn calls(&self) -> &[Mention] {
        &self.calls
    }

    /// The arguments asked for; `None` when any will do.
    #[must_use]
    pub const fn guard(&self) -> Option<&Guard> {
        self.guard.as_ref()
    }
}

impl Guard {
    /// One of these must hold in full.
    #[must_use]
    pub fn alternatives(&self) -> &[Vec<Condition>] {
        &self.alternatives
    }

    /// The error when none holds.
    #[must_use]
    pub const fn otherwise(&self) -> Errno {
        self.otherwise
    }
}

impl Denial {
    /// Why the calls are refused.
    #[must_use]
    pub fn why(&self) -> &str {
        &self.why
    }

    /// The calls.
    #[must_use]
    pub fn calls(&self) -> &[Mention] {
        &self.calls
    }

    /// The denial applies when one of these holds in full; empty when it always applies.
    #[must_use]
    pub fn when(&self) -> &[Vec<Condition>] {
        &self.when
    }

    /// Whether the denial applies whatever the arguments are.
    #[must_use]
    pub fn is_total(&self) -> bool {
        self.when.is_empty()
    }

    /// What happens instead.
    #[must_use]
    pub const fn action(&self) -> Action {
        self.action
    }

    /// Vulnerabilities that the denial keeps out of reach.
    #[must_use]
    pub fn cves(&self) -> &[String] {
        &self.cves
    }
}

#[cfg(test)]
mod tests;
