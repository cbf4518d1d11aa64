//! A placeholder where none may be, or a secret that can't go where it is wanted.
//!
//! Not for: the answer that the jail gets (the proxy words it).

use std::fmt;

use model::SecretName;

/// Why a request with a placeholder, or for a secret, is refused. Nothing of it has gone anywhere. It
/// holds neither a value nor the text that was found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{misuse} (secret {}, in {spot})", self.secret())]
pub struct Misdirected {
    /// The secret that the placeholder stands for, if it is one of this session.
    pub name: Option<SecretName>,
    /// Where it was found.
    pub spot: Spot,
    /// What is wrong with that.
    pub misuse: Misuse,
}

/// A part of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spot {
    /// The method.
    Method,
    /// The path.
    Path,
    /// The query.
    Query,
    /// The name of a header field.
    FieldName,
    /// The value of a header field.
    Field,
    /// The body, or a message of a WebSocket, or a trailer.
    Body,
    /// Nowhere: a rule names the secret for this request.
    Rule,
}

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misuse {
    /// The secret is not for this host and port, or no rule for this request names it.
    Unbound,
    /// The connection is not encrypted.
    NoTls,
    /// Not the place that the secret is declared for, or not as plainly as it must stand there.
    WrongPlace,
    /// It is the placeholder of another session.
    Foreign,
    /// It looks like a placeholder, but none was made like it: someone guesses.
    NearMiss,
    /// Two secrets would stand in the same place.
    Ambiguous,
    /// A rule names a secret that this session does not have.
    Missing,
    /// The body is in a coding that can't be undone, so it can't be looked through.
    Unreadable,
}

impl Misdirected {
    pub(crate) const fn new(spot: Spot, misuse: Misuse) -> Self {
        Self {
            name: None,
            spot,
            misuse,
        }
    }

    fn secret(&self) -> &str {
        self.name.as_ref().map_or("unknown", SecretName::as_str)
    }

    /// Whether an operator should hear of it: somebody used a placeholder where it does not belong.
    /// The others are mistakes of configuration or of a client.
    #[must_use]
    pub const fn is_alert(&self) -> bool {
        !matches!(self.spot, Spot::Rule) && !matches!(self.misuse, Misuse::Unreadable)
    }
}

impl Misuse {
    /// The stable code of the refusal.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::NoTls => "secret_needs_tls",
            Self::Missing => "secret_unavailable",
            Self::Unreadable => "unreadable_body",
            Self::Unbound | Self::WrongPlace | Self::Foreign | Self::NearMiss | Self::Ambiguous => {
                "secret_misdirected"
            }
        }
    }

    /// In words.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unbound => "the secret is not for this destination",
            Self::NoTls => "a secret goes over TLS only",
            Self::WrongPlace => "the placeholder is not in the place that the secret is for",
            Self::Foreign => "the placeholder belongs to another session",
            Self::NearMiss => "text that looks like a placeholder and is none",
            Self::Ambiguous => "two secrets are for the same place of this request",
            Self::Missing => "the session does not have the secret that a rule names",
            Self::Unreadable => {
                "the body's content coding can't be undone to look for placeholders"
            }
        }
    }
}

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Method => "the method",
            Self::Path => "the path",
            Self::Query => "the query",
            Self::FieldName => "the name of a header field",
            Self::Field => "a header field",
            Self::Body => "the body",
            Self::Rule => "a rule",
        })
    }
}
