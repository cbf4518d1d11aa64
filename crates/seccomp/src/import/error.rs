//! What can be wrong with a policy of another project.
//!
//! Not for: what is sound but different, which `note` tells.

use crate::profile::ProfileError;

use super::{INPUT_BYTES_MAX, RULES_MAX};

/// A policy that can't be read, with the place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// More text than is read.
    #[error("{file} has {bytes} bytes, more than {INPUT_BYTES_MAX}")]
    TooLong {
        /// The file as the caller named it.
        file: String,
        /// Its length.
        bytes: usize,
    },
    /// Not JSON, or not a policy's.
    #[error("{file}:{line}:{column}: {message}")]
    Json {
        /// The file as the caller named it.
        file: String,
        /// Line, from 1.
        line: usize,
        /// Column, from 1; 0 before the first character of a line.
        column: usize,
        /// The JSON reader's words.
        message: String,
    },
    /// A rule that means nothing, or nothing that a profile could say.
    #[error("{file}:{line}: {defect}")]
    Rule {
        /// The file as the caller named it.
        file: String,
        /// Line, from 1, on which the rule starts.
        line: usize,
        /// The defect.
        #[source]
        defect: Defect,
    },
    /// The profile's reader refuses the text that was made.
    #[error("the profile made of {file} is refused: {error}")]
    Made {
        /// The file as the caller named it.
        file: String,
        /// Why.
        #[source]
        error: Box<ProfileError>,
    },
}

/// A defect of a rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Defect {
    /// Somebody outside of the filter would have to answer.
    #[error("{action} needs a helper process to answer, which a profile does not have")]
    Helper {
        /// The action as it is written.
        action: &'static str,
    },
    /// A comparison that TOML's signed numbers can't express.
    #[error("{op} with {value:#x} can't be written in a profile, whose numbers end at 2^63 - 1")]
    Value {
        /// The comparison as it is written.
        op: &'static str,
        /// What is compared with.
        value: u64,
    },
    /// No such argument.
    #[error("argument {given} does not exist: arguments are 0 to 5")]
    Argument {
        /// The index found.
        given: u64,
    },
    /// A rule names no call, or names them twice over.
    #[error("a rule needs either `names`, with one at least, or the older `name`")]
    Names,
    /// Two lists of architectures.
    #[error("either `architectures` or `archMap`, not both")]
    Architectures,
    /// Not a kernel version.
    #[error("{given:?} is not a kernel version such as 4.8")]
    Kernel {
        /// The text, cut to 64 characters.
        given: String,
    },
    /// Too many rules or names.
    #[error("more than {RULES_MAX} {what}")]
    TooMany {
        /// Of what.
        what: &'static str,
    },
    /// A rule that would be too long once turned around.
    #[error("{call}: its rules are too entangled to be written as a profile")]
    Entangled {
        /// Name of the call.
        call: &'static str,
    },
    /// A group of systemd's that the sets don't hold.
    #[error("group {group:?} is not defined")]
    Group {
        /// The name, cut to 64 characters.
        group: String,
    },
    /// Groups within groups within groups.
    #[error("group {group:?} is nested too deeply in others")]
    Nested {
        /// The name, cut to 64 characters.
        group: String,
    },
    /// Neither a known error number nor `kill`.
    #[error(
        "{given:?} is neither an error number that a profile may use, such as EPERM, nor `kill`"
    )]
    Errno {
        /// The text, cut to 64 characters.
        given: String,
    },
    /// A word that is no name.
    #[error("{given:?} is not the name of a system call or of a group")]
    Word {
        /// The text, cut to 64 characters.
        given: String,
    },
    /// Nothing in the text says what to filter.
    #[error("no system call filter found")]
    Nothing,
}

/// The JSON reader's words, which repeat the text: bounded, and without signs that steer terminals.
pub(super) fn shown(message: &str) -> String {
    let plain = message.chars().filter(|letter| !letter.is_control());
    plain.take(256).collect()
}

/// The first 64 characters of a text from outside, for an error.
pub(super) fn cut(given: &str) -> String {
    given.chars().take(64).collect()
}
