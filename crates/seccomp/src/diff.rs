//! Where two profiles decide differently: every number, every class of arguments.
//!
//! Not for: differences in wording alone, nor for the texts of the files.

mod groups;
mod render;

use serde::Serialize;

use crate::arch::{Arch, X32_BIT};
use crate::classes::{Point, Space, TooManyClasses};
use crate::condition::ARGUMENTS;
use crate::data::Data;
use crate::decision::{self, Decision, Origin, as_text};
use crate::profile::Profile;
use crate::regions;
use crate::syscalls;

pub use groups::GroupChange;

/// All differences between two profiles.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Name of the first profile.
    pub left: String,
    /// Name of the second profile.
    pub right: String,
    /// What was compared, so that a reader sees that nothing was left out.
    pub compared: Compared,
    /// One entry for each call that differs, by name; architectures that differ in the same way
    /// share one.
    pub changes: Vec<Change>,
    /// What profiles that extend these may switch on, where that differs; by name.
    pub groups: Vec<GroupChange>,
}

/// How much a comparison covered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Compared {
    /// Numbers with a name, over both architectures.
    pub calls: usize,
    /// Classes of arguments, over all these.
    pub classes: usize,
    /// Numbers without a name, numbers with a second ABI's bit, and foreign architectures.
    pub others: usize,
}

/// One call that the profiles treat differently.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Name of the call, or what kind of number it is.
    pub call: String,
    /// The architectures where this holds, with the call's number.
    pub on: Vec<Place>,
    /// What differs, one entry for each pair of decisions.
    pub cases: Vec<Case>,
}

/// A call's number on an architecture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The architecture.
    #[serde(serialize_with = "as_text")]
    pub arch: Arch,
    /// The number.
    pub number: u32,
}

/// Arguments for which each profile has one decision, and the two differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Case {
    /// What the change means for someone who goes from the first profile to the second.
    pub direction: Direction,
    /// The first profile's decision.
    pub left: Decision,
    /// The second profile's decision.
    pub right: Decision,
    /// The arguments, one box of values each; empty when it holds for all.
    pub when: Vec<String>,
    /// Arguments of which this is true.
    pub example: [u64; ARGUMENTS],
}

/// Whether the second profile lets more or less through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// It permits what the first refuses.
    Wider,
    /// It refuses what the first permits.
    Narrower,
    /// Both permit or both refuse, in another manner.
    Otherwise,
    /// Both refuse alike; of the first one's refusals there are events, of the second one's none.
    Quieter,
    /// Both refuse alike; the second one's refusals are events, the first one's are not.
    Louder,
}

/// Compares two profiles on both architectures.
///
/// # Errors
///
/// When the conditions on one call are too many to compare every class of its arguments: no part
/// of the answer is given then.
pub fn diff(left: &Profile, right: &Profile) -> Result<Difference, TooManyClasses> {
    let mut compared = Compared::default();
    let mut changes: Vec<Change> = Vec::new();
    for arch in Arch::ALL {
        let pair = Pair { left, right, arch };
        for (number, call) in syscalls::calls(arch) {
            add(&mut changes, pair.call(number, call, &mut compared)?);
        }
        for (number, foreign) in others(arch) {
            compared.others += 1;
            add(&mut changes, pair.other(number, foreign));
        }
    }
    changes.sort_by(|one, other| one.call.cmp(&other.call));
    Ok(Difference {
        left: left.name().to_string(),
        right: right.name().to_string(),
        compared,
        changes,
        groups: groups::compare(left, right),
    })
}

/// Joins a change to one that says the same of another place.
fn add(changes: &mut Vec<Change>, change: Option<Change>) {
    let Some(change) = change else { return };
    let same = |known: &&mut Change| known.call == change.call && known.cases == change.cases;
    match changes.iter_mut().find(same) {
        Some(known) => known.on.extend(change.on),
        None => changes.push(change),
    }
}

/// `AUDIT_ARCH_*` of entries that no filter of ours is for: i386, which an x86-64 kernel serves
/// through `int 0x80`, and 32-bit ARM (linux/audit.h).
const FOREIGN: [u32; 2] = [0x4000_0003, 0x4000_0028];

/// Numbers without a name, numbers with a second ABI's bit, and foreign entries: the model decides
/// on them without looking at rules, and this checks it number by number.
fn others(arch: Arch) -> impl Iterator<Item = (u32, Option<u32>)> {
    let beyond = [syscalls::newest(arch) + 1, X32_BIT - 1, 1 << 31, u32::MAX];
    let nameless =
        (0..=syscalls::newest(arch)).filter(move |number| syscalls::name(arch, *number).is_none());
    let second = (0..=syscalls::newest(arch)).map(|number| number | X32_BIT);
    let other = Arch::ALL
        .into_iter()
        .filter(move |one| *one != arch)
        .map(Arch::audit);
    let foreign = other.chain(FOREIGN).map(|audit| (0, Some(audit)));
    nameless
        .chain(beyond)
        .chain(second)
        .map(|number| (number, None))
        .chain(foreign)
}

/// Two profiles on one architecture.
#[derive(Clone, Copy)]
struct Pair<'a> {
    left: &'a Profile,
    right: &'a Profile,
    arch: Arch,
}

impl Pair<'_> {
    fn call(
        self,
        number: u32,
        call: &'static str,
        compared: &mut Compared,
    ) -> Result<Option<Change>, TooManyClasses> {
        let space = Space::of(&[self.left, self.right], self.arch, call)?;
        let mut points = space.points();
        compared.calls += 1;
        compared.classes += points.len();
        let both = |point: &[usize]| {
            let arguments = space.arguments(point);
            [self.left, self.right]
                .map(|profile| decision::named(profile, self.arch, call, &arguments).of_rule())
        };
        points.retain(|point| {
            let [left, right] = both(point);
            left.action != right.action || left.is_quiet(self.left) != right.is_quiet(self.right)
        });
        if points.is_empty() {
            return Ok(None);
        }
        let cases = regions::grouped(points, both).into_iter();
        Ok(Some(Change {
            call: call.to_owned(),
            on: vec![self.place(number)],
            cases: cases
                .map(|(origins, points)| self.case(&space, origins, &points))
                .collect(),
        }))
    }

    fn case(self, space: &Space<'_>, [left, right]: [Origin; 2], points: &[Point]) -> Case {
        let first = points.first().map(Vec::as_slice).unwrap_or_default();
        let left = left.told(self.left, space.call);
        let right = right.told(self.right, space.call);
        Case {
            direction: direction(&left, &right),
            left,
            right,
            when: regions::words(space, points),
            example: space.arguments(first),
        }
    }

    fn other(self, number: u32, foreign: Option<u32>) -> Option<Change> {
        let mut data = Data::new(self.arch, number, [0; ARGUMENTS]);
        data.arch = foreign.unwrap_or(data.arch);
        let left = decision::decide(self.left, self.arch, &data);
        let right = decision::decide(self.right, self.arch, &data);
        if left.action == right.action {
            return None;
        }
        let case = Case {
            direction: direction(&left, &right),
            when: Vec::new(),
            example: data.arguments,
            left,
            right,
        };
        Some(Change {
            call: foreign.map_or_else(
                || "(no name)".to_owned(),
                |audit| format!("(architecture {audit:#x})"),
            ),
            on: vec![self.place(number)],
            cases: vec![case],
        })
    }

    const fn place(self, number: u32) -> Place {
        Place {
            arch: self.arch,
            number,
        }
    }
}

fn direction(left: &Decision, right: &Decision) -> Direction {
    match (left.action.permits(), right.action.permits()) {
        (false, true) => Direction::Wider,
        (true, false) => Direction::Narrower,
        _ if left.action != right.action => Direction::Otherwise,
        _ if right.quiet => Direction::Quieter,
        _ => Direction::Louder,
    }
}

impl Difference {
    /// Whether there is any difference.
    #[must_use]
    pub const fn is_none(&self) -> bool {
        self.changes.is_empty() && self.groups.is_empty()
    }

    /// Whether the second profile permits anything that the first refuses.
    #[must_use]
    pub fn widens(&self) -> bool {
        let mut cases = self.changes.iter().flat_map(|change| &change.cases);
        cases.any(|case| case.direction == Direction::Wider)
    }
}

#[cfg(test)]
mod tests;
