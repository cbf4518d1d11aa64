//! What an operator hands over for a secret: one value, or the parts that its kind has.
//!
//! A static secret's material is the value as it is. The others' is a JSON object: for OAuth 2
//! `client_secret` and `refresh_token`, for AWS `access_key_id`, `secret_access_key` and
//! `session_token`. It is sealed in the same form.
//!
//! Not for: what is sent (`credential`).

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::credential::AwsCredentials;
use crate::secret::{Grant, Kind};
use crate::value::{SecretValue, ValueError};

/// Longest material: three values with their keys.
pub const MATERIAL_MAX: usize = 64 * 1024;

/// The material of one secret.
#[derive(Debug)]
pub enum Material {
    /// One value.
    Value(SecretValue),
    /// What a token is asked for with.
    OAuth2(OAuth2Material),
    /// What requests are signed with.
    Aws(AwsCredentials),
}

/// What a token is asked for with.
#[derive(Debug)]
pub struct OAuth2Material {
    /// Absent for a public client.
    pub client_secret: Option<SecretValue>,
    /// Needed for the refresh flow.
    pub refresh_token: Option<SecretValue>,
}

/// Material that does not fit its secret. Nothing of it is in the message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MaterialError {
    /// A value that none can be.
    #[error(transparent)]
    Value(#[from] ValueError),
    /// Too much.
    #[error("the value is longer than {MATERIAL_MAX} bytes")]
    TooLong,
    /// Not the JSON object that the kind has.
    #[error("a secret of this kind takes a JSON object with the keys {0}")]
    Form(&'static str),
    /// A part that the flow needs.
    #[error("{0} is missing")]
    Missing(&'static str),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct OAuth2Parts<T> {
    #[serde(default = "Option::default")]
    client_secret: Option<T>,
    #[serde(default = "Option::default")]
    refresh_token: Option<T>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AwsParts<T> {
    access_key_id: T,
    secret_access_key: T,
    #[serde(default = "Option::default")]
    session_token: Option<T>,
}

impl Material {
    /// Reads what was handed over. The bytes are overwritten.
    ///
    /// # Errors
    /// [`MaterialError`].
    pub fn read(kind: &Kind, mut bytes: Zeroizing<Vec<u8>>) -> Result<Self, MaterialError> {
        if bytes.len() > MATERIAL_MAX {
            return Err(MaterialError::TooLong);
        }
        match kind {
            Kind::Static => Ok(Self::Value(SecretValue::lasting(std::mem::take(
                &mut bytes,
            ))?)),
            Kind::OAuth2(grant) => read_oauth(grant, &bytes).map(Self::OAuth2),
            Kind::SigV4(_) => read_aws(&bytes).map(Self::Aws),
        }
    }

    /// The form in which it is sealed; [`Self::read`] reads it.
    pub(crate) fn encode(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(MATERIAL_MAX));
        let written = match self {
            Self::Value(value) => {
                bytes.extend_from_slice(value.expose());
                Ok(())
            }
            Self::OAuth2(oauth) => serde_json::to_writer(
                &mut *bytes,
                &OAuth2Parts {
                    client_secret: oauth.client_secret.as_ref().map(text),
                    refresh_token: oauth.refresh_token.as_ref().map(text),
                },
            ),
            Self::Aws(aws) => serde_json::to_writer(
                &mut *bytes,
                &AwsParts {
                    access_key_id: text(&aws.access_key_id),
                    secret_access_key: text(&aws.secret_access_key),
                    session_token: aws.session_token.as_ref().map(text),
                },
            ),
        };
        if let Err(error) = written {
            // Strings into memory: there is nothing that can fail.
            tracing::error!(%error, "material not encoded");
        }
        bytes
    }
}

fn read_oauth(grant: &Grant, bytes: &[u8]) -> Result<OAuth2Material, MaterialError> {
    const KEYS: &str = "client_secret and refresh_token";
    let parts: OAuth2Parts<String> =
        serde_json::from_slice(bytes).map_err(|_other| MaterialError::Form(KEYS))?;
    let material = OAuth2Material {
        client_secret: parts.client_secret.map(value).transpose()?,
        refresh_token: parts.refresh_token.map(value).transpose()?,
    };
    match grant.flow {
        model::secret::OAuth2Flow::ClientCredentials if material.client_secret.is_none() => {
            Err(MaterialError::Missing("client_secret"))
        }
        model::secret::OAuth2Flow::RefreshToken if material.refresh_token.is_none() => {
            Err(MaterialError::Missing("refresh_token"))
        }
        _ => Ok(material),
    }
}

fn read_aws(bytes: &[u8]) -> Result<AwsCredentials, MaterialError> {
    const KEYS: &str = "access_key_id, secret_access_key and, for temporary ones, session_token";
    let parts: AwsParts<String> =
        serde_json::from_slice(bytes).map_err(|_other| MaterialError::Form(KEYS))?;
    Ok(AwsCredentials {
        access_key_id: value(parts.access_key_id)?,
        secret_access_key: value(parts.secret_access_key)?,
        session_token: parts.session_token.map(value).transpose()?,
    })
}

fn value(text: String) -> Result<SecretValue, ValueError> {
    SecretValue::lasting(text.into_bytes())
}

/// Parts come from JSON, so they are UTF-8.
fn text(value: &SecretValue) -> &str {
    std::str::from_utf8(value.expose()).unwrap_or_default()
}
