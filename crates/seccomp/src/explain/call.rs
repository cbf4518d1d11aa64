//! What a profile says to one call.
//!
//! Not for: the whole profile.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::arch::Arch;
use crate::classes::{Point, Space, TooManyClasses};
use crate::condition::ARGUMENTS;
use crate::data::Data;
use crate::decision::{self, Decision, Origin, as_text};
use crate::profile::Profile;
use crate::regions;
use crate::syscalls;

use super::question::{QuestionError, number_of};

/// What a profile says to one call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CallExplanation {
    /// Name of the profile.
    pub profile: String,
    /// The architecture.
    #[serde(serialize_with = "as_text")]
    pub arch: Arch,
    /// The number asked for.
    pub number: u32,
    /// Its name, if it has one.
    pub call: Option<&'static str>,
    /// The arguments given, from the first.
    pub arguments: Vec<u64>,
    /// Everything that can happen: one entry when the question leaves nothing open.
    pub outcomes: Vec<Outcome>,
}

/// One thing that can happen to a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// The action and its rule.
    #[serde(flatten)]
    pub decision: Decision,
    /// The arguments that lead here, one box of values each; empty when any do.
    pub when: Vec<String>,
    /// The rule's conditions that decided, when the outcome is the only one.
    pub because: Option<String>,
    /// Arguments that lead here.
    pub example: [u64; ARGUMENTS],
}

/// What `profile` says to a call, by name or number, on `arch`. Arguments are given from the
/// first on; those left out stay open, and every outcome that they leave possible is listed.
///
/// # Errors
///
/// When there is no such call, there are too many arguments, or too many classes of them.
pub fn explain_call(
    profile: &Profile,
    arch: Arch,
    call: &str,
    arguments: &[u64],
) -> Result<CallExplanation, QuestionError> {
    if arguments.len() > ARGUMENTS {
        let given = arguments.len();
        return Err(QuestionError::Arguments { given });
    }
    let number = number_of(arch, call)?;
    let name = syscalls::name(arch, number);
    let outcomes = match name {
        Some(name) => outcomes(profile, arch, name, arguments)?,
        None => vec![fixed(profile, arch, number, arguments)],
    };
    Ok(CallExplanation {
        profile: profile.name().to_string(),
        arch,
        number,
        call: name,
        arguments: arguments.to_vec(),
        outcomes,
    })
}

fn outcomes(
    profile: &Profile,
    arch: Arch,
    call: &'static str,
    arguments: &[u64],
) -> Result<Vec<Outcome>, TooManyClasses> {
    let space = Space::of(&[profile], arch, call)?;
    let open = points_left(&space, arguments);
    let at = |point: &[usize]| decision::named(profile, arch, call, &space.arguments(point));
    let groups = regions::grouped(open, |point| at(point).of_rule());
    let only = groups.len() == 1;
    let outcome = |(origin, points): (Origin, Vec<Point>)| {
        let first = points.first().map(Vec::as_slice).unwrap_or_default();
        // An alternative is named only if it is the one for all that is left open.
        let held: BTreeSet<Origin> = points.iter().map(|point| at(point)).collect();
        let because = (only && held.len() == 1).then(|| at(first).reason(profile, call));
        Outcome {
            decision: origin.told(profile, call),
            when: if only {
                Vec::new()
            } else {
                regions::words(&space, &points)
            },
            because: because.flatten(),
            example: example(&space, first, arguments),
        }
    };
    // The kernel's order of actions has what permits last; readers look for it first.
    Ok(groups.into_iter().rev().map(outcome).collect())
}

/// The points that the given arguments leave possible.
fn points_left(space: &Space<'_>, arguments: &[u64]) -> Vec<Point> {
    let wanted: Vec<Option<usize>> = space
        .axes
        .iter()
        .map(|axis| axis.class_of(*arguments.get(axis.argument)?))
        .collect();
    let mut points = space.points();
    points.retain(|point| {
        let mut sides = point.iter().zip(&wanted);
        sides.all(|(class, wanted)| wanted.is_none_or(|wanted| wanted == *class))
    });
    points
}

fn example(space: &Space<'_>, point: &[usize], given: &[u64]) -> [u64; ARGUMENTS] {
    let mut example = space.arguments(point);
    for (slot, value) in example.iter_mut().zip(given) {
        *slot = *value;
    }
    example
}

/// The outcome of a number without a name, where arguments never count.
fn fixed(profile: &Profile, arch: Arch, number: u32, given: &[u64]) -> Outcome {
    let mut example = [0; ARGUMENTS];
    for (slot, value) in example.iter_mut().zip(given) {
        *slot = *value;
    }
    Outcome {
        decision: decision::decide(profile, arch, &Data::new(arch, number, example)),
        when: Vec::new(),
        because: None,
        example,
    }
}
