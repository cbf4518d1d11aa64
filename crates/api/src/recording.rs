//! A recorded command: what it called, and the seccomp profile that it ran under.
//!
//! Not for: calls that were refused; a recording hears of none.

use model::ProfileName;
use serde::{Deserialize, Serialize};

/// Longest JSON of a [`Base`]: five files of at most 256 KiB each, which JSON makes at most six times
/// as long.
pub const BASE_BYTES_MAX: usize = 8 << 20;

/// What a command called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recording {
    /// The seccomp profile that it ran under, and that permitted all of it.
    pub profile: ProfileName,
    /// By number, ascending: as many as there are calls at most.
    pub calls: Vec<RecordedCall>,
    /// Calls whose number has no name here.
    pub odd: u64,
}

/// One system call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedCall {
    /// Its name.
    pub syscall: String,
    /// Its number on the daemon's architecture.
    pub number: u32,
    /// How often it was made.
    pub count: u64,
}

/// A seccomp profile and all that it extends, in the very words that the jail ran under: a client's
/// own files may say something else, be out of its reach or not yet be in force.
///
/// It travels in a memory file as JSON, since it may be longer than a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Base {
    /// The profile itself, then its parents.
    pub texts: Vec<BaseText>,
}

/// One profile's file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaseText {
    /// Its name.
    pub name: ProfileName,
    /// Where the daemon has it from.
    pub file: String,
    /// Its TOML text.
    pub text: String,
}
