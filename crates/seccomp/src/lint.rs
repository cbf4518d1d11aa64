//! What a reviewer would object to in a profile that can be read and compiled.
//!
//! Not for: defects that keep a profile from being read; `Profile::parse` refuses those.

mod alias;
mod architecture;
mod dead;
mod family;
mod reason;
mod width;

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use crate::arch::Arch;
use crate::classes::TooManyClasses;
use crate::condition::Condition;
use crate::profile::{Mention, Profile};

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The profile does not hold what it says: it can be passed by, or a rule has no effect.
    Error,
    /// The profile may not mean what it does.
    Warning,
    /// Something that a reviewer will ask about.
    Note,
}

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// A rule, or one of its alternatives, decides for no arguments.
    DeadRule,
    /// Calls that do the same job get different answers.
    Alias,
    /// A rule works on one architecture only.
    Architecture,
    /// A reason is too short to be one.
    Reason,
    /// A call with a history is let through, or refused without a word.
    Dangerous,
    /// A condition looks at other bits than the kernel.
    Width,
    /// A condition on an address, or on a register that the call does not read.
    Pointer,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// The file to change.
    pub file: String,
    /// Line of the rule, from 1.
    pub line: usize,
    /// What it is about.
    pub check: Check,
    /// What is wrong, and what would be right.
    pub text: String,
}

/// All findings, the gravest first, then by file and line.
///
/// # Errors
///
/// When a call's conditions are too many to try every class of its arguments.
pub fn lint(profile: &Profile) -> Result<Vec<Finding>, TooManyClasses> {
    let mut findings = BTreeSet::new();
    findings.extend(dead::check(profile)?);
    findings.extend(alias::check(profile)?);
    findings.extend(architecture::check(profile));
    findings.extend(reason::check(profile));
    findings.extend(width::check(profile));
    Ok(findings.into_iter().collect())
}

/// What the checks need of a rule, whichever way it decides.
#[derive(Clone, Copy)]
struct Clause<'a> {
    /// Whether it refuses.
    denies: bool,
    /// Index among the profile's allowances or denials.
    index: usize,
    why: &'a str,
    file: &'a str,
    calls: &'a [Mention],
    arches: &'a [Arch],
    alternatives: &'a [Vec<Condition>],
}

/// Every rule that is in force, allowances first.
fn clauses(profile: &Profile) -> impl Iterator<Item = Clause<'_>> {
    let allowing = profile.allowances().iter().enumerate();
    let allowing = allowing.map(|(index, rule)| Clause {
        denies: false,
        index,
        why: rule.why(),
        file: rule.file(),
        calls: rule.calls(),
        arches: rule.arches(),
        alternatives: rule.guard().map_or(&[], |guard| guard.alternatives()),
    });
    let denying = profile
        .denials()
        .iter()
        .enumerate()
        .map(|(index, rule)| Clause {
            denies: true,
            index,
            why: rule.why(),
            file: rule.file(),
            calls: rule.calls(),
            arches: rule.arches(),
            alternatives: rule.when(),
        });
    allowing.chain(denying)
}

/// Rules of the profile's own file. A parent's rules are judged with the parent: that a child
/// leaves them less to decide is what a child is for.
fn own(profile: &Profile) -> impl Iterator<Item = Clause<'_>> {
    let file = profile.lineage().first().map(|origin| origin.file.as_str());
    clauses(profile).filter(move |clause| file.is_none_or(|file| file == clause.file))
}

impl Clause<'_> {
    fn finding(&self, line: usize, severity: Severity, check: Check, text: String) -> Finding {
        Finding {
            severity,
            file: self.file.to_owned(),
            line,
            check,
            text,
        }
    }

    fn line(&self) -> usize {
        self.calls.first().map_or(0, |mention| mention.line)
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        })
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}: {}: {}",
            self.file, self.line, self.severity, self.text
        )
    }
}

#[cfg(test)]
mod tests;
