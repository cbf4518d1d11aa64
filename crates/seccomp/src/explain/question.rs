//! Reads a question about a call: its name or number, and its arguments.
//!
//! Not for: answering it.

use crate::arch::Arch;
use crate::classes::TooManyClasses;
use crate::condition::ARGUMENTS;
use crate::syscalls;

/// A question about a call that has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuestionError {
    /// Neither a name nor a number.
    #[error("system call {given:?} is neither a known name nor a number")]
    UnknownCall {
        /// The text, cut to 64 characters.
        given: String,
    },
    /// The name belongs to other architectures only.
    #[error("{arch} has no system call {call}")]
    NotHere {
        /// Name of the call.
        call: String,
        /// The architecture that was asked for.
        arch: Arch,
    },
    /// Not a number that fits a register.
    #[error("argument {given:?} is no number: write 38, 0x26, 0o46 or -1")]
    Argument {
        /// The text, cut to 64 characters.
        given: String,
    },
    /// More than a call has.
    #[error("{given} arguments were given, a call has {ARGUMENTS} at most")]
    Arguments {
        /// How many.
        given: usize,
    },
    /// Too many conditions to try every class of arguments.
    #[error(transparent)]
    TooManyClasses(#[from] TooManyClasses),
}

/// An argument as a person writes it: decimal, `0x`, `0o`, `0b`, with `_` between digits, or negative
/// as C does (`-1` is all ones).
///
/// # Errors
///
/// When it is no number of at most 64 bits.
pub fn parse_argument(text: &str) -> Result<u64, QuestionError> {
    let bad = || QuestionError::Argument { given: cut(text) };
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let value = unsigned(digits).ok_or_else(bad)?;
    if negative {
        return i64::try_from(value)
            .map(|value| (-value).cast_unsigned())
            .map_err(|_wide| bad());
    }
    Ok(value)
}

fn unsigned(text: &str) -> Option<u64> {
    let (digits, radix) = match text.get(..2) {
        Some("0x" | "0X") => (text.get(2..)?, 16),
        Some("0o") => (text.get(2..)?, 8),
        Some("0b") => (text.get(2..)?, 2),
        _ => (text, 10),
    };
    // from_str_radix takes a sign, which has been read already.
    if digits.starts_with(['+', '-', '_']) {
        return None;
    }
    u64::from_str_radix(&digits.replace('_', ""), radix).ok()
}

fn cut(text: &str) -> String {
    text.chars().take(64).collect()
}

/// The number of a call that is given by name or number.
pub(super) fn number_of(arch: Arch, call: &str) -> Result<u32, QuestionError> {
    if let Some(number) = syscalls::number(arch, call) {
        return Ok(number);
    }
    if syscalls::canonical(call).is_some() {
        let call = call.to_owned();
        return Err(QuestionError::NotHere { call, arch });
    }
    unsigned(call)
        .and_then(|number| u32::try_from(number).ok())
        .ok_or_else(|| QuestionError::UnknownCall { given: cut(call) })
}
