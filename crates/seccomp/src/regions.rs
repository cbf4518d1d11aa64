//! Sets of argument classes that get the same answer, as few boxes as is easy, and in words.
//!
//! Not for: finding the classes (`classes`).

use std::collections::{BTreeMap, BTreeSet};

use crate::classes::{Axis, Point, Space};
use crate::condition::{Condition, Test};
use crate::prose;

/// A box of classes: for each axis, the classes that belong to it.
pub(crate) type Region = Vec<BTreeSet<usize>>;

/// Groups points by what `answer` says of them, in the order of the answers.
pub(crate) fn grouped<K: Ord>(
    points: Vec<Point>,
    answer: impl Fn(&[usize]) -> K,
) -> BTreeMap<K, Vec<Point>> {
    let mut groups: BTreeMap<K, Vec<Point>> = BTreeMap::new();
    for point in points {
        groups.entry(answer(&point)).or_default().push(point);
    }
    groups
}

/// Points as boxes: boxes that differ on one axis only are joined until none are left.
pub(crate) fn merged(points: &[Point]) -> Vec<Region> {
    let mut regions: Vec<Region> = points
        .iter()
        .map(|point| point.iter().map(|class| BTreeSet::from([*class])).collect())
        .collect();
    let axes = points.first().map_or(0, Vec::len);
    loop {
        let before = regions.len();
        for axis in (0..axes).rev() {
            regions = joined(regions, axis);
        }
        if regions.len() == before {
            return regions;
        }
    }
}

/// Joins boxes that are alike on all other axes.
fn joined(regions: Vec<Region>, axis: usize) -> Vec<Region> {
    let mut alike: BTreeMap<Region, BTreeSet<usize>> = BTreeMap::new();
    for mut region in regions {
        let side = region.get_mut(axis).map(std::mem::take).unwrap_or_default();
        alike.entry(region).or_default().extend(side);
    }
    let rebuilt = alike.into_iter().map(|(mut region, side)| {
        if let Some(place) = region.get_mut(axis) {
            *place = side;
        }
        region
    });
    rebuilt.collect()
}

/// Boxes in words, one text each; none at all when the only box is everything.
pub(crate) fn words(space: &Space<'_>, points: &[Point]) -> Vec<String> {
    let regions = merged(points);
    let mut texts: Vec<String> = regions.iter().map(|one| region_words(space, one)).collect();
    texts.retain(|text| !text.is_empty());
    texts
}

fn region_words(space: &Space<'_>, region: &Region) -> String {
    let sides = space.axes.iter().zip(region);
    let parts: Vec<String> = sides
        .filter(|(axis, side)| side.len() < axis.classes.len())
        .map(|(axis, side)| side_words(space.call, axis, side))
        .collect();
    parts.join(" and ")
}

/// A condition of an axis by index, and whether it holds.
type Literal = (usize, bool);

/// Some classes of one axis in words.
fn side_words(call: &str, axis: &Axis<'_>, side: &BTreeSet<usize>) -> String {
    if let Some(condition) = listed(axis, side) {
        return prose::condition(call, &condition);
    }
    if let Some(literals) = conjunction(axis, side) {
        return spoken(call, axis, &literals, " and ");
    }
    let rest: BTreeSet<usize> = (0..axis.classes.len())
        .filter(|class| !side.contains(class))
        .collect();
    if let Some(literals) = conjunction(axis, &rest) {
        let opposite: Vec<Literal> = literals.iter().map(|(at, holds)| (*at, !holds)).collect();
        return format!("({})", spoken(call, axis, &opposite, " or "));
    }
    let each: Vec<String> = side
        .iter()
        .filter_map(|class| conjunction(axis, &BTreeSet::from([*class])))
        .map(|literals| spoken(call, axis, &literals, " and "))
        .collect();
    format!("({})", each.join(" or "))
}

/// The classes as one list of values: possible where all conditions compare the same bits with
/// lists, as for address families.
fn listed(axis: &Axis<'_>, side: &BTreeSet<usize>) -> Option<Condition> {
    let first = axis.conditions.first()?;
    let mut values = BTreeSet::new();
    for condition in &axis.conditions {
        if condition.mask() != first.mask() || condition.width() != first.width() {
            return None;
        }
        match condition.test() {
            Test::In(set) | Test::NotIn(set) => values.extend(set.iter().copied()),
            Test::Between(..) | Test::Outside(..) => return None,
        }
    }
    let is_in = |value: &u64| {
        axis.class_of(*value)
            .is_some_and(|class| side.contains(&class))
    };
    let (inside, outside): (Vec<u64>, Vec<u64>) = values.iter().partition(|value| is_in(value));
    // The class of all values that no list names, if there are such.
    let rest = axis
        .classes
        .iter()
        .position(|class| !values.contains(&(class.value & first.mask())));
    let test = match rest {
        Some(rest) if side.contains(&rest) => Test::NotIn(outside),
        _ => Test::In(inside),
    };
    Some(Condition {
        test,
        ..(*first).clone()
    })
}

fn spoken(call: &str, axis: &Axis<'_>, literals: &[Literal], join: &str) -> String {
    let phrase = |(at, holds): &Literal| {
        axis.conditions.get(*at).map(|condition| {
            if *holds {
                prose::condition(call, condition)
            } else {
                prose::negation(call, condition)
            }
        })
    };
    let parts: Vec<String> = literals.iter().filter_map(phrase).collect();
    parts.join(join)
}

/// Few conditions, each holding or not, that hold together for these classes and no others; none
/// when there are no such.
fn conjunction(axis: &Axis<'_>, side: &BTreeSet<usize>) -> Option<Vec<Literal>> {
    let common: Vec<Literal> = (0..axis.conditions.len())
        .flat_map(|at| [(at, true), (at, false)])
        .filter(|literal| side.iter().all(|class| agrees(axis, *class, *literal)))
        .collect();
    if selected(axis, &common) != *side {
        return None;
    }
    let alone = common.iter().find(|one| selected(axis, &[**one]) == *side);
    if let Some(one) = alone {
        return Some(vec![*one]);
    }
    // What fails to hold says less to a reader than what holds, so it is left out first.
    let mut needed = common;
    needed.sort_by_key(|(at, holds)| (!holds, *at));
    for at in (0..needed.len()).rev() {
        let mut fewer = needed.clone();
        fewer.remove(at);
        if selected(axis, &fewer) == *side {
            needed = fewer;
        }
    }
    Some(needed)
}

fn selected(axis: &Axis<'_>, literals: &[Literal]) -> BTreeSet<usize> {
    (0..axis.classes.len())
        .filter(|class| literals.iter().all(|one| agrees(axis, *class, *one)))
        .collect()
}

fn agrees(axis: &Axis<'_>, class: usize, (at, holds): Literal) -> bool {
    let truths = axis.classes.get(class).map(|class| &class.truths);
    truths.and_then(|truths| truths.get(at)) == Some(&holds)
}
