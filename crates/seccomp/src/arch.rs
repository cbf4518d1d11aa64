//! The two architectures that a filter can be made for.
//!
//! Not for: their system calls, which `syscalls` lists.

use std::fmt;
use std::str::FromStr;

/// Bit of the number that selects the x32 ABI on `x86_64` (`__X32_SYSCALL_BIT`).
///
/// The x32 table differs from the 64-bit one, so a filter that ignores the bit can be passed by.
pub const X32_BIT: u32 = 0x4000_0000;

/// A processor architecture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Arch {
    /// 64-bit x86, without x32 and i386.
    X86_64,
    /// 64-bit ARM, without its 32-bit mode.
    Aarch64,
}

/// A text that names no supported architecture.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("architecture {given:?} is not supported: write x86_64 or aarch64")]
pub struct ArchError {
    /// The text, cut to 64 characters.
    pub given: String,
}

impl Arch {
    /// Every architecture, in a fixed order.
    pub const ALL: [Self; 2] = [Self::X86_64, Self::Aarch64];

    /// The architecture this program was compiled for; `None` where no filter can be made.
    #[must_use]
    pub const fn native() -> Option<Self> {
        if cfg!(all(target_arch = "x86_64", target_pointer_width = "64")) {
            Some(Self::X86_64)
        } else if cfg!(all(target_arch = "aarch64", target_endian = "little")) {
            Some(Self::Aarch64)
        } else {
            None
        }
    }

    /// The value of `seccomp_data.arch` (`AUDIT_ARCH_*`, linux/audit.h).
    #[must_use]
    pub const fn audit(self) -> u32 {
        match self {
            Self::X86_64 => 0xC000_003E,
            Self::Aarch64 => 0xC000_00B7,
        }
    }

    /// The name as `uname -m` prints it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Aarch64 => "aarch64",
        }
    }

    /// The number bit of a second ABI that shares this architecture's audit value.
    #[must_use]
    pub const fn foreign_abi_bit(self) -> Option<u32> {
        match self {
            Self::X86_64 => Some(X32_BIT),
            Self::Aarch64 => None,
        }
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Arch {
    type Err = ArchError;

    fn from_str(text: &str) -> Result<Self, ArchError> {
        Self::ALL
            .into_iter()
            .find(|arch| arch.name() == text)
            .ok_or_else(|| ArchError {
                given: text.chars().take(64).collect(),
            })
    }
}
