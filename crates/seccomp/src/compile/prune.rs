//! Removes instructions that no path reaches and closes the gaps.
//!
//! Not for: changing what a program does.

use crate::program::{Instruction, operation};

/// The reached instructions in the kernel's order, from a program whose last one comes first.
pub(super) fn prune(reversed: &[Instruction]) -> Vec<Instruction> {
    let reached = reached(reversed);
    let ranks = ranks(&reached);
    let mut program: Vec<Instruction> = reversed
        .iter()
        .enumerate()
        .filter(|(at, _)| is_set(&reached, *at))
        .map(|(at, instruction)| closed_up(*instruction, at, &ranks))
        .collect();
    program.reverse();
    program
}

/// Paths only lead to lower places, so one pass from the program's start finds them all.
fn reached(reversed: &[Instruction]) -> Vec<bool> {
    let mut reached = vec![false; reversed.len()];
    if let Some(start) = reached.last_mut() {
        *start = true;
    }
    for (at, instruction) in reversed.iter().enumerate().rev() {
        if !is_set(&reached, at) {
            continue;
        }
        for skip in skips(*instruction) {
            if let Some(next) = reached.get_mut(target(at, skip)) {
                *next = true;
            }
        }
    }
    reached
}

/// How many reached instructions lie below each place.
fn ranks(reached: &[bool]) -> Vec<usize> {
    reached
        .iter()
        .scan(0, |below, reached| {
            let rank = *below;
            *below += usize::from(*reached);
            Some(rank)
        })
        .collect()
}

/// The instruction with its distances as they are after the gaps are closed.
fn closed_up(instruction: Instruction, at: usize, ranks: &[usize]) -> Instruction {
    let rank = |at: usize| ranks.get(at).copied().unwrap_or(0);
    let closed = |skip: usize| rank(at).saturating_sub(rank(target(at, skip)) + 1);
    // Gaps only shrink a distance, so each fits where it was.
    let narrow = |skip: u8| u8::try_from(closed(usize::from(skip))).unwrap_or(skip);
    match instruction.code {
        operation::JUMP => Instruction {
            k: u32::try_from(closed(widened(instruction.k))).unwrap_or(instruction.k),
            ..instruction
        },
        code if is_comparison(code) => Instruction {
            jt: narrow(instruction.jt),
            jf: narrow(instruction.jf),
            ..instruction
        },
        _ => instruction,
    }
}

/// The distances that an instruction may skip.
fn skips(instruction: Instruction) -> impl Iterator<Item = usize> {
    let (first, second) = match instruction.code {
        operation::RETURN => (None, None),
        operation::JUMP => (Some(widened(instruction.k)), None),
        code if is_comparison(code) => (
            Some(usize::from(instruction.jt)),
            Some(usize::from(instruction.jf)),
        ),
        _ => (Some(0), None),
    };
    first.into_iter().chain(second)
}

const fn is_comparison(code: u16) -> bool {
    matches!(
        code,
        operation::JUMP_EQUAL
            | operation::JUMP_GREATER
            | operation::JUMP_AT_LEAST
            | operation::JUMP_ANY_BIT
    )
}

/// The place that is `skip` instructions behind the next one.
const fn target(at: usize, skip: usize) -> usize {
    at.saturating_sub(1).saturating_sub(skip)
}

fn is_set(reached: &[bool], at: usize) -> bool {
    reached.get(at).copied().unwrap_or(false)
}

fn widened(k: u32) -> usize {
    usize::try_from(k).unwrap_or(usize::MAX)
}
