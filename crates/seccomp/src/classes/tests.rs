//! Classes against brute force: nothing that conditions tell apart shares a class.
//!
//! Not for: whole profiles.

use proptest::prelude::*;

use super::*;
use crate::condition::Width;

/// Numbers around which mistakes gather.
pub(crate) fn value() -> impl Strategy<Value = u64> {
    prop_oneof![
        0..8_u64,
        (0..63_u32).prop_map(|bit| 1 << bit),
        prop::sample::select(vec![
            0x7FFF_FFFF,
            0x8000_0000,
            0xFFFF_FFFF,
            0x1_0000_0000,
            0x1_0000_0005,
            0x7FFF_FFFF_FFFF_FFFF,
        ]),
        0..=0x7FFF_FFFF_FFFF_FFFF_u64,
    ]
}

/// Any condition that a profile can hold, on one of the arguments.
pub(crate) fn condition(arguments: &'static [usize]) -> impl Strategy<Value = Condition> {
    let set = prop::collection::btree_set(value(), 1..4);
    let argument = prop::sample::select(arguments);
    (argument, any::<bool>(), 0..6_u8, set, value()).prop_map(
        |(argument, wide, kind, set, mask)| {
            let width = if wide { Width::Full64 } else { Width::Low32 };
            let ones = width.ones();
            let masked = (mask & ones).max(1);
            let mask = if kind < 2 { masked } else { ones };
            let mut set: Vec<u64> = set.iter().map(|value| value & mask).collect();
            set.sort_unstable();
            set.dedup();
            let low = set[0].max(1);
            let high = set[set.len() - 1].max(low);
            let test = match kind {
                0 | 2 => Test::In(set),
                1 | 3 => Test::NotIn(set),
                4 => Test::Between(low, high),
                _ => Test::Outside(low, high),
            };
            Condition {
                argument,
                width,
                mask,
                test,
            }
        },
    )
}

fn bit(bit: u32, width: Width) -> Condition {
    Condition {
        argument: 0,
        width,
        mask: 1 << bit,
        test: Test::In(vec![0]),
    }
}

fn truths(conditions: &[Condition], value: u64) -> Vec<bool> {
    let arguments = [value, 0, 0, 0, 0, 0];
    conditions.iter().map(|one| one.holds(&arguments)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_value_lies_in_a_class_that_treats_it_as_it_is_treated(
        conditions in prop::collection::vec(condition(&[0]), 1..6),
        values in prop::collection::vec(any::<u64>(), 40),
        flips in prop::collection::vec((0..64_u32, value()), 40),
    ) {
        let references: Vec<&Condition> = conditions.iter().collect();
        let space = Space::new("read", &references).unwrap();
        let axis = &space.axes[0];
        for class in &axis.classes {
            let own: Vec<Condition> = axis.conditions.iter().map(|one| (*one).clone()).collect();
            prop_assert_eq!(&truths(&own, class.value), &class.truths);
        }
        let near = flips.iter().map(|(bit, value)| value ^ (1 << bit));
        for value in values.into_iter().chain(near) {
            let class = axis.class_of(value);
            prop_assert!(class.is_some(), "{:#x}", value);
            let smallest = axis.classes[class.unwrap()].value;
            prop_assert!(smallest <= value);
            prop_assert_eq!(truths(&conditions, smallest), truths(&conditions, value));
        }
    }
}

#[test]
fn finds_every_combination_of_independent_bits_and_no_other() {
    let conditions = [
        bit(0, Width::Low32),
        bit(1, Width::Low32),
        bit(40, Width::Full64),
    ];
    let references: Vec<&Condition> = conditions.iter().collect();
    let space = Space::new("read", &references).unwrap();
    let values: Vec<u64> = space.axes[0]
        .classes
        .iter()
        .map(|class| class.value)
        .collect();
    let high = 1 << 40;
    assert_eq!(values, [0, 1, 2, 3, high, high | 1, high | 2, high | 3]);
}

#[test]
fn tells_the_halves_of_a_register_apart_only_where_a_condition_does() {
    let is_five = |width: Width| Condition {
        argument: 0,
        width,
        mask: width.ones(),
        test: Test::In(vec![5]),
    };
    let values = |conditions: &[Condition]| -> Vec<u64> {
        let references: Vec<&Condition> = conditions.iter().collect();
        let space = Space::new("read", &references).unwrap();
        space.axes[0]
            .classes
            .iter()
            .map(|class| class.value)
            .collect()
    };
    assert_eq!(values(&[is_five(Width::Low32)]), [0, 5]);
    let both = values(&[is_five(Width::Low32), is_five(Width::Full64)]);
    assert_eq!(both, [0, 5, 0x1_0000_0005]);
}

#[test]
fn says_so_when_there_are_more_classes_than_it_will_try() {
    let bits: Vec<Condition> = (0..14).map(|at| bit(at, Width::Low32)).collect();
    let references: Vec<&Condition> = bits.iter().collect();
    let error = Space::new("read", &references).unwrap_err();
    assert_eq!(error.limit, STATES_MAX);
    assert!(error.to_string().starts_with("read:"), "{error}");
    assert!(Space::new("read", &references[..13]).is_ok());

    let spread: Vec<Condition> = (0..3)
        .flat_map(|argument| (0..7).map(move |at| (argument, at)))
        .map(|(argument, at)| Condition {
            argument,
            ..bit(at, Width::Low32)
        })
        .collect();
    let references: Vec<&Condition> = spread.iter().collect();
    let error = Space::new("read", &references).unwrap_err();
    assert_eq!(error.limit, COMBINATIONS_MAX);
    assert_eq!(
        Space::new("read", &references[..18])
            .unwrap()
            .points()
            .len(),
        128 * 128 * 16
    );
}
