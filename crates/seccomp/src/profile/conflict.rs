//! Rules of one profile held against each other: duplicates, contradictions, dead rules.
//!
//! Not for: a rule's own form.

use crate::condition::Condition;

use super::error::{Problem, ProfileError};
use super::rule::Head;
use super::{Allowance, Denial, Mention, Profile};

/// A call as a rule names it.
#[derive(Clone, Copy)]
struct Claim<'a> {
    mention: Mention,
    /// When the rule applies; empty when it always does.
    when: &'a [Vec<Condition>],
    head: &'a Head,
    optional: bool,
}

/// Finds the first rule of a profile without parent that repeats another, contradicts it or can't
/// take effect.
pub(super) fn check(profile: &Profile) -> Result<(), ProfileError> {
    let allowances = profile.allowances.iter().chain(&profile.optional);
    let allowed: Vec<_> = allowances.flat_map(allow_claims).collect();
    let denied: Vec<_> = profile.denials.iter().flat_map(deny_claims).collect();
    once(&allowed)?;
    distinct(&denied)?;
    consistent(&allowed, &denied)
}

/// Finds the first denial of a child that repeats another, that its parent has already, or that
/// can't take effect.
pub(super) fn check_denials(parent: &Profile, denials: &[Denial]) -> Result<(), ProfileError> {
    let denied: Vec<_> = denials.iter().flat_map(deny_claims).collect();
    distinct(&denied)?;
    let inherited: Vec<_> = parent.denials.iter().flat_map(deny_claims).collect();
    let off: Vec<_> = parent.optional.iter().flat_map(allow_claims).collect();
    for claim in &denied {
        if off.iter().any(|other| claim.meets(other)) {
            continue;
        }
        let covers = |other: &&Claim<'_>| {
            claim.meets(other) && (other.when.is_empty() || overlap(claim.when, other.when))
        };
        if let Some(other) = inherited.iter().find(covers) {
            return Err(claim.error("deny.calls", other.inherited()));
        }
        if !claim.when.is_empty() && parent.allowance_of(claim.mention.name).is_none() {
            let call = claim.mention.name;
            return Err(claim.error("deny.calls", Problem::NotAllowed { call }));
        }
    }
    Ok(())
}

impl Claim<'_> {
    /// Whether both name the same call on one architecture at least.
    fn meets(&self, other: &Claim<'_>) -> bool {
        self.mention.name == other.mention.name
            && self
                .head
                .arches
                .iter()
                .any(|arch| other.head.arches.contains(arch))
    }

    fn error(&self, key: &str, problem: Problem) -> ProfileError {
        ProfileError {
            file: self.head.file.to_string(),
            line: self.mention.line,
            key: key.to_owned(),
            problem,
        }
    }

    fn repeated(&self) -> Problem {
        Problem::Duplicate {
            call: self.mention.name,
            first: self.mention.line,
        }
    }

    fn inherited(&self) -> Problem {
        Problem::Inherited {
            call: self.mention.name,
            file: self.head.file.as_ref().into(),
            line: self.mention.line,
        }
    }
}

fn allow_claims(allowance: &Allowance) -> impl Iterator<Item = Claim<'_>> {
    let guard = allowance.guard.as_ref();
    let when = guard.map_or(&[][..], |guard| guard.alternatives.as_slice());
    allowance.head.calls.iter().map(move |mention| Claim {
        mention: *mention,
        when,
        head: &allowance.head,
        optional: allowance.group.is_some(),
    })
}

fn deny_claims(denial: &Denial) -> impl Iterator<Item = Claim<'_>> {
    denial.head.calls.iter().map(move |mention| Claim {
        mention: *mention,
        when: denial.when.as_slice(),
        head: &denial.head,
        optional: false,
    })
}

/// A call has one allowance, so that its reason and its conditions stand in one place.
fn once(allowed: &[Claim<'_>]) -> Result<(), ProfileError> {
    let found = pairs(allowed).find(|(first, second)| first.meets(second));
    if let Some((first, second)) = found {
        return Err(second.error("allow.calls", first.repeated()));
    }
    no_twins(allowed, "allow.calls")
}

/// A call may be denied several times for different arguments, and once without any.
fn distinct(denied: &[Claim<'_>]) -> Result<(), ProfileError> {
    let repeats = |first: &Claim<'_>, second: &Claim<'_>| {
        let total = first.when.is_empty() || second.when.is_empty();
        first.meets(second) && (total || overlap(first.when, second.when))
    };
    let found = pairs(denied).find(|(first, second)| repeats(first, second));
    if let Some((first, second)) = found {
        return Err(second.error("deny.calls", first.repeated()));
    }
    no_twins(denied, "deny.calls")
}

fn no_twins(claims: &[Claim<'_>], key: &str) -> Result<(), ProfileError> {
    let own = claims.iter().find(|claim| has_twins(claim.when));
    own.map_or(Ok(()), |claim| Err(claim.error(key, claim.repeated())))
}

fn consistent(allowed: &[Claim<'_>], denied: &[Claim<'_>]) -> Result<(), ProfileError> {
    for claim in denied {
        let (call, total) = (claim.mention.name, claim.when.is_empty());
        let other = allowed.iter().find(|other| claim.meets(other));
        let problem = match other {
            None if total => continue,
            None => Problem::NeverAllowed { call },
            // The denial holds while the group is off.
            Some(other) if total && other.optional => continue,
            Some(other) if total || overlap(claim.when, other.when) => Problem::Contradiction {
                call,
                allowed: other.mention.line,
            },
            Some(_) => continue,
        };
        return Err(claim.error("deny.calls", problem));
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
