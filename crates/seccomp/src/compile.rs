//! Turns a profile into a BPF program: a tree over number ranges, with a subtree where arguments
//! count.
//!
//! Not for: deciding anything; `verdict` says what the program must do.

mod argument;
mod assembler;
mod prune;
mod tree;

use crate::action::Action;
use crate::arch::Arch;
use crate::condition::{Condition, Test, Width};
use crate::data::{ARCH_OFFSET, NUMBER_OFFSET};
use crate::descriptor::RECORD_DESCRIPTOR;
use crate::errno::Errno;
use crate::profile::Profile;
use crate::program::{INSTRUCTIONS_MAX, Program, operation};
use crate::purpose::Purpose;
use crate::syscalls;

use argument::Exits;
use assembler::{Assembler, Label};

/// The call by which a recording jail hands over its listener.
const HANDING_OVER: &str = "sendmsg";

/// A profile that has no program.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// The kernel would refuse the program.
    #[error(
        "{file}: profile {profile} needs {instructions} instructions on {arch}, the kernel takes {INSTRUCTIONS_MAX}"
    )]
    TooLong {
        /// The profile's file, as the caller named it.
        file: String,
        /// Name of the profile.
        profile: String,
        /// Architecture it was compiled for.
        arch: Arch,
        /// Length it would have.
        instructions: usize,
    },
}

/// The program of `profile` for `arch` that enforces it. The same input gives the same
/// instructions.
///
/// # Errors
///
/// When the program would be longer than [`INSTRUCTIONS_MAX`].
pub fn compile(profile: &Profile, arch: Arch) -> Result<Program, CompileError> {
    compile_for(profile, arch, Purpose::Enforce)
}

/// The program of `profile` for `arch` and a purpose. The same input gives the same instructions.
///
/// # Errors
///
/// When the program would be longer than [`INSTRUCTIONS_MAX`].
pub fn compile_for(
    profile: &Profile,
    arch: Arch,
    purpose: Purpose,
) -> Result<Program, CompileError> {
    let mut writer = Writer {
        assembler: Assembler::default(),
        profile,
        arch,
        purpose,
    };
    let ranges = writer.ranges();
    let tree = tree::tree(&mut writer.assembler, &ranges);
    let fatal = writer.leaf_of_the_foreign();
    prologue(&mut writer.assembler, arch, tree, fatal);
    let instructions = writer.assembler.finish();
    if instructions.len() > INSTRUCTIONS_MAX {
        return Err(CompileError::TooLong {
            file: profile.file().to_owned(),
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

struct Writer<'a> {
    assembler: Assembler,
    profile: &'a Profile,
    arch: Arch,
    purpose: Purpose,
}

impl Writer<'_> {
    fn ranges(&mut self) -> Vec<Range> {
        // Programs try newer calls as a matter of course, so the answer is never an event.
        let unknown = self.leaf(Action::Errno(Errno::ENOSYS), true);
        let mut ranges: Vec<Range> = Vec::new();
        for start in 0..=syscalls::newest(self.arch) + 1 {
            let target = match syscalls::name(self.arch, start) {
                Some(name) => self.call(name),
                None => unknown,
            };
            if ranges.last().is_none_or(|last| last.target != target) {
                ranges.push(Range { start, target });
            }
        }
        ranges
    }

    fn call(&mut self, name: &str) -> Label {
        let rule = self.rule(name);
        if self.purpose != Purpose::Record || name != HANDING_OVER {
            return rule;
        }
        let yes = self.assembler.give(Action::Allow);
        let condition = Condition {
            argument: 0,
            width: Width::Low32,
            mask: Width::Low32.ones(),
            test: Test::In(vec![u64::from(RECORD_DESCRIPTOR)]),
        };
        argument::condition(&mut self.assembler, &condition, Exits { yes, no: rule })
    }

    /// Code for one call: denials in order, then the allowance. Built from its end backwards.
    fn rule(&mut self, name: &str) -> Label {
        let denials: Vec<_> = self.profile.denials_on(self.arch, name).collect();
        let total = denials.iter().position(|denial| denial.is_total());
        let (partly, rest) = denials.split_at(total.unwrap_or(denials.len()));
        let mut next = match rest.first() {
            Some(total) => self.leaf(total.action(), total.is_quiet()),
            None => self.allowance(name),
        };
        for denial in partly.iter().rev() {
            let yes = self.leaf(denial.action(), denial.is_quiet());
            next = any_of(&mut self.assembler, denial.when(), Exits { yes, no: next });
        }
        next
    }

    fn allowance(&mut self, name: &str) -> Label {
        let Some(allowance) = self.profile.allowance_on(self.arch, name) else {
            return self.leaf(Action::Errno(Errno::EPERM), false);
        };
        let action = if allowance.is_logged() {
            Action::Log
        } else {
            Action::Allow
        };
        let yes = self.leaf(action, allowance.is_quiet());
        let Some(guard) = allowance.guard() else {
            return yes;
        };
        let no = self.leaf(Action::Errno(guard.otherwise()), allowance.is_quiet());
        any_of(&mut self.assembler, guard.alternatives(), Exits { yes, no })
    }

    /// The end of what comes by another door than the architecture's own. A program for recording need
    /// not leave it to the one beneath, which has the same answer.
    fn leaf_of_the_foreign(&mut self) -> Label {
        match self.purpose {
            Purpose::Enforce | Purpose::Report => self.leaf(Action::KillProcess, false),
            Purpose::Record => self.assembler.give(Action::KillProcess),
        }
    }

    /// The end of a path, as the purpose has it.
    fn leaf(&mut self, action: Action, quiet: bool) -> Label {
        let action = match (self.purpose, action) {
            (Purpose::Report, Action::Errno(_)) if !quiet => Action::Notify,
            (Purpose::Report, Action::KillProcess) => Action::Notify,
            (Purpose::Record, Action::Allow | Action::Log) => Action::Notify,
            (Purpose::Record, _) => Action::Allow,
            (Purpose::Enforce | Purpose::Report, action) => action,
        };
        self.assembler.give(action)
    }
}

fn any_of(assembler: &mut Assembler, alternatives: &[Vec<Condition>], exits: Exits) -> Label {
    alternatives.iter().rev().fold(exits.no, |no, all| {
        all.iter().rev().fold(exits.yes, |yes, condition| {
            argument::condition(assembler, condition, Exits { yes, no })
        })
    })
}

/// Architecture first, then the second ABI's bit, then the tree.
fn prologue(assembler: &mut Assembler, arch: Arch, tree: Label, kill: Label) {
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
