//! What a profile decides and why, as a reader asks for it: the whole profile, or one call.
//!
//! Not for: comparing profiles (`diff`, `matrix`), nor for running programs (`simulate`).

mod call;
mod question;
mod render;
mod stopped;

use std::collections::BTreeSet;

use serde::Serialize;

use crate::action::Action;
use crate::arch::Arch;
use crate::classes::{Point, Space, TooManyClasses};
use crate::decision::{self, Vulnerability, as_text};
use crate::profile::{Allowance, Denial, Mention, Profile};
use crate::prose;
use crate::syscalls;

pub use call::{CallExplanation, Outcome, explain_call};
pub use question::{QuestionError, parse_argument};
pub use stopped::{Shield, Stopped, stopped};

/// A whole profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// Name of the profile.
    pub profile: String,
    /// What it is for.
    pub description: String,
    /// The profile itself, then its parents.
    pub lineage: Vec<String>,
    /// How many calls of each architecture get what.
    pub counts: Vec<Count>,
    /// The rules in their order: allowances, denials, then optional groups that are off.
    pub groups: Vec<Group>,
    /// What applies where no rule does, in words.
    pub defaults: Vec<String>,
}

/// Calls of one architecture by what they get.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Count {
    /// The architecture.
    #[serde(serialize_with = "as_text")]
    pub arch: Arch,
    /// Calls that take place whatever their arguments.
    pub always: usize,
    /// Calls that take place with some arguments.
    pub conditional: usize,
    /// Calls that never take place.
    pub never: usize,
}

/// What a group of a profile does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// It lets calls through.
    Allow,
    /// It refuses calls.
    Deny,
    /// It would let calls through, but is off.
    Off,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Group {
    /// What it does.
    pub effect: Effect,
    /// The action when it applies.
    #[serde(serialize_with = "as_text")]
    pub action: Action,
    /// Its reason.
    pub why: String,
    /// Its calls, in its order.
    pub calls: Vec<&'static str>,
    /// The only architecture that it is for; none when it is for all.
    pub only_on: Option<String>,
    /// The arguments that it asks for, one alternative each; empty when any will do.
    pub when: Vec<String>,
    /// The error when no alternative of an allowance holds.
    pub otherwise: Option<String>,
    /// Whether its refusals are no events.
    pub quiet: bool,
    /// Name of the optional group.
    pub optional: Option<String>,
    /// Vulnerabilities that it keeps out of reach.
    pub cves: Vec<Vulnerability>,
    /// The file that it stands in.
    pub file: String,
    /// Line of its first call, from 1.
    pub line: usize,
}

/// The whole profile as readable groups.
///
/// # Errors
///
/// When one call's conditions are too many to try every class of arguments.
pub fn explain(profile: &Profile) -> Result<Explanation, TooManyClasses> {
    let allowed = profile
        .allowances()
        .iter()
        .map(|rule| allowance(rule, Effect::Allow));
    let denied = profile.denials().iter().map(|rule| denial(profile, rule));
    let off = profile
        .optional()
        .iter()
        .map(|rule| allowance(rule, Effect::Off));
    Ok(Explanation {
        profile: profile.name().to_string(),
        description: profile.description().to_owned(),
        lineage: profile
            .lineage()
            .iter()
            .map(|one| one.name.to_string())
            .collect(),
        counts: Arch::ALL
            .into_iter()
            .map(|arch| count(profile, arch))
            .collect::<Result<_, _>>()?,
        groups: allowed.chain(denied).chain(off).collect(),
        defaults: vec![
            "a known call that no rule names: EPERM".to_owned(),
            "a number that no known kernel assigns: ENOSYS".to_owned(),
            "another architecture, or a second ABI such as x32: kill".to_owned(),
        ],
    })
}

fn count(profile: &Profile, arch: Arch) -> Result<Count, TooManyClasses> {
    let mut count = Count {
        arch,
        always: 0,
        conditional: 0,
        never: 0,
    };
    for (_, call) in syscalls::calls(arch) {
        let actions = actions(profile, arch, call)?;
        let permitted = actions.iter().filter(|action| action.permits()).count();
        match permitted {
            0 => count.never += 1,
            some if some == actions.len() => count.always += 1,
            _ => count.conditional += 1,
        }
    }
    Ok(count)
}

/// Every action that a call can get.
pub(crate) fn actions(
    profile: &Profile,
    arch: Arch,
    call: &'static str,
) -> Result<BTreeSet<Action>, TooManyClasses> {
    let space = Space::of(&[profile], arch, call)?;
    let action =
        |point: &Point| decision::named(profile, arch, call, &space.arguments(point)).action;
    Ok(space.points().iter().map(action).collect())
}

fn allowance(rule: &Allowance, effect: Effect) -> Group {
    let first = first(rule.calls());
    let when = rule
        .guard()
        .map(|guard| prose::alternatives(first.name, guard.alternatives()));
    Group {
        effect,
        action: if rule.is_logged() {
            Action::Log
        } else {
            Action::Allow
        },
        why: rule.why().to_owned(),
        calls: names(rule.calls()),
        only_on: only_on(rule.arches()),
        when: when.unwrap_or_default(),
        otherwise: rule.guard().map(|guard| guard.otherwise().to_string()),
        quiet: rule.is_quiet(),
        optional: rule.group().map(str::to_owned),
        cves: Vec::new(),
        file: rule.file().to_owned(),
        line: first.line,
    }
}

fn denial(profile: &Profile, rule: &Denial) -> Group {
    let first = first(rule.calls());
    Group {
        effect: Effect::Deny,
        action: rule.action(),
        why: rule.why().to_owned(),
        calls: names(rule.calls()),
        only_on: only_on(rule.arches()),
        when: prose::alternatives(first.name, rule.when()),
        otherwise: None,
        quiet: rule.is_quiet(),
        optional: None,
        cves: decision::vulnerabilities(profile, rule),
        file: rule.file().to_owned(),
        line: first.line,
    }
}

/// The first call: arguments are named after it. A rule without calls can't be read from a file.
fn first(calls: &[Mention]) -> Mention {
    calls
        .first()
        .copied()
        .unwrap_or(Mention { name: "", line: 0 })
}

fn names(calls: &[Mention]) -> Vec<&'static str> {
    calls.iter().map(|mention| mention.name).collect()
}

fn only_on(arches: &[Arch]) -> Option<String> {
    match arches {
        [only] => Some(only.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
