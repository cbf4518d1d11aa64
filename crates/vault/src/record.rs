//! One secret at rest: definition and material in one sealed record.
//!
//! The record is `MAGIC | version (8 bytes, big endian) | nonce (24) | ciphertext and tag`. The cipher
//! is XChaCha20-Poly1305: its nonces are long enough to be drawn at random. What is authenticated
//! beside the ciphertext is the magic, the secret's name and the version, so a record can't be passed
//! off as another secret's. The definition is inside: whoever could change the hosts of a record could
//! have the value sent to a host of theirs.
//!
//! Not for: files (`store`).

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use model::{SecretDefinition, SecretName};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::key::Key;

/// First bytes of a record, with the number of its form.
const MAGIC: &[u8; 8] = b"sheriff1";
/// Bytes of a nonce.
const NONCE_BYTES: usize = 24;
/// Largest record: a definition of the largest kind and three values.
pub(crate) const RECORD_MAX: usize = 128 * 1024;

/// What is sealed.
pub(crate) struct Record {
    /// Grows with each change.
    pub(crate) version: u64,
    /// What it is for.
    pub(crate) definition: SecretDefinition,
    /// The user who said so.
    pub(crate) defined_by: u32,
    /// When it was set, in milliseconds since 1970.
    pub(crate) created_ms: u64,
    /// The value or values, in the form of [`crate::material`].
    pub(crate) material: Zeroizing<Vec<u8>>,
}

/// A record that can't be sealed or opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// No randomness.
    #[error("no randomness for a nonce")]
    Random,
    /// The cipher refused; the record would be too large.
    #[error("it can't be sealed")]
    Seal,
    /// Not a record, or one of another form.
    #[error("it is no sealed secret, or one of a later Sheriff")]
    Form,
    /// The tag is wrong.
    #[error("it was changed, is another secret's, or was sealed with another key")]
    Tampered,
    /// Sealed well, but not by this program.
    #[error("what is sealed in it can't be read")]
    Content,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    created_ms: u64,
    defined_by: u32,
    definition: SecretDefinition,
}

impl Record {
    /// The record as it is written.
    pub(crate) fn seal(&self, key: &Key) -> Result<Vec<u8>, RecordError> {
        let head = Head {
            created_ms: self.created_ms,
            defined_by: self.defined_by,
            definition: self.definition.clone(),
        };
        let head = serde_json::to_vec(&head).map_err(|_never| RecordError::Seal)?;
        let mut plain = Zeroizing::new(Vec::with_capacity(head.len() + 1 + self.material.len()));
        plain.extend_from_slice(&head);
        // The head is JSON in one line.
        plain.push(b'\n');
        plain.extend_from_slice(&self.material);
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(|_none| RecordError::Random)?;
        let payload = Payload {
            msg: &plain,
            aad: &bound(&self.definition.name, self.version),
        };
        let sealed = cipher(key).encrypt(XNonce::from_slice(&nonce), payload);
        let sealed = sealed.map_err(|_refused| RecordError::Seal)?;
        Ok([&MAGIC[..], &self.version.to_be_bytes(), &nonce, &sealed].concat())
    }

    /// Opens a record that was sealed under this name.
    pub(crate) fn open(bytes: &[u8], name: &SecretName, key: &Key) -> Result<Self, RecordError> {
        let rest = bytes.strip_prefix(MAGIC).ok_or(RecordError::Form)?;
        let (version, rest) = rest.split_first_chunk::<8>().ok_or(RecordError::Form)?;
        let version = u64::from_be_bytes(*version);
        let parts = rest.split_first_chunk::<NONCE_BYTES>();
        let (nonce, sealed) = parts.ok_or(RecordError::Form)?;
        let payload = Payload {
            msg: sealed,
            aad: &bound(name, version),
        };
        let plain = cipher(key).decrypt(XNonce::from_slice(nonce), payload);
        let plain = Zeroizing::new(plain.map_err(|_wrong_tag| RecordError::Tampered)?);
        Self::read(&plain, name, version).ok_or(RecordError::Content)
    }

    fn read(plain: &[u8], name: &SecretName, version: u64) -> Option<Self> {
        let end = plain.iter().position(|byte| *byte == b'\n')?;
        let (head, material) = plain.split_at_checked(end)?;
        let head: Head = serde_json::from_slice(head).ok()?;
        (head.definition.name == *name).then(|| Self {
            version,
            definition: head.definition,
            defined_by: head.defined_by,
            created_ms: head.created_ms,
            material: Zeroizing::new(material.get(1..).unwrap_or_default().to_vec()),
        })
    }
}

fn cipher(key: &Key) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(key.expose().into())
}

/// What a record is bound to. A name has no NUL.
fn bound(name: &SecretName, version: u64) -> Vec<u8> {
    let name = name.as_str().as_bytes();
    [&MAGIC[..], name, b"\0", &version.to_be_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{definition, key};

    fn record(name: &str, version: u64) -> Record {
        Record {
            version,
            definition: definition(name, "a.test"),
            defined_by: 6,
            created_ms: 5,
            material: Zeroizing::new(b"hunter2\nwith a line".to_vec()),
        }
    }

    #[test]
    fn opens_what_it_sealed_and_shows_nothing_of_it() {
        let (key, name) = (key(1), "a".parse().unwrap());
        let sealed = record("a", 7).seal(&key).unwrap();
        let opened = Record::open(&sealed, &name, &key).unwrap();
        assert_eq!(
            (opened.version, opened.created_ms, opened.defined_by),
            (7, 5, 6)
        );
        assert_eq!(opened.material.as_slice(), b"hunter2\nwith a line");
        assert_eq!(opened.definition, definition("a", "a.test"));
        for word in [&b"hunter2"[..], b"a.test"] {
            assert!(!sealed.windows(word.len()).any(|part| part == word));
        }
        assert_ne!(
            sealed,
            record("a", 7).seal(&key).unwrap(),
            "the nonce is fresh"
        );
    }

    #[test]
    fn refuses_a_record_with_any_bit_changed() {
        let (key, name) = (key(1), "a".parse().unwrap());
        let sealed = record("a", 7).seal(&key).unwrap();
        for at in 0..sealed.len() {
            let mut bad = sealed.clone();
            bad[at] ^= 1;
            assert!(Record::open(&bad, &name, &key).is_err(), "byte {at}");
            assert!(
                Record::open(&sealed[..at], &name, &key).is_err(),
                "cut at {at}"
            );
        }
    }

    #[test]
    fn refuses_a_record_under_another_name_or_key() {
        let (ours, name) = (key(1), "a".parse().unwrap());
        let sealed = record("a", 7).seal(&ours).unwrap();
        let other = Record::open(&sealed, &"b".parse().unwrap(), &ours).err();
        assert_eq!(other, Some(RecordError::Tampered));
        let other = Record::open(&sealed, &name, &key(2)).err();
        assert_eq!(other, Some(RecordError::Tampered));
    }
}
