//! Rules of one profile held against each other: duplicates, contradictions, dead rules.
//!
//! Not for: a rule's own form.

use crate::condition::Condition;

use super::error::{Problem, ProfileError};
use super::{Allowance, Denial, Mention, Profile};

/// A mention and the conditions under which it applies; none when it always applies.
type Claim<'a> = (Mention, &'a [Vec<Condition>]);

/// Finds the first rule that repeats another, contradicts it or can't take effect.
pub(super) fn check(file: &str, profile: &Profile) -> Result<(), ProfileError> {
    let failed = |key: &str, (mention, problem): (Mention, Problem)| ProfileError {
        file: file.to_owned(),
        line: mention.line,
        key: key.to_owned(),
        problem,
    };
    let allowed: Vec<_> = profile.allowances.iter().flat_map(allow_claims).collect();
    let denied: Vec<_> = profile.denials.iter().flat_map(deny_claims).collect();
    once(&allowed).map_err(|found| failed("allow.calls", found))?;
    distinct(&denied).map_err(|found| failed("deny.calls", found))?;
    consistent(&allowed, &denied).map_err(|found| failed("deny.calls", found))
}

fn allow_claims(allowance: &Allowance) -> impl Iterator<Item = Claim<'_>> {
    let when = allowance
        .guard
        .as_ref()
        .map_or(&[][..], |guard| guard.alternatives.as_slice());
    allowance.calls.iter().map(move |mention| (*mention, when))
}

fn deny_claims(denial: &Denial) -> impl Iterator<Item = Claim<'_>> {
    let when = denial.when.as_slice();
    denial.calls.iter().map(move |mention| (*mention, when))
}

/// A call has one allowance, so that its reason and its conditions stand in one place.
fn once(allowed: &[Claim<'_>]) -> Result<(), (Mention, Problem)> {
    pairs(allowed).try_for_each(|(first, second)| repeated(first, second, true))?;
    let own = allowed.iter().find(|(_, when)| has_twins(when));
    own.map_or(Ok(()), |(mention, _)| Err(duplicate(*mention, *mention)))
}

/// A call may be denied several times for different arguments, and once without any.
fn distinct(denied: &[Claim<'_>]) -> Result<(), (Mention, Problem)> {
    pairs(denied).try_for_each(|(first, second)| {
        let total = first.1.is_empty() || second.1.is_empty();
        repeated(first, second, total || overlap(first.1, second.1))
    })?;
    let own = denied.iter().find(|(_, when)| has_twins(when));
    own.map_or(Ok(()), |(mention, _)| Err(duplicate(*mention, *mention)))
}

fn repeated(first: &Claim<'_>, second: &Claim<'_>, same: bool) -> Result<(), (Mention, Problem)> {
    if same && first.0.name == second.0.name {
        return Err(duplicate(first.0, second.0));
    }
    Ok(())
}

const fn duplicate(first: Mention, second: Mention) -> (Mention, Problem) {
    let problem = Problem::Duplicate {
        call: second.name,
        first: first.line,
    };
    (second, problem)
}

fn consistent(allowed: &[Claim<'_>], denied: &[Claim<'_>]) -> Result<(), (Mention, Problem)> {
    for (mention, when) in denied {
        let allowance = allowed.iter().find(|(other, _)| other.name == mention.name);
        let problem = match allowance {
            None if when.is_empty() => continue,
            None => Problem::NeverAllowed { call: mention.name },
            Some((other, guard)) if when.is_empty() || overlap(when, guard) => {
                Problem::Contradiction {
                    call: mention.name,
                    allowed: other.line,
                }
            }
            Some(_) => continue,
        };
        return Err((*mention, problem));
    }
    Ok(())
}

/// Whether two lists share an alternative, word for word.
fn overlap(one: &[Vec<Condition>], other: &[Vec<Condition>]) -> bool {
    one.iter().any(|alternative| other.contains(alternative))
}

fn has_twins(when: &[Vec<Condition>]) -> bool {
    pairs(when).any(|(first, second)| first == second)
}

/// Each two elements, in order.
fn pairs<T>(list: &[T]) -> impl Iterator<Item = (&T, &T)> {
    list.iter()
        .enumerate()
        .flat_map(|(at, first)| list.iter().skip(at + 1).map(move |second| (first, second)))
}
