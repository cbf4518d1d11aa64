//! What the value of a secret is, and for two kinds what is made with it.
//!
//! Not for: doing that (`oauth`, `sigv4`).

use model::SecretKind;
use model::secret::{AwsScope, OAuth2Flow, OAuth2Grant};
use policy::{Destination, Scheme, Target};

use super::{DefinitionError, refused, word};

/// What the value of a secret is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// What is sent.
    Static,
    /// Credentials for a token endpoint, which gives what is sent.
    OAuth2(Grant),
    /// Credentials that sign requests.
    SigV4(AwsScope),
}

/// How a token is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The token endpoint's host and port; it is asked over TLS only.
    pub endpoint: Destination,
    /// Its path with query, as it is sent.
    pub path: String,
    /// Which flow.
    pub flow: OAuth2Flow,
    /// The client's id.
    pub client_id: String,
    /// What is asked for.
    pub scope: Option<String>,
}

impl Kind {
    pub(super) fn new(kind: &SecretKind) -> Result<Self, DefinitionError> {
        match kind {
            SecretKind::Static => Ok(Self::Static),
            SecretKind::OAuth2(grant) => Grant::new(grant).map(Self::OAuth2),
            SecretKind::AwsSigv4(scope) => {
                let part =
                    |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
                let rule = "lower-case letters, digits and hyphens";
                Ok(Self::SigV4(AwsScope {
                    region: word("region", &scope.region, rule, part)?,
                    service: word("service", &scope.service, rule, part)?,
                }))
            }
        }
    }
}

impl Grant {
    fn new(grant: &OAuth2Grant) -> Result<Self, DefinitionError> {
        let rule = "an https URL without user and fragment";
        let bad = || refused("token_url", &grant.token_url, rule);
        let target =
            Target::from_absolute_uri(grant.token_url.as_bytes()).map_err(|_malformed| bad())?;
        if target.scheme != Scheme::Https {
            return Err(bad());
        }
        let visible = |byte| matches!(byte, 0x20..=0x7e);
        Ok(Self {
            endpoint: target.destination,
            path: target.path.to_string(),
            flow: grant.grant,
            client_id: word("client_id", &grant.client_id, "visible characters", visible)?,
            scope: match &grant.scope {
                Some(scope) => Some(word("scope", scope, "visible characters", visible)?),
                None => None,
            },
        })
    }
}
