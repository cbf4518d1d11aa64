//! Calls of one family that get different answers: what one refuses, another lets through.
//!
//! A difference is meant when the reason of the rule that refuses says so with one of two
//! phrases: `unlike NAME` or `fall back to NAME`, where NAME is of the same family.
//!
//! Not for: the families themselves.

use std::collections::{BTreeMap, BTreeSet};

use crate::action::Action;
use crate::arch::Arch;
use crate::classes::{Space, TooManyClasses, conditions};
use crate::condition::{ARGUMENTS, Condition};
use crate::decision::{self, Decision, Ground, Origin};
use crate::explain::actions;
use crate::profile::{NOT_KEPT, Profile};
use crate::syscalls;

use super::family::{FAMILIES, Member, Source};
use super::{Check, Finding, Severity};

/// Phrases by which a reason says that a family's calls differ on purpose.
const MEANT: [&str; 3] = ["unlike ", "fall back to ", "falls back to "];

pub(super) fn check(profile: &Profile) -> Result<Vec<Finding>, TooManyClasses> {
    let mut findings = Vec::new();
    for family in FAMILIES {
        for strict in *family {
            findings.extend(member(profile, family, *strict)?);
        }
    }
    Ok(findings)
}

/// A refusal that another call of the family does not share.
struct Gap {
    /// What the stricter call gets there.
    refused: Decision,
    /// Arguments of both calls, when they could be compared.
    example: Option<[[u64; ARGUMENTS]; 2]>,
}

/// The finding about one call: which others of its family let more through.
fn member(
    profile: &Profile,
    family: &[Member],
    strict: Member,
) -> Result<Option<Finding>, TooManyClasses> {
    let mut loose: BTreeMap<&str, Gap> = BTreeMap::new();
    for arch in Arch::ALL {
        for other in family.iter().filter(|other| other.0 != strict.0) {
            let pair = Pair {
                profile,
                arch,
                strict,
                loose: *other,
            };
            if let Some(gap) = pair.gap()? {
                loose.entry(other.0).or_insert(gap);
            }
        }
    }
    Ok(finding(profile, family, strict, &loose))
}

fn finding(
    profile: &Profile,
    family: &[Member],
    strict: Member,
    loose: &BTreeMap<&str, Gap>,
) -> Option<Finding> {
    let (name, gap) = loose.first_key_value()?;
    let names: Vec<&str> = loose.keys().copied().collect();
    let call = strict.0;
    let Some(rule) = &gap.refused.rule else {
        let place = Arch::ALL
            .iter()
            .find_map(|arch| profile.allowance_on(*arch, name))?;
        return Some(Finding {
            severity: Severity::Note,
            file: place.file().to_owned(),
            line: place.calls().iter().find(|one| one.name == *name)?.line,
            check: Check::Alias,
            text: format!(
                "{call} is named nowhere and refused, while {} let through",
                same(&names)
            ),
        });
    };
    // What `keep` leaves out was not wanted, whatever its family does.
    if rule.why == NOT_KEPT || is_meant(&rule.why, family) {
        return None;
    }
    let example = gap
        .example
        .map_or_else(String::new, |[refused, let_through]| {
            format!(
                ", as in {} and {}",
                spelled(call, refused),
                spelled(name, let_through)
            )
        });
    Some(Finding {
        severity: Severity::Warning,
        file: rule.file.clone(),
        line: rule.line,
        check: Check::Alias,
        text: format!(
            "{call} is refused where {} let through{example}; if that is meant, the reason must say \"unlike {name}\" or \"fall back to {name}\"",
            same(&names)
        ),
    })
}

fn same(names: &[&str]) -> String {
    let verbs = if names.len() == 1 {
        "does the same and is"
    } else {
        "do the same and are"
    };
    format!("{} {verbs}", names.join(", "))
}

fn spelled(call: &str, arguments: [u64; ARGUMENTS]) -> String {
    let length = crate::signature::parameters(call).map_or(ARGUMENTS, |all| all.len());
    let values = arguments
        .iter()
        .take(length)
        .map(|value| format!("{value:#x}"));
    format!("{call}({})", values.collect::<Vec<_>>().join(", "))
}

/// Whether a reason says that calls of the family differ on purpose.
fn is_meant(why: &str, family: &[Member]) -> bool {
    let why = why.to_lowercase();
    MEANT.iter().any(|phrase| {
        why.split(phrase).skip(1).any(|rest| {
            let sentence = rest.split(['.', ';', ':']).next().unwrap_or_default();
            let mut words = sentence.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            words.any(|word| family.iter().any(|member| member.0 == word))
        })
    })
}

/// Two calls of a family on one architecture, the first suspected to be stricter.
#[derive(Clone, Copy)]
struct Pair<'a> {
    profile: &'a Profile,
    arch: Arch,
    strict: Member,
    loose: Member,
}

impl Pair<'_> {
    fn gap(self) -> Result<Option<Gap>, TooManyClasses> {
        let exists = |call| syscalls::number(self.arch, call).is_some();
        if !exists(self.strict.0) || !exists(self.loose.0) {
            return Ok(None);
        }
        match (self.shared(self.strict), self.shared(self.loose)) {
            (Some(strict), Some(loose)) => self.exact(&[strict, loose].concat()),
            _ => self.as_a_whole(),
        }
    }

    /// The call's conditions, moved from registers to the family's values; none when it examines
    /// anything else, or the family has no values.
    fn shared(self, (call, sources): Member) -> Option<Vec<Condition>> {
        if sources.is_empty() {
            return None;
        }
        let moved = |condition: &Condition| {
            let at = sources
                .iter()
                .position(|one| *one == Source::At(condition.argument()))?;
            let mut moved = condition.clone();
            moved.argument = at;
            Some(moved)
        };
        conditions(self.profile, self.arch, call)
            .into_iter()
            .map(moved)
            .collect()
    }

    /// Compares every class of the family's values.
    fn exact(self, conditions: &[Condition]) -> Result<Option<Gap>, TooManyClasses> {
        let references: Vec<&Condition> = conditions.iter().collect();
        let space = Space::new(self.strict.0, &references)?;
        for point in space.points() {
            let values = self.fixed(space.arguments(&point));
            let origins = [self.strict, self.loose].map(|member| self.judged(member, values));
            if let [Some((refused, first)), Some((let_through, second))] = origins
                && !refused.action.permits()
                && let_through.action.permits()
            {
                return Ok(Some(Gap {
                    refused: refused.told(self.profile, self.strict.0),
                    example: Some([first, second]),
                }));
            }
        }
        Ok(None)
    }

    /// Values with those that one of the calls fixes.
    fn fixed(self, mut values: [u64; ARGUMENTS]) -> [u64; ARGUMENTS] {
        for sources in [self.strict.1, self.loose.1] {
            for (value, source) in values.iter_mut().zip(sources) {
                if let Source::Is(fixed) = source {
                    *value = *fixed;
                }
            }
        }
        values
    }

    /// What a call gets for the family's values; none when it can't have them.
    fn judged(
        self,
        (call, sources): Member,
        values: [u64; ARGUMENTS],
    ) -> Option<(Origin, [u64; ARGUMENTS])> {
        let mut arguments = [0; ARGUMENTS];
        for (source, value) in sources.iter().zip(values) {
            match source {
                Source::At(index) => *arguments.get_mut(*index)? = value,
                Source::Is(fixed) if *fixed != value => return None,
                Source::Is(_) => {}
            }
        }
        let origin = decision::named(self.profile, self.arch, call, &arguments);
        Some((origin, arguments))
    }

    /// Compares how often the calls take place: always, sometimes, never.
    fn as_a_whole(self) -> Result<Option<Gap>, TooManyClasses> {
        let freedom = |call| actions(self.profile, self.arch, call).map(|all| freedom(&all));
        if freedom(self.strict.0)? >= freedom(self.loose.0)? {
            return Ok(None);
        }
        let space = Space::of(&[self.profile], self.arch, self.strict.0)?;
        let decided = space.points().into_iter().map(|point| {
            decision::named(
                self.profile,
                self.arch,
                self.strict.0,
                &space.arguments(&point),
            )
        });
        let refused = decided
            .filter(|origin| !origin.action.permits())
            .min_by_key(|origin| origin.ground == Ground::Unnamed);
        Ok(refused.map(|origin| Gap {
            refused: origin.told(self.profile, self.strict.0),
            example: None,
        }))
    }
}

/// 0 never, 1 sometimes, 2 always.
fn freedom(actions: &BTreeSet<Action>) -> u8 {
    let all = actions.iter().all(|action| action.permits());
    let some = actions.iter().any(|action| action.permits());
    u8::from(all) + u8::from(some)
}
