//! Lays out instructions from the program's end to its start, so that every jump's distance is
//! known when the jump is written. Equal code is written once.
//!
//! Not for: knowing what a system call is.

use std::collections::HashMap;

use crate::action::Action;
use crate::program::{Instruction, operation};

use super::prune::prune;

/// Farthest target that a comparison may be given. The field holds 255; stepping stones for the
/// comparison itself may come in between, one at most per target.
const NEAR: usize = 253;

/// A place in the program, counted in instructions from its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Label(usize);

#[derive(PartialEq, Eq, Hash)]
enum Step {
    Return(u32),
    Compare(u16, u32, Label, Label),
    Then(u16, u32, Label),
}

/// Writes one program.
#[derive(Default)]
pub(super) struct Assembler {
    /// The program's last instruction first.
    reversed: Vec<Instruction>,
    written: HashMap<Step, Label>,
    /// For targets that went out of reach: the last stepping stone that leads there.
    stones: HashMap<Label, Label>,
}

impl Assembler {
    /// Code that ends the program with an action.
    pub(super) fn give(&mut self, action: Action) -> Label {
        let k = action.encode();
        self.once(Step::Return(k), |this| {
            this.push(operation::RETURN, k, (0, 0))
        })
    }

    /// Code that compares the accumulator with `k` and goes one of two ways.
    pub(super) fn compare(&mut self, code: u16, k: u32, yes: Label, no: Label) -> Label {
        if yes == no {
            return yes;
        }
        self.once(Step::Compare(code, k, yes, no), |this| {
            let yes = this.near(yes);
            let no = this.near(no);
            let (jt, jf) = (this.distance(yes), this.distance(no));
            this.push(code, k, (narrow(jt), narrow(jf)))
        })
    }

    /// Code that changes the accumulator and goes on at `next`.
    pub(super) fn then(&mut self, code: u16, k: u32, next: Label) -> Label {
        let ends = |at: &Instruction| at.code == operation::RETURN;
        if self.reversed.get(next.0).is_some_and(ends) {
            // Our returns carry constants, so nothing would read the accumulator.
            return next;
        }
        self.once(Step::Then(code, k, next), |this| {
            if this.distance(next) > 0 {
                this.jump(next);
            }
            this.push(code, k, (0, 0))
        })
    }

    /// `target`, or the place behind it if all it does is to load a word that is loaded already.
    pub(super) fn behind_load(&self, target: Label, word: u32) -> Label {
        let loads = |at: &Instruction| at.code == operation::LOAD && at.k == word;
        match (self.reversed.get(target.0), target.0.checked_sub(1)) {
            (Some(at), Some(behind)) if loads(at) => Label(behind),
            _ => target,
        }
    }

    /// The program in the kernel's order, without what no path reaches.
    pub(super) fn finish(self) -> Vec<Instruction> {
        prune(&self.reversed)
    }

    fn once(&mut self, step: Step, write: impl FnOnce(&mut Self) -> Label) -> Label {
        if let Some(label) = self.written.get(&step) {
            return *label;
        }
        let label = write(self);
        self.written.insert(step, label);
        label
    }

    fn push(&mut self, code: u16, k: u32, (jt, jf): (u8, u8)) -> Label {
        self.reversed.push(Instruction { code, jt, jf, k });
        Label(self.reversed.len() - 1)
    }

    /// Instructions that one written now would have to skip to get to `target`.
    fn distance(&self, target: Label) -> usize {
        self.reversed.len() - 1 - target.0
    }

    /// A place within reach of a comparison that does what `target` does.
    fn near(&mut self, target: Label) -> Label {
        let known = self.stones.get(&target).copied().unwrap_or(target);
        if self.distance(known) <= NEAR {
            return known;
        }
        let stone = match self.reversed.get(target.0) {
            Some(end) if end.code == operation::RETURN => self.push(end.code, end.k, (0, 0)),
            _ => self.jump(target),
        };
        self.stones.insert(target, stone);
        stone
    }

    fn jump(&mut self, target: Label) -> Label {
        let skip = wide(self.distance(target));
        self.push(operation::JUMP, skip, (0, 0))
    }
}

/// A distance that `near` has kept within the field. No filter at all beats one that jumps wrong.
#[expect(
    clippy::expect_used,
    reason = "near leaves at most NEAR, and the other target's stone adds one"
)]
fn narrow(distance: usize) -> u8 {
    u8::try_from(distance).expect("near keeps both targets of a comparison within 255")
}

/// A distance for an unconditional jump. A program that long is refused afterwards.
fn wide(distance: usize) -> u32 {
    u32::try_from(distance).unwrap_or(u32::MAX)
}
