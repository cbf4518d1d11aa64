//! Calls that try a profile where it could be wrong: argument values around every boundary that its
//! conditions draw, in both halves of the register.
//!
//! Not for: expectations, which `verdict` has, nor for proving by classes, which `classes` does.
//! Whoever checks a program against the model or the kernel takes the calls from here.

use std::collections::BTreeSet;

use crate::condition::{ARGUMENTS, Condition, Test};
use crate::profile::Profile;

/// Most argument lists for one call, so that a proof ends in seconds. More are thinned out evenly.
const LISTS_MAX: usize = 40_000;

/// Argument lists for a call; a single one when no rule looks at its arguments. The same profile
/// gives the same lists.
#[must_use]
pub fn arguments(profile: &Profile, name: &str) -> Vec<[u64; ARGUMENTS]> {
    let mut lists = vec![[0x5A5A_5A5A_A5A5_A5A5; ARGUMENTS]];
    for index in 0..ARGUMENTS {
        let values = values(profile, name, index);
        if values.is_empty() {
            continue;
        }
        lists = lists
            .iter()
            .flat_map(|list| values.iter().map(|value| with(*list, index, *value)))
            .collect();
        let step = lists.len().div_ceil(LISTS_MAX);
        lists = lists.into_iter().step_by(step).collect();
    }
    lists
}

fn with(mut list: [u64; ARGUMENTS], index: usize, value: u64) -> [u64; ARGUMENTS] {
    if let Some(argument) = list.get_mut(index) {
        *argument = value;
    }
    list
}

fn values(profile: &Profile, name: &str, index: usize) -> BTreeSet<u64> {
    let guard = profile.allowance_of(name).and_then(|a| a.guard());
    let allowing = guard.into_iter().flat_map(|guard| guard.alternatives());
    let denying = profile.denials_of(name).flat_map(|denial| denial.when());
    allowing
        .chain(denying)
        .flatten()
        .filter(|condition| condition.argument() == index)
        .flat_map(boundaries)
        .collect()
}

fn boundaries(condition: &Condition) -> Vec<u64> {
    let named: &[u64] = match condition.test() {
        Test::In(values) | Test::NotIn(values) => values,
        Test::Between(low, high) | Test::Outside(low, high) => &[*low, *high],
    };
    let mask = condition.mask();
    let bits = [mask, !mask, mask & mask.wrapping_neg(), 0, u64::MAX];
    let near = |value: &u64| {
        [
            *value,
            value.wrapping_sub(1),
            value.wrapping_add(1),
            value ^ (1 << 32),
            value ^ (1 << 63),
            value | (u64::from(u32::MAX) << 32),
            value ^ (mask & mask.wrapping_neg()),
            value | !mask,
        ]
    };
    named.iter().flat_map(near).chain(bits).collect()
}
