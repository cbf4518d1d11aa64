//! Splits a call's arguments into classes that no condition tells apart, exactly.
//!
//! Not for: what a profile decides on them, nor for saying them in words.

use std::collections::HashMap;

use crate::arch::Arch;
use crate::condition::{ARGUMENTS, Condition, Test};
use crate::profile::Profile;

/// Most states that the walk over one argument's bits may be in. Hand-written profiles stay below
/// a hundred; beyond this, an answer would take minutes.
pub const STATES_MAX: usize = 8_192;

/// Most combinations of one call's argument classes, for the same reason.
pub const COMBINATIONS_MAX: usize = 262_144;

/// Bits of an argument register.
const BITS: u32 = 64;

/// A call whose conditions are too many to try every class of arguments.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{call}: its conditions split the arguments into more than {limit} classes, so not all can be compared: merge conditions or compare fewer rules"
)]
pub struct TooManyClasses {
    /// Name of the call.
    pub call: String,
    /// The limit that was met.
    pub limit: usize,
}

/// Values of one argument that every condition treats alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Class {
    /// The smallest of the values.
    pub(crate) value: u64,
    /// Which of the axis's conditions hold for them, in the axis's order.
    pub(crate) truths: Vec<bool>,
}

/// One examined argument and all its classes.
#[derive(Debug, Clone)]
pub(crate) struct Axis<'a> {
    /// Index of the argument.
    pub(crate) argument: usize,
    /// The different conditions on it.
    pub(crate) conditions: Vec<&'a Condition>,
    /// Together they hold every 64-bit value; ascending by smallest value.
    pub(crate) classes: Vec<Class>,
}

/// One class per axis, by index.
pub(crate) type Point = Vec<usize>;

/// Everything that a call's conditions can tell apart.
#[derive(Debug, Clone)]
pub(crate) struct Space<'a> {
    /// Name of the call.
    pub(crate) call: &'static str,
    /// The examined arguments, ascending.
    pub(crate) axes: Vec<Axis<'a>>,
}

/// The conditions of all rules of `profile` that bear on a call of one architecture.
pub(crate) fn conditions<'a>(profile: &'a Profile, arch: Arch, call: &str) -> Vec<&'a Condition> {
    let guard = profile
        .allowance_on(arch, call)
        .and_then(|allowance| allowance.guard());
    let allowing = guard.into_iter().flat_map(|guard| guard.alternatives());
    let denying = profile
        .denials_on(arch, call)
        .flat_map(|denial| denial.when());
    allowing.chain(denying).flatten().collect()
}

impl<'a> Space<'a> {
    /// The space that these conditions span.
    pub(crate) fn new(
        call: &'static str,
        conditions: &[&'a Condition],
    ) -> Result<Self, TooManyClasses> {
        let too_many = |limit| TooManyClasses {
            call: call.to_owned(),
            limit,
        };
        let axes: Vec<_> = (0..ARGUMENTS)
            .filter_map(|index| axis(index, conditions).transpose())
            .collect::<Result<_, _>>()
            .map_err(too_many)?;
        let space = Self { call, axes };
        match space.combinations() {
            Some(count) if count <= COMBINATIONS_MAX => Ok(space),
            _ => Err(too_many(COMBINATIONS_MAX)),
        }
    }

    /// The space of one call in several profiles at once.
    pub(crate) fn of(
        profiles: &[&'a Profile],
        arch: Arch,
        call: &'static str,
    ) -> Result<Self, TooManyClasses> {
        let all: Vec<_> = profiles
            .iter()
            .flat_map(|profile| conditions(profile, arch, call))
            .collect();
        Self::new(call, &all)
    }

    fn combinations(&self) -> Option<usize> {
        self.axes.iter().try_fold(1_usize, |product, axis| {
            product.checked_mul(axis.classes.len())
        })
    }

    /// Every point; a single empty one when no argument is examined.
    pub(crate) fn points(&self) -> Vec<Point> {
        self.axes.iter().fold(vec![Vec::new()], |points, axis| {
            points
                .iter()
                .flat_map(|point| (0..axis.classes.len()).map(move |class| with(point, class)))
                .collect()
        })
    }

    /// Arguments that lie at the point; what no condition examines is 0.
    pub(crate) fn arguments(&self, point: &[usize]) -> [u64; ARGUMENTS] {
        let mut arguments = [0; ARGUMENTS];
        for (axis, class) in self.axes.iter().zip(point) {
            let value = axis.classes.get(*class).map_or(0, |class| class.value);
            if let Some(argument) = arguments.get_mut(axis.argument) {
                *argument = value;
            }
        }
        arguments
    }
}

impl Axis<'_> {
    /// The class that a value belongs to.
    pub(crate) fn class_of(&self, value: u64) -> Option<usize> {
        let mut arguments = [0; ARGUMENTS];
        *arguments.get_mut(self.argument)? = value;
        let truths: Vec<bool> = self
            .conditions
            .iter()
            .map(|condition| condition.holds(&arguments))
            .collect();
        self.classes.iter().position(|class| class.truths == truths)
    }
}

fn with(point: &[usize], class: usize) -> Point {
    point.iter().copied().chain([class]).collect()
}

/// The axis of one argument; none when no condition examines it.
fn axis<'a>(argument: usize, all: &[&'a Condition]) -> Result<Option<Axis<'a>>, usize> {
    let mut conditions: Vec<&Condition> = Vec::new();
    for condition in all.iter().filter(|one| one.argument() == argument) {
        if !conditions.contains(condition) {
            conditions.push(condition);
        }
    }
    if conditions.is_empty() {
        return Ok(None);
    }
    let classes = classes(&conditions)?;
    Ok(Some(Axis {
        argument,
        conditions,
        classes,
    }))
}

/// How far a condition has come while a value's bits are read from the highest down.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Track {
    /// What is left of each value in the set that still fits; ascending.
    Set(Vec<u64>),
    /// Whether the value still lies on the range's lower and upper edge; else it is inside.
    Range { low: bool, high: bool },
    /// Outside of the range.
    Missed,
}

/// All truths that values can have together. Walks every bit once, keeping one value, the
/// smallest, of those that no condition can tell apart any more. So nothing is missed: values are
/// dropped only when another one has the same future.
fn classes(conditions: &[&Condition]) -> Result<Vec<Class>, usize> {
    let start: Vec<Track> = conditions.iter().map(|one| Track::start(one)).collect();
    let mut states = vec![(start, 0_u64)];
    for bit in (0..BITS).rev() {
        states = next_states(conditions, &states, bit);
        if states.len() > STATES_MAX {
            return Err(STATES_MAX);
        }
    }
    let ends = states.into_iter().map(|(tracks, value)| {
        let pairs = tracks.iter().zip(conditions);
        let truths = pairs.map(|(track, one)| track.holds(one)).collect();
        (truths, value)
    });
    let mut classes: Vec<Class> = distinct(ends)
        .into_iter()
        .map(|(truths, value)| Class { value, truths })
        .collect();
    classes.sort_by_key(|class| class.value);
    Ok(classes)
}

fn next_states(
    conditions: &[&Condition],
    states: &[(Vec<Track>, u64)],
    bit: u32,
) -> Vec<(Vec<Track>, u64)> {
    let steps = [0, 1_u64].into_iter().flat_map(|set| {
        states.iter().map(move |(tracks, value)| {
            let pairs = tracks.iter().zip(conditions);
            let tracks: Vec<_> = pairs
                .map(|(track, one)| track.step(one, bit, set))
                .collect();
            (tracks, value | (set << bit))
        })
    });
    distinct(steps)
}

/// For each key the smallest value that comes with it.
fn distinct<K: Clone + Eq + std::hash::Hash>(
    pairs: impl Iterator<Item = (K, u64)>,
) -> Vec<(K, u64)> {
    let mut smallest: HashMap<K, u64> = HashMap::new();
    for (key, value) in pairs {
        smallest
            .entry(key)
            .and_modify(|known| *known = value.min(*known))
            .or_insert(value);
    }
    let mut list: Vec<_> = smallest.into_iter().collect();
    // The map's order is random; the smallest values are all different.
    list.sort_by_key(|(_, value)| *value);
    list
}

impl Track {
    fn start(condition: &Condition) -> Self {
        match condition.test() {
            Test::In(values) | Test::NotIn(values) => Self::Set(values.clone()),
            Test::Between(..) | Test::Outside(..) => Self::Range {
                low: true,
                high: true,
            },
        }
    }

    /// Reads one bit of the register, of which the condition sees what its mask leaves.
    fn step(&self, condition: &Condition, bit: u32, set: u64) -> Self {
        let seen = set & ((condition.mask() & condition.width().ones()) >> bit);
        match (self, condition.test()) {
            (Self::Set(values), _) => Self::Set(rest_of(values, bit, seen)),
            (Self::Range { low, high }, Test::Between(from, to) | Test::Outside(from, to)) => {
                let (from, to) = ((from >> bit) & 1, (to >> bit) & 1);
                if (*low && seen < from) || (*high && seen > to) {
                    return Self::Missed;
                }
                Self::Range {
                    low: *low && seen == from,
                    high: *high && seen == to,
                }
            }
            _ => Self::Missed,
        }
    }

    fn holds(&self, condition: &Condition) -> bool {
        let inside = match self {
            Self::Set(values) => !values.is_empty(),
            Self::Range { .. } => true,
            Self::Missed => false,
        };
        match condition.test() {
            Test::In(_) | Test::Between(..) => inside,
            Test::NotIn(_) | Test::Outside(..) => !inside,
        }
    }
}

/// The lower bits of the values that have this bit as it was seen.
fn rest_of(values: &[u64], bit: u32, seen: u64) -> Vec<u64> {
    let below = (1_u64 << bit) - 1;
    let mut rest: Vec<u64> = values
        .iter()
        .filter(|value| (**value >> bit) & 1 == seen)
        .map(|value| value & below)
        .collect();
    rest.sort_unstable();
    rest.dedup();
    rest
}

#[cfg(test)]
pub(crate) mod tests;
