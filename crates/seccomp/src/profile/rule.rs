//! The rules of a profile: allowances, denials and what both are made of.
//!
//! Not for: reading them, nor for judging calls by them.

use std::sync::Arc;

use crate::action::Action;
use crate::arch::Arch;
use crate::condition::Condition;
use crate::errno::Errno;

use super::cve::Cve;

/// A call's name as a rule gives it, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mention {
    /// Name, as the tables hold it.
    pub name: &'static str,
    /// Line in the rule's file, from 1.
    pub line: usize,
}

/// What allowances and denials have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) why: String,
    pub(super) calls: Vec<Mention>,
    /// Ascending, never empty.
    pub(super) arches: Vec<Arch>,
    pub(super) quiet: bool,
    pub(super) file: Arc<str>,
}

/// Calls that take place, perhaps only with some arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowance {
    pub(super) head: Head,
    pub(super) guard: Option<Guard>,
    pub(super) logged: bool,
    pub(super) group: Option<String>,
}

/// The arguments that an allowance asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guard {
    pub(super) alternatives: Vec<Vec<Condition>>,
    pub(super) otherwise: Errno,
}

/// Calls that do not take place, perhaps only with some arguments. Denials beat allowances.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    pub(super) head: Head,
    pub(super) when: Vec<Vec<Condition>>,
    pub(super) action: Action,
    pub(super) cves: Vec<Cve>,
}

impl Head {
    fn names(&self, call: &str) -> bool {
        self.calls.iter().any(|mention| mention.name == call)
    }
}

impl Allowance {
    /// Why the calls are needed and harmless.
    #[must_use]
    pub fn why(&self) -> &str {
        &self.head.why
    }

    /// The calls.
    #[must_use]
    pub fn calls(&self) -> &[Mention] {
        &self.head.calls
    }

    /// The file that the rule stands in, as the caller named it.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.head.file
    }

    /// The architectures that the rule is for, in a fixed order.
    #[must_use]
    pub fn arches(&self) -> &[Arch] {
        &self.head.arches
    }

    /// Whether the rule names the call.
    #[must_use]
    pub fn names(&self, call: &str) -> bool {
        self.head.names(call)
    }

    /// Whether the rule is for the architecture.
    #[must_use]
    pub fn holds_on(&self, arch: Arch) -> bool {
        self.head.arches.contains(&arch)
    }

    /// Whether programs ask for the refused arguments as a matter of course and do without, so
    /// that a refusal is no event.
    #[must_use]
    pub const fn is_quiet(&self) -> bool {
        self.head.quiet
    }

    /// Whether the kernel logs the calls that take place.
    #[must_use]
    pub const fn is_logged(&self) -> bool {
        self.logged
    }

    /// The optional group that the rule belongs to.
    #[must_use]
    pub fn group(&self) -> Option<&str> {
        self.group.as_deref()
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
        &self.head.why
    }

    /// The calls.
    #[must_use]
    pub fn calls(&self) -> &[Mention] {
        &self.head.calls
    }

    /// The file that the rule stands in, as the caller named it.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.head.file
    }

    /// The architectures that the rule is for, in a fixed order.
    #[must_use]
    pub fn arches(&self) -> &[Arch] {
        &self.head.arches
    }

    /// Whether the rule names the call.
    #[must_use]
    pub fn names(&self, call: &str) -> bool {
        self.head.names(call)
    }

    /// Whether the rule is for the architecture.
    #[must_use]
    pub fn holds_on(&self, arch: Arch) -> bool {
        self.head.arches.contains(&arch)
    }

    /// Whether programs try the call as a matter of course and do without, so that the denial is
    /// no event.
    #[must_use]
    pub const fn is_quiet(&self) -> bool {
        self.head.quiet
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
    pub fn cves(&self) -> &[Cve] {
        &self.cves
    }
}
