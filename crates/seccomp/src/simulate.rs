//! Runs a program on one system call as the kernel would: classic BPF, as far as seccomp permits.
//!
//! Not for: speed, nor for programs of other BPF users (no packet loads).

use crate::action::Action;
use crate::data::{DATA_BYTES, Data};
use crate::program::{Instruction, Program};

/// Scratch words of classic BPF (`BPF_MEMWORDS`).
const MEMORY_WORDS: usize = 16;

/// Why a program has no action for a call. The kernel refuses most such programs on loading.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A path leads behind the last instruction.
    #[error("instruction {at} does not exist: the program has no return on this path")]
    RanOut {
        /// Index of the missing instruction.
        at: usize,
    },
    /// Seccomp does not permit the operation.
    #[error("instruction {at} has operation {code:#06x}, which seccomp does not permit")]
    Operation {
        /// Index of the instruction.
        at: usize,
        /// Its operation.
        code: u16,
    },
    /// The operand is outside of what the operation takes.
    #[error("instruction {at} has operand {k:#x}, which is out of bounds")]
    Operand {
        /// Index of the instruction.
        at: usize,
        /// Its operand.
        k: u32,
    },
    /// The program returned a value that our programs never return.
    #[error("the program returned {value:#010x}, which is no action that Sheriff uses")]
    Return {
        /// The value.
        value: u32,
    },
}

/// The action that `program` takes on `call`.
///
/// # Errors
///
/// When the program is malformed on the path that this call takes.
pub fn simulate(program: &Program, call: &Data) -> Result<Action, Fault> {
    let value = run(program, call)?;
    Action::decode(value).ok_or(Fault::Return { value })
}

/// The value that `program` returns for `call` (`SECCOMP_RET_*` and its data).
///
/// # Errors
///
/// When the program is malformed on the path that this call takes.
pub fn run(program: &Program, call: &Data) -> Result<u32, Fault> {
    let mut machine = Machine {
        accumulator: 0,
        index: 0,
        memory: [None; MEMORY_WORDS],
        call,
    };
    // Jumps only lead forward, so this ends.
    let mut at = 0;
    loop {
        let instruction = program.instructions().get(at).ok_or(Fault::RanOut { at })?;
        match machine.step(at, *instruction)? {
            Next::Skip(skip) => at = at.saturating_add(1).saturating_add(skip),
            Next::Return(value) => return Ok(value),
        }
    }
}

enum Next {
    Skip(usize),
    Return(u32),
}

struct Machine<'a> {
    accumulator: u32,
    index: u32,
    memory: [Option<u32>; MEMORY_WORDS],
    call: &'a Data,
}

/// Classes of operations (`linux/bpf_common.h`).
const CLASS: u16 = 0x07;
const CLASS_LD: u16 = 0x00;
const CLASS_LDX: u16 = 0x01;
const CLASS_ST: u16 = 0x02;
const CLASS_STX: u16 = 0x03;
const CLASS_ALU: u16 = 0x04;
const CLASS_JMP: u16 = 0x05;
const CLASS_RET: u16 = 0x06;
/// Source bit: the operand is the index register.
const SOURCE_X: u16 = 0x08;
/// `BPF_RET | BPF_A`.
const RETURN_A: u16 = 0x16;
/// `BPF_MISC | BPF_TAX` and `BPF_MISC | BPF_TXA`.
const TAX: u16 = 0x07;
const TXA: u16 = 0x87;

impl Machine<'_> {
    fn step(&mut self, at: usize, instruction: Instruction) -> Result<Next, Fault> {
        let code = instruction.code;
        let forbidden = Fault::Operation { at, code };
        match code & CLASS {
            CLASS_LD => self.accumulator = self.load(at, instruction)?,
            CLASS_LDX => self.index = self.load(at, instruction)?,
            CLASS_ST if code == CLASS_ST => *self.cell(at, instruction.k)? = Some(self.accumulator),
            CLASS_STX if code == CLASS_STX => *self.cell(at, instruction.k)? = Some(self.index),
            CLASS_ALU => match self.compute(at, instruction)? {
                Some(value) => self.accumulator = value,
                // Division by a register that holds zero ends the program with 0.
                None => return Ok(Next::Return(0)),
            },
            CLASS_JMP => return self.jump(instruction).ok_or(forbidden),
            CLASS_RET => return self.end(instruction).ok_or(forbidden),
            _ if code == TAX => self.index = self.accumulator,
            _ if code == TXA => self.accumulator = self.index,
            _ => return Err(forbidden),
        }
        Ok(Next::Skip(0))
    }

    fn load(&mut self, at: usize, instruction: Instruction) -> Result<u32, Fault> {
        let k = instruction.k;
        let bounds = Fault::Operand { at, k };
        match instruction.code {
            0x20 => self.call.word(k).ok_or(bounds),
            0x00 | 0x01 => Ok(k),
            0x60 | 0x61 => self.cell(at, k)?.ok_or(bounds),
            0x80 | 0x81 => Ok(DATA_BYTES),
            code => Err(Fault::Operation { at, code }),
        }
    }

    fn cell(&mut self, at: usize, k: u32) -> Result<&mut Option<u32>, Fault> {
        usize::try_from(k)
            .ok()
            .and_then(|index| self.memory.get_mut(index))
            .ok_or(Fault::Operand { at, k })
    }

    fn operand(&self, instruction: Instruction) -> u32 {
        if instruction.code & SOURCE_X == 0 {
            instruction.k
        } else {
            self.index
        }
    }

    fn compute(&self, at: usize, instruction: Instruction) -> Result<Option<u32>, Fault> {
        let (a, b) = (self.accumulator, self.operand(instruction));
        let value = match instruction.code & !SOURCE_X {
            0x04 => a.wrapping_add(b),
            0x14 => a.wrapping_sub(b),
            0x24 => a.wrapping_mul(b),
            0x34 if b == 0 => return Ok(None),
            0x34 => a / b,
            0x44 => a | b,
            0x54 => a & b,
            0x64 => a.wrapping_shl(b),
            0x74 => a.wrapping_shr(b),
            0x84 if instruction.code & SOURCE_X == 0 => a.wrapping_neg(),
            0xA4 => a ^ b,
            code => return Err(Fault::Operation { at, code }),
        };
        Ok(Some(value))
    }

    fn jump(&self, instruction: Instruction) -> Option<Next> {
        let (a, b) = (self.accumulator, self.operand(instruction));
        let taken = match instruction.code & !SOURCE_X {
            0x05 if instruction.code & SOURCE_X == 0 => {
                return usize::try_from(instruction.k).ok().map(Next::Skip);
            }
            0x15 => a == b,
            0x25 => a > b,
            0x35 => a >= b,
            0x45 => a & b != 0,
            _ => return None,
        };
        let skip = if taken {
            instruction.jt
        } else {
            instruction.jf
        };
        Some(Next::Skip(usize::from(skip)))
    }

    fn end(&self, instruction: Instruction) -> Option<Next> {
        match instruction.code {
            CLASS_RET => Some(Next::Return(instruction.k)),
            RETURN_A => Some(Next::Return(self.accumulator)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::Arch;

    fn run_codes(codes: &[(u16, u8, u8, u32)]) -> Result<u32, Fault> {
        let instructions = codes
            .iter()
            .map(|(code, jt, jf, k)| Instruction {
                code: *code,
                jt: *jt,
                jf: *jf,
                k: *k,
            })
            .collect();
        let call = Data::new(Arch::X86_64, 7, [0x2_0000_0003, 0, 0, 0, 0, 0]);
        run(&Program::from_instructions(instructions), &call)
    }

    #[test]
    fn loads_stores_computes_and_jumps() {
        let sum = [
            (0x20, 0, 0, 16), // A = low half of argument 0
            (0x02, 0, 0, 5),  // M[5] = A
            (0x20, 0, 0, 20), // A = high half
            (0x61, 0, 0, 5),  // X = M[5]
            (0x0C, 0, 0, 0),  // A += X
            (0x15, 1, 0, 5),  // A == 5 ?
            (0x06, 0, 0, 1),
            (0x16, 0, 0, 0), // return A
        ];
        assert_eq!(run_codes(&sum), Ok(5));
    }

    #[test]
    fn division_by_an_empty_register_returns_zero_which_kills() {
        assert_eq!(run_codes(&[(0x3C, 0, 0, 0), (0x06, 0, 0, 9)]), Ok(0));
        assert_eq!(
            run_codes(&[(0x00, 0, 0, 9), (0x34, 0, 0, 3), (0x16, 0, 0, 0)]),
            Ok(3)
        );
    }

    #[test]
    fn faults_on_what_the_kernel_would_not_load() {
        let at = 0;
        assert_eq!(run_codes(&[]), Err(Fault::RanOut { at }));
        assert_eq!(
            run_codes(&[(0x20, 0, 0, 64)]),
            Err(Fault::Operand { at, k: 64 })
        );
        assert_eq!(
            run_codes(&[(0x60, 0, 0, 0)]),
            Err(Fault::Operand { at, k: 0 })
        );
        assert_eq!(
            run_codes(&[(0x28, 0, 0, 0)]),
            Err(Fault::Operation { at, code: 0x28 })
        );
    }
}
