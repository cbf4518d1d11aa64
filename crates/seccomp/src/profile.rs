//! A seccomp profile: which system calls are allowed or denied, with which arguments, and why.
//!
//! Not for: one architecture's numbers, nor for reading files: the caller brings the text.

mod conflict;
mod cve;
mod error;
mod floor;
mod group;
mod listed;
mod narrow;
mod operand;
mod reader;
mod rule;

use model::ProfileName;

use crate::arch::Arch;

pub use cve::Cve;
pub use error::{Problem, ProfileError};
pub use floor::{FLOOR, FloorError, Need};
pub(crate) use listed::UNREASONED;
pub(crate) use narrow::NOT_KEPT;
pub use rule::{Allowance, Denial, Guard, Mention};

/// The format version that this reader understands.
pub const VERSION: i64 = 1;
/// Most profiles in a chain of `extends`, the first one included: a reviewer has to read them all.
pub const CHAIN_MAX: usize = 4;
/// Longest text of a profile. The longest shipped one is a tenth of it, and checks that compare
/// each two rules stay quick.
pub const TEXT_BYTES_MAX: usize = 256 << 10;

/// A checked profile. What no rule names gets EPERM, or ENOSYS when no known kernel has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    name: ProfileName,
    description: String,
    allowances: Vec<Allowance>,
    denials: Vec<Denial>,
    optional: Vec<Allowance>,
    lineage: Vec<Origin>,
}

/// A file that rules come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Name of the profile in it.
    pub name: ProfileName,
    /// The file as the caller named it.
    pub file: String,
}

impl Profile {
    /// Reads a profile that may extend shipped ones. `file` only names the text in errors.
    ///
    /// # Errors
    ///
    /// With file, line and key of the first defect: unknown keys and calls, duplicates, rules
    /// without a reason, contradictions, rules that can't take effect, parents that don't exist.
    pub fn parse(file: &str, text: &str) -> Result<Self, ProfileError> {
        Self::parse_with(file, text, &|name| {
            let text = crate::embedded::shipped(name.as_str())?;
            Some((format!("shipped:{name}"), text.to_owned()))
        })
    }

    /// Reads a profile whose parents `find` knows: it answers a name with the file to name in
    /// errors, and its text.
    ///
    /// A child may take calls away (`keep`, `drop`, `[[deny]]`) and switch on what its parent
    /// marks optional (`enable`). What the parent refuses, it refuses; what is fatal stays fatal.
    /// Entries of `drop` are tables with `why` and `calls`; a call's name alone is taken, but
    /// `lint` asks for its reason.
    ///
    /// # Errors
    ///
    /// As [`Profile::parse`]; a defect of a parent names the parent's file.
    pub fn parse_with(
        file: &str,
        text: &str,
        find: &dyn Fn(&ProfileName) -> Option<(String, String)>,
    ) -> Result<Self, ProfileError> {
        reader::read(file, text, find)
    }

    /// The profile's name.
    #[must_use]
    pub const fn name(&self) -> &ProfileName {
        &self.name
    }

    /// The file that the profile itself stands in, as the caller named it.
    #[must_use]
    pub fn file(&self) -> &str {
        let own = self.lineage.first();
        own.map_or("", |origin| &origin.file)
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

    /// Optional groups that are off: a child may enable them.
    #[must_use]
    pub fn optional(&self) -> &[Allowance] {
        &self.optional
    }

    /// Where the rules come from: the profile itself, then its parents up to the root.
    #[must_use]
    pub fn lineage(&self) -> &[Origin] {
        &self.lineage
    }

    /// The first allowance that names the call, on whichever architecture.
    #[must_use]
    pub fn allowance_of(&self, call: &str) -> Option<&Allowance> {
        self.allowances.iter().find(|rule| rule.names(call))
    }

    /// The denials that name the call, on whichever architecture, in order: of those for one
    /// architecture the first that applies gives the action.
    pub fn denials_of(&self, call: &str) -> impl Iterator<Item = &Denial> {
        self.denials.iter().filter(move |rule| rule.names(call))
    }

    /// The allowance that holds for the call on an architecture; there is one at most.
    #[must_use]
    pub fn allowance_on(&self, arch: Arch, call: &str) -> Option<&Allowance> {
        self.allowances
            .iter()
            .find(|rule| rule.names(call) && rule.holds_on(arch))
    }

    /// The denials that hold for the call on an architecture, in order: the first that applies
    /// gives the action.
    pub fn denials_on(&self, arch: Arch, call: &str) -> impl Iterator<Item = &Denial> {
        self.denials_of(call)
            .filter(move |rule| rule.holds_on(arch))
    }
}

#[cfg(test)]
mod tests;
