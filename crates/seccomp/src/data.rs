//! What the kernel shows a filter of one system call.
//!
//! Not for: anything behind a pointer.

use crate::arch::Arch;
use crate::condition::ARGUMENTS;

/// Size of `struct seccomp_data` in bytes (linux/seccomp.h).
pub const DATA_BYTES: u32 = 64;
/// Offset of the call's number.
pub const NUMBER_OFFSET: u32 = 0;
/// Offset of the architecture's audit value.
pub const ARCH_OFFSET: u32 = 4;
const FIELD_BYTES: u32 = 8;
const ARGUMENTS_OFFSET: u32 = 16;

/// One system call as a filter sees it (`struct seccomp_data`, little endian).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Data {
    /// The call's number, with any ABI bit.
    pub number: u32,
    /// `AUDIT_ARCH_*` of the entry that was used.
    pub arch: u32,
    /// Address of the instruction that made the call.
    pub instruction_pointer: u64,
    /// The six argument registers, used or not.
    pub arguments: [u64; ARGUMENTS],
}

/// The two 32-bit words of a 64-bit field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Half {
    /// Bits 0 to 31.
    Low,
    /// Bits 32 to 63.
    High,
}

impl Data {
    /// A call of `arch` itself.
    #[must_use]
    pub const fn new(arch: Arch, number: u32, arguments: [u64; ARGUMENTS]) -> Self {
        Self {
            number,
            arch: arch.audit(),
            instruction_pointer: 0,
            arguments,
        }
    }

    /// The 32-bit word at a byte offset; `None` when unaligned or beyond the end.
    #[must_use]
    pub fn word(&self, offset: u32) -> Option<u32> {
        if !offset.is_multiple_of(4) || offset >= DATA_BYTES {
            return None;
        }
        match offset {
            NUMBER_OFFSET => Some(self.number),
            ARCH_OFFSET => Some(self.arch),
            _ if offset < ARGUMENTS_OFFSET => Some(half_at(self.instruction_pointer, offset)),
            _ => {
                let index = usize::try_from((offset - ARGUMENTS_OFFSET) / FIELD_BYTES).ok()?;
                self.arguments.get(index).map(|arg| half_at(*arg, offset))
            }
        }
    }
}

/// Byte offset of one half of an argument, for indexes below [`ARGUMENTS`].
#[must_use]
pub fn argument_offset(index: usize, half: Half) -> u32 {
    let index = u32::try_from(index).unwrap_or(u32::MAX / 16);
    let half = match half {
        Half::Low => 0,
        Half::High => 4,
    };
    ARGUMENTS_OFFSET + index * FIELD_BYTES + half
}

/// The half of a 64-bit value.
#[must_use]
pub const fn half(value: u64, half: Half) -> u32 {
    let [a, b, c, d, e, f, g, h] = value.to_le_bytes();
    match half {
        Half::Low => u32::from_le_bytes([a, b, c, d]),
        Half::High => u32::from_le_bytes([e, f, g, h]),
    }
}

fn half_at(value: u64, offset: u32) -> u32 {
    let low = offset.is_multiple_of(FIELD_BYTES);
    half(value, if low { Half::Low } else { Half::High })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_lie_where_the_kernel_puts_them() {
        let data = Data {
            number: 1,
            arch: 2,
            instruction_pointer: 0x4_0000_0003,
            arguments: [0x6_0000_0005, 0, 0, 0, 0, 0x8_0000_0007],
        };
        for (offset, word) in [
            (0, 1),
            (4, 2),
            (8, 3),
            (12, 4),
            (16, 5),
            (20, 6),
            (56, 7),
            (60, 8),
        ] {
            assert_eq!(data.word(offset), Some(word), "{offset}");
        }
        assert_eq!(argument_offset(5, Half::High), 60);
        for outside in [1, 2, 63, 64, 68, u32::MAX] {
            assert_eq!(data.word(outside), None, "{outside}");
        }
    }
}
