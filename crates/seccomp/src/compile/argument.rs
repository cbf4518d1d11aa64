//! Code for one test of one argument. BPF has 32-bit words, so a 64-bit test is two.
//!
//! Not for: combining tests.

use crate::condition::{Condition, Test, Width};
use crate::data::{Half, argument_offset, half};
use crate::program::operation;

use super::assembler::{Assembler, Label};

/// Where a test leads to.
#[derive(Clone, Copy)]
pub(super) struct Exits {
    pub(super) yes: Label,
    pub(super) no: Label,
}

/// Values from the first to the second, both included.
type Interval<T> = (T, T);

/// A 32-bit word of an argument, and the bits of it that count.
#[derive(Clone, Copy)]
struct Word {
    offset: u32,
    mask: u32,
}

/// Values of the upper word, and the lower words that go with them.
struct Group {
    upper: Interval<u32>,
    lower: Vec<Interval<u32>>,
}

const WHOLE: Interval<u32> = (0, u32::MAX);

impl Word {
    fn of(condition: &Condition, part: Half) -> Self {
        Self {
            offset: argument_offset(condition.argument(), part),
            mask: half(condition.mask(), part),
        }
    }
}

/// Code that goes to `yes` when the condition holds, else to `no`.
pub(super) fn condition(asm: &mut Assembler, condition: &Condition, exits: Exits) -> Label {
    let (set, inverted) = intervals(condition.test());
    let exits = if inverted { swapped(exits) } else { exits };
    let lower = Word::of(condition, Half::Low);
    let upper = Word::of(condition, Half::High);
    match condition.width() {
        Width::Low32 => {
            let set: Vec<_> = set.into_iter().map(lower_halves).collect();
            member(asm, lower, &set, exits)
        }
        Width::Full64 if set == [(0, 0)] => {
            let yes = member(asm, lower, &[(0, 0)], exits);
            member(asm, upper, &[(0, 0)], Exits { yes, ..exits })
        }
        Width::Full64 => grouped(asm, (upper, lower), &groups(&set), exits),
    }
}

const fn swapped(exits: Exits) -> Exits {
    Exits {
        yes: exits.no,
        no: exits.yes,
    }
}

/// The values that pass, or that fail when the second part is true; ascending, with gaps between.
fn intervals(test: &Test) -> (Vec<Interval<u64>>, bool) {
    match test {
        Test::In(values) => (joined(values), false),
        Test::NotIn(values) => (joined(values), true),
        Test::Between(low, high) => (vec![(*low, *high)], false),
        Test::Outside(low, high) => (vec![(*low, *high)], true),
    }
}

/// Neighbouring values as one interval.
fn joined(ascending: &[u64]) -> Vec<Interval<u64>> {
    let mut intervals: Vec<Interval<u64>> = Vec::new();
    for value in ascending {
        match intervals.last_mut() {
            Some((_, high)) if high.checked_add(1) == Some(*value) => *high = *value,
            _ => intervals.push((*value, *value)),
        }
    }
    intervals
}

const fn lower_halves((low, high): Interval<u64>) -> Interval<u32> {
    (half(low, Half::Low), half(high, Half::Low))
}

/// Splits 64-bit intervals by their upper words.
fn groups(set: &[Interval<u64>]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for (upper, lower) in set.iter().flat_map(|interval| split(*interval)) {
        match groups.last_mut() {
            Some(last) if last.upper == upper => last.lower.push(lower),
            _ => groups.push(Group {
                upper,
                lower: vec![lower],
            }),
        }
    }
    groups
}

/// Up to three blocks: part of the first upper word, whole ones between, part of the last.
fn split((low, high): Interval<u64>) -> Vec<(Interval<u32>, Interval<u32>)> {
    let (first, last) = (half(low, Half::High), half(high, Half::High));
    let (from, to) = lower_halves((low, high));
    if first == last {
        return vec![((first, first), (from, to))];
    }
    let mut blocks = vec![((first, first), (from, u32::MAX))];
    if first + 1 < last {
        blocks.push(((first + 1, last - 1), WHOLE));
    }
    blocks.push(((last, last), (0, to)));
    blocks
}

fn grouped(
    asm: &mut Assembler,
    (upper, lower): (Word, Word),
    groups: &[Group],
    exits: Exits,
) -> Label {
    let mut next = exits.no;
    for group in groups.iter().rev() {
        let yes = match group.lower.as_slice() {
            [WHOLE] => exits.yes,
            set => member(asm, lower, set, exits),
        };
        next = interval(asm, group.upper, Exits { yes, no: next }, exits.no);
    }
    load(asm, upper, next)
}

/// Code that asks whether a word is in a set of ascending intervals.
fn member(asm: &mut Assembler, word: Word, set: &[Interval<u32>], exits: Exits) -> Label {
    if word.mask != u32::MAX && set == [(0, 0)] {
        return no_bit(asm, word, exits);
    }
    let exits = if word.mask == u32::MAX {
        behind_loads(asm, word, exits)
    } else {
        exits
    };
    let tests = set.iter().rev().fold(exits.no, |next, one| {
        let exits_here = Exits {
            yes: exits.yes,
            no: next,
        };
        interval(asm, *one, exits_here, exits.no)
    });
    load(asm, word, tests)
}

/// Bits that must all be clear need no AND, which leaves the accumulator whole.
fn no_bit(asm: &mut Assembler, word: Word, exits: Exits) -> Label {
    if word.mask == 0 {
        return exits.yes;
    }
    let exits = behind_loads(asm, word, exits);
    let test = asm.compare(operation::JUMP_ANY_BIT, word.mask, exits.no, exits.yes);
    asm.then(operation::LOAD, word.offset, test)
}

fn behind_loads(asm: &Assembler, word: Word, exits: Exits) -> Exits {
    Exits {
        yes: asm.behind_load(exits.yes, word.offset),
        no: asm.behind_load(exits.no, word.offset),
    }
}

/// Tests one interval; values above it go on at `exits.no`, values below are in no later one.
fn interval(asm: &mut Assembler, (low, high): Interval<u32>, exits: Exits, below: Label) -> Label {
    if low == high {
        return asm.compare(operation::JUMP_EQUAL, low, exits.yes, exits.no);
    }
    let from_low = if high == u32::MAX {
        exits.yes
    } else {
        asm.compare(operation::JUMP_GREATER, high, exits.no, exits.yes)
    };
    if low == 0 {
        from_low
    } else {
        asm.compare(operation::JUMP_AT_LEAST, low, from_low, below)
    }
}

fn load(asm: &mut Assembler, word: Word, next: Label) -> Label {
    let next = if word.mask == u32::MAX {
        next
    } else {
        asm.then(operation::AND, word.mask, next)
    };
    asm.then(operation::LOAD, word.offset, next)
}
