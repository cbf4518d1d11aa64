//! Typed ids and names, so that a session is never confused with an event or a profile.
//!
//! Not for: drawing randomness; callers pass the bytes in.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::secret::SecretName;

/// Longest profile name. It names a file and appears in logs and metrics labels.
pub const PROFILE_NAME_MAX: usize = 32;

/// A text that is not a well-formed id or name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} {given:?} is malformed: {rule}")]
pub struct IdError {
    /// What the text was meant to be.
    pub kind: &'static str,
    /// The text, cut to 64 characters.
    pub given: String,
    /// The rule that it breaks.
    pub rule: &'static str,
}

impl IdError {
    pub(crate) fn new(kind: &'static str, given: &str, rule: &'static str) -> Self {
        Self {
            kind,
            given: given.chars().take(64).collect(),
            rule,
        }
    }
}

/// One agent's context: `s-` and 16 lower-case hexadecimal digits.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SessionId(String);

/// One egress decision and its close: `e-` and 16 lower-case hexadecimal digits.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EventId(String);

/// The name of a profile: a lower-case letter, then letters, digits and hyphens, 32 at most.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ProfileName(String);

fn hex_id(prefix: &str, random: [u8; 8]) -> String {
    format!("{prefix}{:016x}", u64::from_be_bytes(random))
}

fn is_hex_id(prefix: &str, text: &str) -> bool {
    text.strip_prefix(prefix).is_some_and(|hex| {
        hex.len() == 16 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    })
}

impl SessionId {
    /// Makes an id from 64 random bits.
    #[must_use]
    pub fn from_random(random: [u8; 8]) -> Self {
        Self(hex_id("s-", random))
    }
}

impl EventId {
    /// Makes an id from 64 random bits.
    #[must_use]
    pub fn from_random(random: [u8; 8]) -> Self {
        Self(hex_id("e-", random))
    }
}

impl FromStr for SessionId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        if is_hex_id("s-", text) {
            return Ok(Self(text.to_owned()));
        }
        Err(IdError::new(
            "session id",
            text,
            "`s-` and 16 lower-case hexadecimal digits",
        ))
    }
}

impl FromStr for EventId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        if is_hex_id("e-", text) {
            return Ok(Self(text.to_owned()));
        }
        Err(IdError::new(
            "event id",
            text,
            "`e-` and 16 lower-case hexadecimal digits",
        ))
    }
}

impl FromStr for ProfileName {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let mut bytes = text.bytes();
        let head = bytes.next().is_some_and(|b| b.is_ascii_lowercase());
        let tail = bytes.all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        if head && tail && text.len() <= PROFILE_NAME_MAX {
            return Ok(Self(text.to_owned()));
        }
        Err(IdError::new(
            "profile name",
            text,
            "a lower-case letter, then at most 31 lower-case letters, digits and hyphens",
        ))
    }
}

macro_rules! text_like {
    ($($name:ident),+) => {$(
        impl $name {
            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;

            fn try_from(text: String) -> Result<Self, IdError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )+};
}

text_like!(SessionId, EventId, ProfileName, SecretName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_round_trip_through_text() {
        let id = SessionId::from_random([0, 1, 2, 3, 4, 5, 6, 0xff]);
        assert_eq!(id.as_str(), "s-00010203040506ff");
        assert_eq!(id.as_str().parse::<SessionId>(), Ok(id));
    }

    #[test]
    fn refuses_ids_that_could_name_another_file() {
        for bad in [
            "",
            "s-",
            "../x",
            "s-00010203040506fF",
            "s-00010203040506ff\n",
            "e-00010203040506ff",
        ] {
            assert!(bad.parse::<SessionId>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn refuses_profile_names_with_dots_slashes_or_excess_length() {
        assert!("coder".parse::<ProfileName>().is_ok());
        let long = "a".repeat(PROFILE_NAME_MAX + 1);
        for bad in ["", "../x", "a.b", "A", "a\n", "1a", long.as_str()] {
            assert!(bad.parse::<ProfileName>().is_err(), "{bad:?}");
        }
    }
}
