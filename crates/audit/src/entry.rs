//! One line of the log: an event with its place in the chain.
//!
//! Not for: choosing that place (`chain`) or judging a whole log (`verify`).
//!
//! A line is the RFC 8785 form of the whole entry, so its keys are sorted. `hash` is the SHA-256 of
//! the same form without the `hash` member: anyone can check it with a JSON tool and `sha256sum`.

use model::SessionId;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::canonical::{self, CanonicalError};
use crate::{EntryHash, Event, Kind, Principal};

/// Longest line, its newline included. Readers need no more memory than this per line.
pub const LINE_MAX: usize = 64 * 1024;

/// An event as recorded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// 1 for the first entry, then one more each; it alone orders entries.
    pub seq: u64,
    /// RFC 3339 in UTC with milliseconds, by the host's clock.
    pub time: String,
    /// What happened.
    pub kind: Kind,
    /// The session it concerns.
    pub session: Option<SessionId>,
    /// The run it belongs to.
    pub run: Option<String>,
    /// The step within the run.
    pub step: Option<String>,
    /// Who acted.
    pub principal: Principal,
    /// Details.
    pub data: Value,
    /// Hash of the entry before; zeros in the first.
    pub prev: EntryHash,
    /// Hash of this entry.
    pub hash: EntryHash,
}

/// Proof that an event was recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Receipt {
    /// Its number.
    pub seq: u64,
    /// Its hash.
    pub hash: EntryHash,
    /// Its time, RFC 3339.
    pub time: String,
}

/// A line that is no entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize)]
#[serde(tag = "fault", rename_all = "snake_case")]
pub enum LineError {
    /// Not the JSON of an entry.
    #[error("not an entry: {why}")]
    Malformed {
        /// What the parser met.
        why: String,
    },
    /// The same entry has another, canonical text (RFC 8785): the line was edited.
    #[error("not in canonical form: the line was edited")]
    NotCanonical,
    /// Longer than [`LINE_MAX`].
    #[error("longer than {LINE_MAX} bytes")]
    TooLong,
}

impl Entry {
    /// Reads a line, without its newline, and insists on its canonical form. The hash is taken as
    /// written; compare with [`Entry::computed_hash`].
    ///
    /// # Errors
    /// [`LineError`] when the line is anything but what the log would write for this entry.
    pub fn from_line(line: &[u8]) -> Result<Self, LineError> {
        let entry: Self = serde_json::from_slice(line).map_err(|error| LineError::Malformed {
            why: error.to_string(),
        })?;
        let text = entry.to_line().map_err(|error| LineError::Malformed {
            why: error.to_string(),
        })?;
        if text == line {
            Ok(entry)
        } else {
            Err(LineError::NotCanonical)
        }
    }

    /// The canonical text of the entry, without a newline.
    ///
    /// # Errors
    /// [`CanonicalError`] for data that the log never holds.
    pub fn to_line(&self) -> Result<Vec<u8>, CanonicalError> {
        Ok(self.encode()?.into_line(&self.hash))
    }

    /// The hash that the entry's content has, whatever its `hash` says.
    ///
    /// # Errors
    /// [`CanonicalError`] for data that the log never holds.
    pub fn computed_hash(&self) -> Result<EntryHash, CanonicalError> {
        Ok(self.encode()?.hash())
    }

    fn encode(&self) -> Result<Encoded, CanonicalError> {
        let draft = Draft {
            data: Draft::encode_data(&self.data)?,
            kind: self.kind,
            session: self.session.as_ref(),
            run: self.run.as_deref(),
            step: self.step.as_deref(),
            principal: &self.principal,
        };
        Ok(draft.place(self.seq, &self.time, &self.prev))
    }
}

/// An event whose data is encoded already, so that this is not done under the log's lock.
pub(crate) struct Draft<'a> {
    data: Vec<u8>,
    kind: Kind,
    session: Option<&'a SessionId>,
    run: Option<&'a str>,
    step: Option<&'a str>,
    principal: &'a Principal,
}

impl<'a> Draft<'a> {
    pub(crate) fn of(event: &'a Event) -> Result<Self, CanonicalError> {
        Ok(Self::with(Self::encode_data(&event.data)?, event))
    }

    /// The event with its data, encoded.
    pub(crate) fn with(data: Vec<u8>, event: &'a Event) -> Self {
        Self {
            data,
            kind: event.kind,
            session: event.session.as_ref(),
            run: event.run.as_deref(),
            step: event.step.as_deref(),
            principal: &event.principal,
        }
    }

    pub(crate) fn encode_data(data: &Value) -> Result<Vec<u8>, CanonicalError> {
        let mut out = Vec::with_capacity(512);
        canonical::write(&mut out, data)?;
        Ok(out)
    }

    /// Encodes the event at its place in the chain.
    pub(crate) fn place(&self, seq: u64, time: &str, prev: &EntryHash) -> Encoded {
        let mut front = Vec::with_capacity(self.data.len() + 640);
        front.extend_from_slice(b"{\"data\":");
        front.extend_from_slice(&self.data);
        front.push(b',');
        Encoded {
            front,
            back: self.back(seq, time, prev),
        }
    }

    /// Everything that sorts behind `hash`.
    fn back(&self, seq: u64, time: &str, prev: &EntryHash) -> Vec<u8> {
        let mut out = Vec::with_capacity(384);
        out.extend_from_slice(b"\"kind\":");
        canonical::write_string(&mut out, self.kind.as_str());
        out.extend_from_slice(b",\"prev\":");
        canonical::write_string(&mut out, &prev.to_string());
        out.extend_from_slice(b",\"principal\":");
        canonical::write_string(&mut out, &self.principal.to_string());
        out.extend_from_slice(b",\"run\":");
        write_optional(&mut out, self.run);
        out.extend_from_slice(b",\"seq\":");
        canonical::write_integer(&mut out, seq);
        out.extend_from_slice(b",\"session\":");
        write_optional(&mut out, self.session.map(SessionId::as_str));
        out.extend_from_slice(b",\"step\":");
        write_optional(&mut out, self.step);
        out.extend_from_slice(b",\"time\":");
        canonical::write_string(&mut out, time);
        out.push(b'}');
        out
    }
}

/// The canonical text of an entry in two halves; the hash member goes between them.
pub(crate) struct Encoded {
    front: Vec<u8>,
    back: Vec<u8>,
}

impl Encoded {
    pub(crate) fn hash(&self) -> EntryHash {
        EntryHash::of(&[&self.front, &self.back])
    }

    pub(crate) fn into_line(self, hash: &EntryHash) -> Vec<u8> {
        let mut line = self.front;
        line.extend_from_slice(b"\"hash\":");
        canonical::write_string(&mut line, &hash.to_string());
        line.push(b',');
        line.extend_from_slice(&self.back);
        line
    }
}

fn write_optional(out: &mut Vec<u8>, text: Option<&str>) {
    match text {
        Some(text) => canonical::write_string(out, text),
        None => out.extend_from_slice(b"null"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn entry() -> Entry {
        let plain = Entry {
            seq: 7,
            time: "2025-01-01T00:00:00.000Z".to_owned(),
            kind: Kind::Alert,
            session: Some(SessionId::from_random([1; 8])),
            run: Some("r\u{1b}[31m\r\n\0".to_owned()),
            step: None,
            principal: Principal::Operator { uid: 0 },
            data: json!({ "z": [1, null], "a": "é\u{7}" }),
            prev: EntryHash::GENESIS,
            hash: EntryHash::GENESIS,
        };
        Entry {
            hash: plain.computed_hash().unwrap(),
            ..plain
        }
    }

    /// The line and its hash preimage are what RFC 8785 says for the same JSON object.
    #[test]
    fn lines_and_hashes_follow_the_generic_encoding_of_the_whole_entry() {
        let entry = entry();
        let mut object = serde_json::to_value(&entry).unwrap();
        let line = entry.to_line().unwrap();
        assert_eq!(line, serde_json_canonicalizer::to_vec(&object).unwrap());
        object.as_object_mut().unwrap().remove("hash");
        let preimage = serde_json_canonicalizer::to_vec(&object).unwrap();
        assert_eq!(entry.hash, EntryHash::of(&[&preimage]));
        assert_eq!(Entry::from_line(&line), Ok(entry));
    }

    #[test]
    fn refuses_a_line_with_any_byte_added_or_a_member_missing() {
        let line = String::from_utf8(entry().to_line().unwrap()).unwrap();
        assert!(Entry::from_line(line.as_bytes()).is_ok());
        for edited in [
            line.replace(",\"seq\"", ", \"seq\""),
            line.replace("\"step\":null,", ""),
            line.replace("\"a\":", "\"a\":1,\"a\":"),
            line.replace("\\u001b", "\\u001B"),
            format!("{line} "),
        ] {
            assert_ne!(edited, line);
            assert!(Entry::from_line(edited.as_bytes()).is_err(), "{edited}");
        }
    }
}
