//! The SHA-256 that names an entry and links it to the one before.
//!
//! Not for: deciding what is hashed (`entry`).

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::hex;

/// A SHA-256; as text, 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EntryHash(pub(crate) [u8; 32]);

/// A text that is not 64 lower-case hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a hash is 64 lower-case hexadecimal digits")]
pub struct HashTextError;

impl EntryHash {
    /// What the first entry of a chain has as its predecessor.
    pub const GENESIS: Self = Self([0; 32]);

    /// The hash of the parts, one after the other.
    pub(crate) fn of(parts: &[&[u8]]) -> Self {
        let mut digest = Sha256::new();
        for part in parts {
            digest.update(part);
        }
        Self(digest.finalize().into())
    }
}

impl TryFrom<String> for EntryHash {
    type Error = HashTextError;

    fn try_from(text: String) -> Result<Self, HashTextError> {
        hex::decode(&text).map(Self).ok_or(HashTextError)
    }
}

impl From<EntryHash> for String {
    fn from(hash: EntryHash) -> Self {
        hex::encode(&hash.0)
    }
}

impl fmt::Display for EntryHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl fmt::Debug for EntryHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
