//! A finished filter: classic BPF instructions and their hash.
//!
//! Not for: making or running one.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

/// Longest filter that the kernel takes (`BPF_MAXINSNS`, `linux/bpf_common.h`).
pub const INSTRUCTIONS_MAX: usize = 4096;

/// One instruction, laid out as `struct sock_filter` (linux/filter.h).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct Instruction {
    /// Operation.
    pub code: u16,
    /// Instructions to skip when the comparison holds.
    pub jt: u8,
    /// Instructions to skip when it does not.
    pub jf: u8,
    /// Constant operand.
    pub k: u32,
}

/// Operations that our compiler emits (`linux/bpf_common.h`).
pub(crate) mod operation {
    pub(crate) const LOAD: u16 = 0x20;
    pub(crate) const AND: u16 = 0x54;
    pub(crate) const JUMP: u16 = 0x05;
    pub(crate) const JUMP_EQUAL: u16 = 0x15;
    pub(crate) const JUMP_GREATER: u16 = 0x25;
    pub(crate) const JUMP_AT_LEAST: u16 = 0x35;
    pub(crate) const JUMP_ANY_BIT: u16 = 0x45;
    pub(crate) const RETURN: u16 = 0x06;
}

/// A filter ready for the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    instructions: Vec<Instruction>,
}

impl Instruction {
    /// The eight bytes of the instruction, little endian.
    #[must_use]
    pub const fn encode(self) -> [u8; 8] {
        let [code_low, code_high] = self.code.to_le_bytes();
        let [a, b, c, d] = self.k.to_le_bytes();
        [code_low, code_high, self.jt, self.jf, a, b, c, d]
    }
}

impl Program {
    /// A program of these instructions. Nothing is checked: the kernel does that on loading,
    /// `simulate` on running.
    #[must_use]
    pub const fn from_instructions(instructions: Vec<Instruction>) -> Self {
        Self { instructions }
    }

    /// The instructions in order.
    #[must_use]
    pub fn instructions(&self) -> &[Instruction] {
        &self.instructions
    }

    /// SHA-256 over the encoded instructions, 64 lower-case hexadecimal digits.
    #[must_use]
    pub fn hash(&self) -> String {
        let mut hasher = Sha256::new();
        for instruction in &self.instructions {
            hasher.update(instruction.encode());
        }
        hasher
            .finalize()
            .iter()
            .fold(String::with_capacity(64), |mut text, byte| {
                // Writing to a String has no failure to report.
                let _infallible = write!(text, "{byte:02x}");
                text
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_covers_every_field_in_little_endian_order() {
        let one = Instruction {
            code: 0x0102,
            jt: 3,
            jf: 4,
            k: 0x0506_0708,
        };
        assert_eq!(one.encode(), [2, 1, 3, 4, 8, 7, 6, 5]);
        let empty = Program::from_instructions(Vec::new());
        assert_eq!(
            empty.hash(),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        let base = Program::from_instructions(vec![one]).hash();
        for other in [
            Instruction { code: 0, ..one },
            Instruction { jt: 0, ..one },
            Instruction { jf: 0, ..one },
            Instruction { k: 0, ..one },
        ] {
            assert_ne!(Program::from_instructions(vec![other]).hash(), base);
        }
    }
}
