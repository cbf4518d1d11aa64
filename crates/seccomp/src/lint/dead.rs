//! Rules and alternatives that decide for no arguments at all.
//!
//! Not for: rules that repeat each other word for word, which can't be read in the first place.

use crate::arch::Arch;
use crate::classes::{Space, TooManyClasses};
use crate::condition::{ARGUMENTS, Condition};
use crate::decision::{self, Ground, Origin};
use crate::profile::{Mention, Profile};
use crate::prose;
use crate::syscalls;

use super::{Check, Clause, Finding, Severity, own};

pub(super) fn check(profile: &Profile) -> Result<Vec<Finding>, TooManyClasses> {
    let mut findings = Vec::new();
    for clause in own(profile) {
        for mention in clause.calls {
            findings.extend(mentioned(profile, &clause, *mention)?);
        }
    }
    Ok(findings)
}

/// Findings about a rule for one of its calls.
fn mentioned(
    profile: &Profile,
    clause: &Clause<'_>,
    mention: Mention,
) -> Result<Vec<Finding>, TooManyClasses> {
    let call = mention.name;
    let mut decided = Vec::new();
    for arch in clause.arches {
        if syscalls::number(*arch, call).is_some() {
            decided.extend(decided_by(profile, clause, *arch, call)?);
        }
    }
    let finding = |text| clause.finding(mention.line, Severity::Error, Check::DeadRule, text);
    if decided.is_empty() {
        let text =
            format!("this rule never decides on {call}: other rules do for all its arguments");
        return Ok(vec![finding(text)]);
    }
    let needless = clause.alternatives.iter().filter(|one| {
        let alone = |arguments| holding(clause.alternatives, arguments) == [*one];
        !decided.iter().any(alone)
    });
    let told = needless.map(|one| {
        finding(format!(
            "for {call}, the alternative \"{}\" adds nothing: other alternatives or denials decide there",
            prose::all_of(call, one)
        ))
    });
    Ok(told.collect())
}

/// One list of arguments of each class for which the rule gives the answer.
fn decided_by(
    profile: &Profile,
    clause: &Clause<'_>,
    arch: Arch,
    call: &'static str,
) -> Result<Vec<[u64; ARGUMENTS]>, TooManyClasses> {
    let space = Space::of(&[profile], arch, call)?;
    let lists = space
        .points()
        .into_iter()
        .map(|point| space.arguments(&point));
    let by_it = |arguments: &[u64; ARGUMENTS]| {
        is_by(decision::named(profile, arch, call, arguments), clause)
    };
    Ok(lists.filter(by_it).collect())
}

fn is_by(origin: Origin, clause: &Clause<'_>) -> bool {
    let denies = origin.ground == Ground::Denied;
    // An allowance's guard also decides where it does not hold, but that alone is no use of it.
    let rules = denies || origin.ground == Ground::Allowed;
    rules && denies == clause.denies && origin.rule == Some(clause.index)
}

fn holding<'a>(
    alternatives: &'a [Vec<Condition>],
    arguments: &[u64; ARGUMENTS],
) -> Vec<&'a Vec<Condition>> {
    let holds = |all: &&Vec<Condition>| all.iter().all(|one| one.holds(arguments));
    alternatives.iter().filter(holds).collect()
}
