//! One instruction in words, and what its constant stands for.
//!
//! Not for: jumps' targets.

use crate::action::Action;
use crate::arch::Arch;
use crate::data::{ARCH_OFFSET, NUMBER_OFFSET};
use crate::program::{Instruction, operation};
use crate::prose;
use crate::syscalls;

use super::loads;
use super::paths::State;

/// Most names in one comment. More are counted.
const NAMES_MAX: usize = 4;

/// The classes of instructions that read differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mnemonic {
    Return,
    ReturnAccumulator,
    Jump,
    /// With the sign between accumulator and operand.
    Compare(&'static str),
    Load,
    /// With the sign between accumulator and operand.
    Compute(&'static str),
    /// Anything else that classic BPF has, by its name.
    Other(&'static str),
}

/// The bit that makes the index register the operand.
const SOURCE_X: u16 = 0x08;

pub(super) const fn mnemonic(code: u16) -> Mnemonic {
    match code & !SOURCE_X {
        operation::RETURN if code & SOURCE_X == 0 => Mnemonic::Return,
        0x16 => Mnemonic::ReturnAccumulator,
        operation::JUMP if code & SOURCE_X == 0 => Mnemonic::Jump,
        operation::JUMP_EQUAL => Mnemonic::Compare("=="),
        operation::JUMP_GREATER => Mnemonic::Compare(">"),
        operation::JUMP_AT_LEAST => Mnemonic::Compare(">="),
        operation::JUMP_ANY_BIT => Mnemonic::Compare("has a bit of"),
        operation::LOAD if code & SOURCE_X == 0 => Mnemonic::Load,
        operation::AND => Mnemonic::Compute("&="),
        0x04 => Mnemonic::Compute("+="),
        0x14 => Mnemonic::Compute("-="),
        0x24 => Mnemonic::Compute("*="),
        0x34 => Mnemonic::Compute("/="),
        0x44 => Mnemonic::Compute("|="),
        0x64 => Mnemonic::Compute("<<="),
        0x74 => Mnemonic::Compute(">>="),
        0xA4 => Mnemonic::Compute("^="),
        _ => Mnemonic::Other(rare(code)),
    }
}

const fn rare(code: u16) -> &'static str {
    match code {
        0x00 => "A = constant",
        0x01 => "X = constant",
        0x60 => "A = memory",
        0x61 => "X = memory",
        0x02 => "memory = A",
        0x03 => "memory = X",
        0x80 => "A = length",
        0x81 => "X = length",
        0x84 => "A = -A",
        0x07 => "X = A",
        0x87 => "A = X",
        _ => "unknown operation",
    }
}

impl Mnemonic {
    /// What the accumulator is held against.
    pub(super) fn operand(self, instruction: Instruction) -> String {
        if instruction.code & SOURCE_X == 0 {
            format!("{:#x}", instruction.k)
        } else {
            "X".to_owned()
        }
    }

    /// The instruction, unless it jumps.
    pub(super) fn text(self, instruction: Instruction) -> String {
        match self {
            Self::Return => format!("return {}", action(instruction.k)),
            Self::ReturnAccumulator => "return A".to_owned(),
            Self::Load => format!("A = {}", word(instruction.k)),
            Self::Compute(sign) => format!("A {sign} {}", self.operand(instruction)),
            Self::Other(name) => format!("{name} {:#x}", instruction.k),
            Self::Jump | Self::Compare(_) => String::new(),
        }
    }
}

fn action(value: u32) -> String {
    match Action::decode(value) {
        Some(Action::Errno(errno)) => format!("errno {errno}"),
        Some(action) => action.to_string(),
        None => format!("{value:#010x}, which Sheriff does not use"),
    }
}

/// A word of `struct seccomp_data` (linux/seccomp.h).
fn word(offset: u32) -> String {
    match (offset, argument_at(offset)) {
        (NUMBER_OFFSET, _) => "number".to_owned(),
        (ARCH_OFFSET, _) => "arch".to_owned(),
        (8, _) => "instruction pointer, low half".to_owned(),
        (12, _) => "instruction pointer, high half".to_owned(),
        (_, Some((index, half))) => format!("argument {index}, {half} half"),
        (_, None) => format!("word at {offset}"),
    }
}

fn argument_at(offset: u32) -> Option<(usize, &'static str)> {
    let from = offset
        .checked_sub(16)
        .filter(|from| *from < 48 && from % 4 == 0)?;
    let half = if from % 8 == 0 { "low" } else { "high" };
    Some((usize::try_from(from / 8).ok()?, half))
}

/// What the constant means, given what the accumulator can hold and which calls come here.
pub(super) fn comment(instruction: Instruction, arch: Arch, before: &State) -> Option<String> {
    if loads(instruction) {
        return argument_at(instruction.k).map(|(index, _)| subject(index, arch, before));
    }
    let compares = matches!(mnemonic(instruction.code), Mnemonic::Compare(_));
    match before.word {
        Some(ARCH_OFFSET) if compares => architecture(instruction.k),
        Some(NUMBER_OFFSET) if compares => number(instruction, arch),
        Some(word) if compares => argument_at(word).map(|(index, _)| subject(index, arch, before)),
        _ => None,
    }
}

fn architecture(value: u32) -> Option<String> {
    let known = Arch::ALL.into_iter().find(|arch| arch.audit() == value);
    known.map(|arch| format!("AUDIT_ARCH_{}", arch.name().to_uppercase()))
}

fn number(instruction: Instruction, arch: Arch) -> Option<String> {
    if instruction.code == operation::JUMP_ANY_BIT {
        let second = arch.foreign_abi_bit() == Some(instruction.k);
        return second.then(|| "x32".to_owned());
    }
    let name = syscalls::name(arch, instruction.k);
    Some(name.map_or_else(|| "no call".to_owned(), str::to_owned))
}

/// The calls that come here and what they name the argument.
fn subject(index: usize, arch: Arch, before: &State) -> String {
    let calls: Vec<&str> = before.calls(arch).collect();
    match calls.as_slice() {
        [] => "no call comes here".to_owned(),
        [one] => format!("{one}: {}", prose::argument(one, index)),
        few if few.len() <= NAMES_MAX => few.join(", "),
        many => format!("{} calls", many.len()),
    }
}
