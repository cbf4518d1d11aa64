//! What is known before each instruction: the word in the accumulator, and the numbers that can
//! come there.
//!
//! Not for: arguments' values.

use crate::arch::Arch;
use crate::data::{ARCH_OFFSET, NUMBER_OFFSET};
use crate::program::{Instruction, operation};
use crate::syscalls;

use super::operands::{Mnemonic, mnemonic};
use super::{loads, targets};

/// What is known at one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct State {
    /// Offset of the word that the accumulator holds, whole or masked.
    pub(super) word: Option<u32>,
    /// Whether the accumulator holds the word as it was loaded.
    whole: bool,
    /// For each number, whether it can come here.
    numbers: Vec<bool>,
}

/// What is known everywhere in a program.
pub(super) struct Paths {
    before: Vec<Option<State>>,
    nowhere: State,
}

impl State {
    /// The calls that can come here.
    pub(super) fn calls(&self, arch: Arch) -> impl Iterator<Item = &'static str> {
        syscalls::calls(arch)
            .filter(|(number, _)| self.has(*number))
            .map(|(_, name)| name)
    }

    fn has(&self, number: u32) -> bool {
        let at = usize::try_from(number).ok();
        at.and_then(|at| self.numbers.get(at)) == Some(&true)
    }

    /// What holds when both ways lead here.
    fn join(&mut self, other: &Self) {
        if self.word != other.word {
            self.word = None;
        }
        self.whole &= other.whole;
        for (here, there) in self.numbers.iter_mut().zip(&other.numbers) {
            *here |= *there;
        }
    }

    /// Leaves only the numbers for which a comparison has this result.
    fn narrow(&mut self, instruction: Instruction, result: bool) {
        if self.word != Some(NUMBER_OFFSET) || !self.whole {
            return;
        }
        for (number, possible) in (0_u32..).zip(&mut self.numbers) {
            let holds = match instruction.code {
                operation::JUMP_EQUAL => number == instruction.k,
                operation::JUMP_GREATER => number > instruction.k,
                operation::JUMP_AT_LEAST => number >= instruction.k,
                operation::JUMP_ANY_BIT => number & instruction.k != 0,
                _ => return,
            };
            *possible &= holds == result;
        }
    }
}

impl Paths {
    /// Follows every path. Jumps only lead forward, so one pass over the program is enough.
    pub(super) fn of(code: &[Instruction], arch: Arch) -> Self {
        let length = usize::try_from(syscalls::newest(arch)).unwrap_or(0) + 1;
        let state = |possible| State {
            word: None,
            whole: false,
            numbers: vec![possible; length],
        };
        let mut paths = Self {
            before: vec![None; code.len()],
            nowhere: state(false),
        };
        paths.reach(0, state(true));
        for (index, instruction) in code.iter().enumerate() {
            paths.leave(index, *instruction, arch);
        }
        paths
    }

    pub(super) fn before(&self, index: usize) -> State {
        let known = self.before.get(index).and_then(Option::as_ref);
        known.unwrap_or(&self.nowhere).clone()
    }

    fn reach(&mut self, index: usize, state: State) {
        match self.before.get_mut(index) {
            Some(Some(known)) => known.join(&state),
            Some(place) => *place = Some(state),
            None => {}
        }
    }

    fn leave(&mut self, index: usize, instruction: Instruction, arch: Arch) {
        let mut state = self.before(index);
        let compares = matches!(mnemonic(instruction.code), Mnemonic::Compare(_));
        if loads(instruction) {
            (state.word, state.whole) = (Some(instruction.k), true);
        } else if instruction.code == operation::AND {
            state.whole = false;
        } else if !compares && !matches!(mnemonic(instruction.code), Mnemonic::Jump) {
            (state.word, state.whole) = (None, false);
        }
        for (at, target) in targets(index, instruction).into_iter().enumerate() {
            let mut state = state.clone();
            if compares {
                state.narrow(instruction, at == 0);
                state.expect_native(instruction, at == 0, arch);
            }
            self.reach(target, state);
        }
    }
}

impl State {
    /// Behind a comparison with another architecture, no number of this one comes.
    fn expect_native(&mut self, instruction: Instruction, result: bool, arch: Arch) {
        let compares = self.word == Some(ARCH_OFFSET) && instruction.code == operation::JUMP_EQUAL;
        if compares && (instruction.k == arch.audit()) != result {
            self.numbers.fill(false);
        }
    }
}
