//! What is wrong with a profile, and exactly where.
//!
//! Not for: the rules themselves (`layer`, and the types of the values).

use std::fmt;

use model::ProfileName;

use super::{DEPTH_MAX, EGRESS_LISTS_MAX, ENVIRONMENT_MAX, FILE_MAX, LookupError};
use crate::egress::PolicyError;
use crate::rule::RuleError;

/// A fault and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileError {
    /// The file, as the lookup named it.
    pub file: String,
    /// Line from 1; `None` when the fault is not in a line.
    pub line: Option<usize>,
    /// The key with its tables, such as `limits.memory`; empty when the fault is the whole file's.
    pub key: String,
    /// What is wrong and what is accepted.
    pub fault: Box<Fault>,
}

/// What can be wrong with a profile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Not TOML, an unknown key, or a value that its type refuses.
    #[error("{message}")]
    Syntax {
        /// The parser's words; they name what is accepted.
        message: String,
    },
    /// The file is too large.
    #[error("the file has {found} bytes; at most {FILE_MAX} are accepted")]
    TooLarge {
        /// Its size.
        found: usize,
    },
    /// The file says that it is another profile.
    #[error("the profile calls itself {found:?}; it was looked up as {expected:?}")]
    Name {
        /// What was looked up.
        expected: ProfileName,
        /// What the file says.
        found: ProfileName,
    },
    /// A name that records give to rules of another kind.
    #[error(
        "the name {name:?} is reserved: records name rules of the command line and of the operator's ceiling so"
    )]
    ReservedName {
        /// The name.
        name: ProfileName,
    },
    /// A profile that is named can't be had.
    #[error("profile {name:?}: {cause}")]
    Lookup {
        /// Its name.
        name: ProfileName,
        /// Why not.
        cause: LookupError,
    },
    /// A profile extends itself, directly or not.
    #[error("profile {name:?} extends itself through its parents")]
    Cycle {
        /// The profile that comes twice.
        name: ProfileName,
    },
    /// Too many parents.
    #[error("more than {DEPTH_MAX} profiles extend one another")]
    TooDeep,
    /// Too many egress lists.
    #[error("more than {EGRESS_LISTS_MAX} egress lists")]
    TooManyLists,
    /// Too many variables.
    #[error("more than {ENVIRONMENT_MAX} variables")]
    TooManyVariables,
    /// A key that some profile of the chain must have.
    #[error("neither this profile nor a parent sets it; extend `base`, or write {example}")]
    Missing {
        /// What to write.
        example: &'static str,
    },
    /// Two mounts at one place.
    #[error("{path:?} is {first} and also {second}; keep one")]
    Conflict {
        /// The place.
        path: String,
        /// One use.
        first: &'static str,
        /// The other.
        second: &'static str,
    },
    /// A rule that another one of the same file leaves nothing of.
    #[error(
        "the rule allows what the rule in line {denied} denies, and deny beats allow; keep one"
    )]
    Shadowed {
        /// Line of the deny rule.
        denied: u32,
    },
    /// A ceiling that names a secret.
    #[error(
        "the rule in line {line} names a secret: a ceiling can't, the secret's own hosts bound it"
    )]
    SecretInCeiling {
        /// Line of the rule.
        line: u32,
    },
    /// A rule contradicts itself.
    #[error("{0}")]
    Rule(RuleError),
    /// The rules contradict each other, or are too many.
    #[error("{0}")]
    Policy(PolicyError),
}

/// Where a fault would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Position {
    file: String,
    line: Option<usize>,
    key: String,
}

impl Position {
    /// The byte at `offset` of a file; the key is read off the text.
    pub(crate) fn in_file(file: &str, text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        Self {
            file: file.to_owned(),
            line: Some(line),
            key: key_at(text, line),
        }
    }

    /// A fault of the whole file, or of the request for it.
    pub(crate) fn of_request(file: &str) -> Self {
        Self {
            file: file.to_owned(),
            line: None,
            key: String::new(),
        }
    }

    pub(crate) fn with_key(self, key: &str) -> Self {
        Self {
            key: key.to_owned(),
            ..self
        }
    }

    pub(crate) fn fault(self, fault: Fault) -> ProfileError {
        ProfileError {
            file: self.file,
            line: self.line,
            key: self.key,
            fault: Box::new(fault),
        }
    }
}

impl std::error::Error for ProfileError {}

impl fmt::Display for ProfileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if !self.key.is_empty() {
            write!(f, ": `{}`", self.key)?;
        }
        write!(f, ": {}", self.fault)
    }
}

/// The key that a line belongs to: the nearest `key =` at or above it, below the nearest table head.
/// It serves messages only, so text inside multi-line strings may mislead it.
fn key_at(text: &str, line: usize) -> String {
    let mut key = None;
    for line in text
        .lines()
        .take(line)
        .collect::<Vec<_>>()
        .into_iter()
        .rev()
    {
        let line = line.trim();
        if let Some(table) = table_head(line) {
            return key.map_or_else(|| table.to_owned(), |key| format!("{table}.{key}"));
        }
        key = key.or_else(|| assigned_key(line));
    }
    key.unwrap_or_default().to_owned()
}

fn table_head(line: &str) -> Option<&str> {
    let inner = line.strip_prefix('[')?;
    let inner = inner.strip_prefix('[').unwrap_or(inner);
    let name = inner.split(']').next()?.trim();
    is_key(name).then_some(name)
}

fn assigned_key(line: &str) -> Option<&str> {
    let name = line.split_once('=')?.0.trim();
    is_key(name).then_some(name)
}

fn is_key(name: &str) -> bool {
    let letter = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    !name.is_empty() && name.bytes().all(letter)
}
