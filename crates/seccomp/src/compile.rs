//! Turns a profile into a BPF program: a balanced tree over number ranges, with a subtree where
//! arguments count.
//!
//! Not for: deciding anything; `verdict` says what the program must do.

mod argument;
mod assembler;
mod prune;

use crate::action::Action;
use crate::arch::Arch;
use crate::condition::Condition;
use crate::data::{ARCH_OFFSET, NUMBER_OFFSET};
use crate::errno::Errno;
use crate::profile::Profile;
use crate::program::{INSTRUCTIONS_MAX, Program, operation};
use crate::syscalls;

use argument::Exits;
use assembler::{Assembler, Label};

/// A profile that has no program.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// The kernel would refuse the program.
    #[error(
        "profile {profile} needs {instructions} instructions on {arch}, the kernel takes {INSTRUCTIONS_MAX}"
    )]
    TooLong {
        /// Name of the profile.
        profile: String,
        /// Architecture it was compiled for.
        arch: Arch,
        /// Length it would have.
        instructions: usize,
    },
}

/// The program of `profile` for `arch`. The same input gives the same instructions.
///
/// # Errors
///
/// When the program would be longer than [`INSTRUCTIONS_MAX`].
pub fn compile(profile: &Profile, arch: Arch) -> Result<Program, CompileError> {
    let mut assembler = Assembler::default();
    let ranges = ranges(&mut assembler, profile, arch);
    let tree = tree(&mut assembler, &ranges);
    prologue(&mut assembler, arch, tree);
    let instructions = assembler.finish();
    if instructions.len() > INSTRUCTIONS_MAX {
        return Err(CompileError::TooLong {
            profile: profile.name().to_string(),
            arch,
            instructions: instructions.len(),
        });
    }
    Ok(Program::from_instructions(instructions))
}

/// Numbers from `start` up to the next range's start go to `target`.
#[derive(Clone, Copy)]
struct Range {
    start: u32,
    target: Label,
}

fn ranges(assembler: &mut Assembler, profile: &Profile, arch: Arch) -> Vec<Range> {
    let unknown = assembler.give(Action::Errno(Errno::ENOSYS));
    let mut ranges: Vec<Range> = Vec::new();
    for start in 0..=syscalls::newest(arch) + 1 {
        let target = match syscalls::name(arch, start) {
            Some(name) => rule(assembler, profile, name),
            None => unknown,
        };
        if ranges.last().is_none_or(|last| last.target != target) {
            ranges.push(Range { start, target });
        }
    }
    ranges
}

/// Code for one call: denials in order, then the allowance. Built from its end backwards.
fn rule(assembler: &mut Assembler, profile: &Profile, name: &str) -> Label {
    let denials: Vec<_> = profile.denials_of(name).collect();
    if let Some(total) = denials.iter().find(|denial| denial.is_total()) {
        return assembler.give(total.action());
    }
    let mut next = allowance(assembler, profile, name);
    for denial in denials.into_iter().rev() {
        let yes = assembler.give(denial.action());
        next = any_of(assembler, denial.when(), Exits { yes, no: next });
    }
    next
}

fn allowance(assembler: &mut Assembler, profile: &Profile, name: &str) -> Label {
    let Some(allowance) = profile.allowance_of(name) else {
        return assembler.give(Action::Errno(Errno::EPERM));
    };
    let yes = assembler.give(Action::Allow);
    let Some(guard) = allowance.guard() else {
        return yes;
    };
    let no = assembler.give(Action::Errno(guard.otherwise()));
    any_of(assembler, guard.alternatives(), Exits { yes, no })
}

fn any_of(assembler: &mut Assembler, alternatives: &[Vec<Condition>], exits: Exits) -> Label {
    alternatives.iter().rev().fold(exits.no, |no, all| {
        all.iter().rev().fold(exits.yes, |yes, condition| {
            argument::condition(assembler, condition, Exits { yes, no })
        })
    })
}

/// A binary search for the range of the number in the accumulator.
fn tree(assembler: &mut Assembler, ranges: &[Range]) -> Label {
    match ranges {
        [] => assembler.give(Action::KillProcess),
        [only] => only.target,
        // One number with the same answer on both sides needs one comparison, not two.
        [below, one, above] if below.target == above.target && one.start + 1 == above.start => {
            assembler.compare(operation::JUMP_EQUAL, one.start, one.target, below.target)
        }
        _ => {
            let (below, above) = ranges.split_at(middle(ranges));
            let yes = tree(assembler, above);
            let no = tree(assembler, below);
            let start = above.first().map_or(0, |range| range.start);
            assembler.compare(operation::JUMP_AT_LEAST, start, yes, no)
        }
    }
}

fn middle(ranges: &[Range]) -> usize {
    ranges.len() / 2
}

/// Architecture first, then the second ABI's bit, then the tree.
fn prologue(assembler: &mut Assembler, arch: Arch, tree: Label) {
    let kill = assembler.give(Action::KillProcess);
    let number = match arch.foreign_abi_bit() {
        Some(bit) => assembler.compare(operation::JUMP_ANY_BIT, bit, kill, tree),
        None => tree,
    };
    let number = assembler.then(operation::LOAD, NUMBER_OFFSET, number);
    let native = assembler.compare(operation::JUMP_EQUAL, arch.audit(), number, kill);
    assembler.then(operation::LOAD, ARCH_OFFSET, native);
}

#[cfg(test)]
mod tests;
