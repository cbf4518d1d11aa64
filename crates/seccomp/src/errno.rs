//! The error numbers that a profile may answer with, by name.
//!
//! Not for: errors that the kernel gave us.

use std::fmt;
use std::str::FromStr;

/// Names and values that a profile may use. They are the same on both architectures
/// (`asm-generic/errno-base.h`, `asm-generic/errno.h`).
const NAMES: [(&str, u16); 15] = [
    ("EPERM", 1),
    ("ENOENT", 2),
    ("EIO", 5),
    ("EAGAIN", 11),
    ("ENOMEM", 12),
    ("EACCES", 13),
    ("ENODEV", 19),
    ("EINVAL", 22),
    ("ENOSYS", 38),
    ("ENOPROTOOPT", 92),
    ("EPROTONOSUPPORT", 93),
    ("ESOCKTNOSUPPORT", 94),
    ("EOPNOTSUPP", 95),
    ("EPFNOSUPPORT", 96),
    ("EAFNOSUPPORT", 97),
];

/// An error number, 1 to 4095: what a refused call returns.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Errno(u16);

/// A text that names no error number a profile may use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("errno {given:?} is not one that a profile may use, such as EPERM or ENOSYS")]
pub struct ErrnoError {
    /// The text, cut to 64 characters.
    pub given: String,
}

impl Errno {
    /// Operation not permitted: the answer to a known call that no rule allows.
    pub const EPERM: Self = Self(1);
    /// No such call: the answer that makes libraries fall back to an older call.
    pub const ENOSYS: Self = Self(38);
    /// The highest number that the kernel passes on (`MAX_ERRNO`, linux/err.h).
    pub const MAX: u16 = 4095;

    /// The number, if the kernel would pass it on as it is.
    #[must_use]
    pub const fn new(number: u16) -> Option<Self> {
        if number >= 1 && number <= Self::MAX {
            Some(Self(number))
        } else {
            None
        }
    }

    /// The number.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.iter().find(|(_, number)| *number == self.0) {
            Some((name, _)) => f.write_str(name),
            None => write!(f, "errno {}", self.0),
        }
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Errno {
    type Err = ErrnoError;

    fn from_str(text: &str) -> Result<Self, ErrnoError> {
        NAMES
            .iter()
            .find(|(name, _)| *name == text)
            .map(|(_, number)| Self(*number))
            .ok_or_else(|| ErrnoError {
                given: text.chars().take(64).collect(),
            })
    }
}
