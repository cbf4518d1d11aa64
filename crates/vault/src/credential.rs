//! What a secret is worth at this moment, and the trait through which requests ask for it.
//!
//! Not for: where it comes from (`source`, `store`, `oauth`).

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use model::SecretName;

use crate::secret::Secret;
use crate::value::SecretValue;

/// What a request takes: one version of one secret. A request holds it to its end, so that a rotation
/// in between does not mix two versions.
#[derive(Debug)]
pub struct Present {
    /// Which version: it grows with each `secret set`. 0 for a value that is not in the vault.
    pub version: u64,
    /// The value.
    pub credential: Credential,
}

/// What is done with the value.
#[derive(Debug)]
pub enum Credential {
    /// It is put where the placeholder stands.
    Token(SecretValue),
    /// It signs the request.
    Aws(AwsCredentials),
}

/// Credentials of AWS Signature Version 4.
#[derive(Debug)]
pub struct AwsCredentials {
    /// The access key's id. Not a secret by itself; it is sent with each request.
    pub access_key_id: SecretValue,
    /// The key that signs. Never sent.
    pub secret_access_key: SecretValue,
    /// Sent along with temporary credentials.
    pub session_token: Option<SecretValue>,
}

/// The value can't be had now. A request that needs it is answered 503 and goes nowhere (S23). Neither
/// a value nor a part of one is in the message.
#[derive(Debug, Clone, thiserror::Error)]
#[error("secret {name}: {reason}")]
pub struct Unavailable {
    /// Which secret.
    pub name: SecretName,
    /// Why, in words for operators; what a jail is told is less.
    pub reason: Reason,
}

/// Why a secret has no value now, in words for operators. Nothing secret is in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Reason(String);

impl Reason {
    /// In these words.
    #[must_use]
    pub fn new(words: impl Into<String>) -> Self {
        Self(words.into())
    }

    /// An error's words.
    pub(crate) fn of(error: impl std::error::Error) -> Self {
        Self(error.to_string())
    }
}

/// A present value that is awaited.
pub type Presenting<'a> =
    Pin<Box<dyn Future<Output = Result<Arc<Present>, Unavailable>> + Send + 'a>>;

/// Where the present value of a secret comes from.
pub trait Values: Send + Sync + fmt::Debug {
    /// The present value. It may have to ask a token endpoint first.
    fn present<'a>(&'a self, secret: &'a Secret) -> Presenting<'a>;

    /// The present value if it is at hand, for answers that must not show it: nobody is asked for it, and it
    /// does not count as used.
    fn at_hand(&self, _secret: &Secret) -> Option<Arc<Present>> {
        None
    }
}

impl Present {
    /// The bytes that must not be seen in an answer: everything secret that may have been sent.
    pub fn confidential(&self) -> impl Iterator<Item = &[u8]> {
        let (first, second) = match &self.credential {
            Credential::Token(value) => (Some(value), None),
            Credential::Aws(aws) => (Some(&aws.secret_access_key), aws.session_token.as_ref()),
        };
        first.into_iter().chain(second).map(SecretValue::expose)
    }
}
