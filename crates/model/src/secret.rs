//! Secrets as they are named and described: everything about one but its value.
//!
//! Not for: values (`vault`), nor for checking what a description says about hosts and fields; the
//! vault does, with the proxy's own parsers.

use serde::{Deserialize, Serialize};

use crate::ids::IdError;

/// Longest name of a secret. It is a key of policies, the log and metrics.
pub const SECRET_NAME_MAX: usize = 64;

/// The name of a secret: a lower-case letter, then letters, digits, `.`, `_` and `-`, 64 at most.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SecretName(pub(crate) String);

/// What a secret is for, as an operator writes it: in `[[secret]]` of the daemon's configuration and
/// in the body of `PUT /v1/secrets/{name}`. It holds no value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretDefinition {
    /// Its name.
    pub name: SecretName,
    /// The only destinations that it may go to, `HOST[:PORT]`, exact; the port is 443 if not given.
    pub hosts: Vec<String>,
    /// Where in a request it stands. The header `authorization` if not given.
    #[serde(default)]
    pub place: Option<SecretPlace>,
    /// Text around the value, with `{}` once. For `authorization` it is `Bearer {}` if not given.
    #[serde(default)]
    pub format: Option<String>,
    /// The variable in the jail that holds the placeholder. The name in capitals if not given.
    #[serde(default)]
    pub env: Option<String>,
    /// How the value begins, such as `ghp_`; the placeholder begins so too.
    #[serde(default)]
    pub prefix: Option<String>,
    /// What the value is.
    #[serde(default)]
    pub kind: SecretKind,
    /// Where the value is kept: `vault`, `env:NAME`, `file:/PATH` or `credential:NAME`. The vault if
    /// not given.
    #[serde(default)]
    pub source: Option<String>,
}

/// Where in a request a secret stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum SecretPlace {
    /// The value of this header field.
    Header(String),
    /// The password of basic authentication, for this user.
    Basic(String),
    /// The value of this query parameter.
    Query(String),
    /// A part of the path.
    Path,
    /// The body.
    Body,
}

/// What the value of a secret is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum SecretKind {
    /// What is sent.
    #[default]
    Static,
    /// Credentials for which a token endpoint gives what is sent (RFC 6749).
    #[serde(rename = "oauth2")]
    OAuth2(OAuth2Grant),
    /// Credentials that sign requests (AWS Signature Version 4); they are never sent themselves.
    AwsSigv4(AwsScope),
}

/// How a token is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OAuth2Grant {
    /// The token endpoint, `https` only.
    pub token_url: String,
    /// `client_credentials` (RFC 6749 4.4) or `refresh_token` (6).
    pub grant: OAuth2Flow,
    /// The client's id.
    pub client_id: String,
    /// What is asked for, separated by spaces.
    #[serde(default)]
    pub scope: Option<String>,
}

/// The flows that need nobody at a browser.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OAuth2Flow {
    /// The client's own credentials.
    ClientCredentials,
    /// A refresh token, which the answer may replace.
    RefreshToken,
}

/// What a signature is bound to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AwsScope {
    /// The region, such as `eu-central-1`.
    pub region: String,
    /// The service, such as `s3`.
    pub service: String,
}

impl std::str::FromStr for SecretName {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let mut bytes = text.bytes();
        let head = bytes.next().is_some_and(|b| b.is_ascii_lowercase());
        let tail = bytes.all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-'));
        if head && tail && text.len() <= SECRET_NAME_MAX {
            return Ok(Self(text.to_owned()));
        }
        Err(IdError::new(
            "secret name",
            text,
            "a lower-case letter, then at most 63 lower-case letters, digits, dots, underscores and hyphens",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_names_that_could_be_a_path_or_a_word_of_another_language() {
        for good in ["a", "github", "a.b-c_9"] {
            assert_eq!(good.parse::<SecretName>().unwrap().as_str(), good);
        }
        let long = "a".repeat(SECRET_NAME_MAX + 1);
        for bad in ["", ".a", "../a", "A", "a/b", "a b", "1a", "a\n", &long] {
            assert!(bad.parse::<SecretName>().is_err(), "{bad:?}");
        }
    }
}
