//! Signed statements: how far the chain is, what it sums to, and where it ends.
//!
//! Not for: when they are made (`tail`) or what follows from a bad one (`verify`).

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::EntryHash;
use crate::chain::Chain;
use crate::file::{self, FileError};
use crate::key::{KeyPair, PublicKey};

/// File with the newest signed head, replaced after each checkpoint once that is on disk. Whoever
/// cuts the log behind an older checkpoint would have to forge or replay this file too.
pub const HEAD_FILE: &str = "audit-head";

/// Bytes read of the head file: more than its some 350, so that another file shows.
const HEAD_FILE_MAX: u64 = 1024;

/// What the signatures begin with, so that one can never stand for the other or for anything else.
const CHECKPOINT_DOMAIN: &[u8] = b"sheriff audit checkpoint v1\0";
const HEAD_DOMAIN: &[u8] = b"sheriff audit head v1\0";

/// The data of a `checkpoint` entry: about everything before that entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// Entries before this one, since the first of the log.
    pub entries: u64,
    /// Sum of `bytes_up` over the `egress.close` entries before this one.
    pub bytes_up: u64,
    /// Sum of their `bytes_down`.
    pub bytes_down: u64,
    /// Hash of the entry before this one.
    pub head: EntryHash,
    /// Ed25519 signature over the four above, 128 hexadecimal digits.
    pub signature: String,
    /// The key that made it.
    pub key: PublicKey,
}

impl Checkpoint {
    pub(crate) fn sign(keys: &KeyPair, chain: &Chain) -> Self {
        let mut unsigned = Self {
            entries: chain.last_seq(),
            bytes_up: chain.totals.bytes_up,
            bytes_down: chain.totals.bytes_down,
            head: chain.prev,
            signature: String::new(),
            key: keys.public(),
        };
        unsigned.signature = keys.sign(&unsigned.message());
        unsigned
    }

    /// The checkpoint in an entry's data.
    pub(crate) fn in_data(data: &Value) -> Option<Self> {
        Self::deserialize(data).ok()
    }

    /// True when `key` signed exactly this.
    #[must_use]
    pub fn is_signed_by(&self, key: &PublicKey) -> bool {
        key.verifies(&self.message(), &self.signature)
    }

    fn message(&self) -> Vec<u8> {
        let numbers = [self.entries, self.bytes_up, self.bytes_down];
        let mut message = CHECKPOINT_DOMAIN.to_vec();
        message.extend(numbers.iter().flat_map(|number| number.to_be_bytes()));
        message.extend(self.head.0);
        message
    }
}

/// The content of [`HEAD_FILE`]: the newest checkpoint entry that is on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// Its seq.
    pub seq: u64,
    /// Its hash.
    pub hash: EntryHash,
    /// Ed25519 signature over both, 128 hexadecimal digits.
    pub signature: String,
    /// The key that made it.
    pub key: PublicKey,
}

/// The state of the head file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HeadFile {
    Missing,
    Unreadable,
    Present(Head),
}

impl Head {
    /// The head right after a checkpoint was appended.
    pub(crate) fn sign(keys: &KeyPair, chain: &Chain) -> Self {
        let (seq, hash) = (chain.last_seq(), chain.prev);
        let signature = keys.sign(&Self::message(seq, hash));
        Self {
            seq,
            hash,
            signature,
            key: keys.public(),
        }
    }

    pub(crate) fn is_signed_by(&self, key: &PublicKey) -> bool {
        key.verifies(&Self::message(self.seq, self.hash), &self.signature)
    }

    pub(crate) fn store(&self, dir: &Path) -> Result<(), FileError> {
        let path = dir.join(HEAD_FILE);
        let invalid = |error: serde_json::Error| FileError::at("encode", &path)(error.into());
        let text = serde_json::to_vec(self).map_err(invalid)?;
        file::replace(&path, &text, 0o640)
    }

    pub(crate) fn read(dir: &Path) -> Result<HeadFile, FileError> {
        let Some(bytes) = file::read_small(&dir.join(HEAD_FILE), HEAD_FILE_MAX)? else {
            return Ok(HeadFile::Missing);
        };
        Ok(serde_json::from_slice(&bytes).map_or(HeadFile::Unreadable, HeadFile::Present))
    }

    fn message(seq: u64, hash: EntryHash) -> Vec<u8> {
        let mut message = HEAD_DOMAIN.to_vec();
        message.extend(seq.to_be_bytes());
        message.extend(hash.0);
        message
    }
}
