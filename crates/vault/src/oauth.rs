//! What a token endpoint is asked, and what is made of its answer (RFC 6749 sections 2.3, 4.4, 5, 6).
//!
//! Not for: carrying the request, which the office does, nor for when to ask (`flight`).

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use model::SecretName;
use model::secret::OAuth2Flow;
use policy::Destination;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::material::OAuth2Material;
use crate::secret::Grant;
use crate::value::SecretValue;

/// Lifetime of a token whose endpoint names none; RFC 6749 5.1 only recommends to name one.
const LIFETIME_UNSAID: Duration = Duration::from_secs(300);
/// Longest lifetime that is believed: a token is fetched anew at least this often.
const LIFETIME_MAX: Duration = Duration::from_secs(24 * 3600);
/// Largest answer of a token endpoint that a fetcher hands over.
pub const ANSWER_MAX: usize = 64 * 1024;
/// Longest error code of an endpoint that is repeated in our words.
const CODE_MAX: usize = 64;

/// One request to a token endpoint: `POST`, form-encoded, over TLS, redirects not followed.
pub struct TokenRequest {
    /// For which secret, for the record.
    pub name: SecretName,
    /// Where to. The certificate must be this host's.
    pub endpoint: Destination,
    /// The path with query.
    pub path: String,
    /// The value of `authorization`, if the client has a secret.
    pub authorization: Option<Zeroizing<String>>,
    /// The body, `application/x-www-form-urlencoded`.
    pub body: Zeroizing<String>,
}

/// What came back.
pub struct TokenAnswer {
    /// HTTP status.
    pub status: u16,
    /// The whole body, [`ANSWER_MAX`] bytes at most.
    pub body: Zeroizing<Vec<u8>>,
}

/// A token endpoint that could not be asked. Nothing secret is in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct FetchFailed(pub String);

/// An exchange under way.
pub type Fetching = Pin<Box<dyn Future<Output = Result<TokenAnswer, FetchFailed>> + Send>>;

/// Carries requests to token endpoints, under a time limit of its own.
pub trait TokenFetcher: Send + Sync + std::fmt::Debug {
    /// Sends one and reads its answer.
    fn fetch(&self, request: TokenRequest) -> Fetching;
}

/// What an endpoint granted.
#[derive(Debug)]
pub(crate) struct Granted {
    pub(crate) access: SecretValue,
    /// How long the token holds.
    pub(crate) lifetime: Duration,
    /// Replaces the refresh token that was used.
    pub(crate) refresh: Option<SecretValue>,
}

/// An answer that grants nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OAuthError {
    #[error("the token endpoint can't be asked: {0}")]
    Fetch(#[from] FetchFailed),
    #[error("the token endpoint answered {status}{code}")]
    Refused { status: u16, code: String },
    #[error("the token endpoint's answer is none (RFC 6749 5.1)")]
    Form,
    #[error("the token endpoint granted a token of a type other than Bearer")]
    Type,
}

#[derive(Deserialize)]
struct Success {
    access_token: String,
    token_type: String,
    expires_in: Option<f64>,
    refresh_token: Option<String>,
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
}

/// The request for a token.
pub(crate) fn request(name: &SecretName, grant: &Grant, material: &OAuth2Material) -> TokenRequest {
    let mut form = Form::default();
    match grant.flow {
        OAuth2Flow::ClientCredentials => form.add("grant_type", b"client_credentials"),
        OAuth2Flow::RefreshToken => {
            form.add("grant_type", b"refresh_token");
            if let Some(token) = &material.refresh_token {
                form.add("refresh_token", token.expose());
            }
        }
    }
    if let Some(scope) = &grant.scope {
        form.add("scope", scope.as_bytes());
    }
    let authorization = material
        .client_secret
        .as_ref()
        .map(|secret| basic(grant, secret));
    if authorization.is_none() {
        form.add("client_id", grant.client_id.as_bytes());
    }
    TokenRequest {
        name: name.clone(),
        endpoint: grant.endpoint.clone(),
        path: grant.path.clone(),
        authorization,
        body: form.0,
    }
}

/// Reads the endpoint's answer.
pub(crate) fn read(answer: &TokenAnswer) -> Result<Granted, OAuthError> {
    if answer.status != 200 {
        return Err(OAuthError::Refused {
            status: answer.status,
            code: code(&answer.body),
        });
    }
    let success: Success =
        serde_json::from_slice(&answer.body).map_err(|_other| OAuthError::Form)?;
    let value = |text: String| SecretValue::new(text.into_bytes());
    let access = value(success.access_token).map_err(|_odd| OAuthError::Form)?;
    if !success.token_type.eq_ignore_ascii_case("bearer") {
        return Err(OAuthError::Type);
    }
    let refresh = success.refresh_token.map(value).transpose();
    Ok(Granted {
        access,
        lifetime: lifetime(success.expires_in),
        refresh: refresh.map_err(|_odd| OAuthError::Form)?,
    })
}

/// Numbers of seconds come as integers and, from some servers, with a fraction.
fn lifetime(expires_in: Option<f64>) -> Duration {
    let said = expires_in.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    said.unwrap_or(LIFETIME_UNSAID).min(LIFETIME_MAX)
}

/// The endpoint's own code (RFC 6749 5.2), if it is one: its other words may repeat what was sent.
fn code(body: &[u8]) -> String {
    let refusal = serde_json::from_slice::<Refusal>(body).ok();
    let is_code = |code: &String| {
        let mut bytes = code.bytes();
        code.len() <= CODE_MAX && bytes.all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    };
    let code = refusal.map(|refusal| refusal.error).filter(is_code);
    code.map_or_else(String::new, |code| format!(" {code}"))
}

/// Client authentication (RFC 6749 2.3.1): both parts form-encoded, then as for basic authentication.
fn basic(grant: &Grant, secret: &SecretValue) -> Zeroizing<String> {
    let mut pair = Zeroizing::new(String::with_capacity(
        3 * (grant.client_id.len() + secret.expose().len()) + 1,
    ));
    encode(&mut pair, grant.client_id.as_bytes());
    pair.push(':');
    encode(&mut pair, secret.expose());
    let mut field = Zeroizing::new(String::with_capacity(8 + 2 * pair.len()));
    field.push_str("Basic ");
    STANDARD.encode_string(pair.as_bytes(), &mut field);
    field
}

/// A body of `application/x-www-form-urlencoded`.
struct Form(Zeroizing<String>);

impl Default for Form {
    fn default() -> Self {
        // Room for every part in its longest form: a string that grows leaves copies behind.
        Self(Zeroizing::new(String::with_capacity(
            4 * crate::value::VALUE_MAX,
        )))
    }
}

impl Form {
    fn add(&mut self, key: &str, value: &[u8]) {
        if !self.0.is_empty() {
            self.0.push('&');
        }
        self.0.push_str(key);
        self.0.push('=');
        encode(&mut self.0, value);
    }
}

fn encode(text: &mut String, bytes: &[u8]) {
    const DIGITS: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F',
    ];
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or('0');
    for byte in bytes {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'*' => {
                text.push(char::from(*byte));
            }
            b' ' => text.push('+'),
            _ => text.extend(['%', digit(byte >> 4), digit(byte & 0xf)]),
        }
    }
}

impl std::fmt::Debug for TokenRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TokenRequest({} at {})", self.name, self.endpoint)
    }
}

impl std::fmt::Debug for TokenAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TokenAnswer({})", self.status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Result<Granted, OAuthError> {
        read(&TokenAnswer {
            status,
            body: Zeroizing::new(body.as_bytes().to_vec()),
        })
    }

    fn grant(flow: OAuth2Flow) -> Grant {
        Grant {
            endpoint: Destination::from_authority(b"auth.test:443", None).unwrap(),
            path: "/token".to_owned(),
            flow,
            client_id: "id:1".to_owned(),
            scope: Some("a b".to_owned()),
        }
    }

    fn value(text: &str) -> SecretValue {
        SecretValue::new(text.as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn asks_in_the_words_of_rfc_6749() {
        let name = "x".parse().unwrap();
        let material = OAuth2Material {
            client_secret: Some(value("s+/ ")),
            refresh_token: None,
        };
        let asked = request(&name, &grant(OAuth2Flow::ClientCredentials), &material);
        assert_eq!(*asked.body, "grant_type=client_credentials&scope=a+b");
        // printf 'id%%3A1:s%%2B%%2F+' | base64
        assert_eq!(
            asked.authorization.unwrap().as_str(),
            "Basic aWQlM0ExOnMlMkIlMkYr"
        );
        let material = OAuth2Material {
            client_secret: None,
            refresh_token: Some(value("r/1")),
        };
        let asked = request(&name, &grant(OAuth2Flow::RefreshToken), &material);
        let body = "grant_type=refresh_token&refresh_token=r%2F1&scope=a+b&client_id=id%3A1";
        assert_eq!(*asked.body, body);
        assert!(asked.authorization.is_none());
    }

    #[test]
    fn takes_a_bearer_token_and_believes_no_lifetime_beyond_a_day() {
        let body = r#"{"access_token":"t","token_type":"bearer","expires_in":60,"x":1}"#;
        let granted = answer(200, body).unwrap();
        assert_eq!(granted.access.expose(), b"t");
        assert_eq!(granted.lifetime, Duration::from_secs(60));
        let lifetime = |text: &str| {
            let body = format!(r#"{{"access_token":"t","token_type":"Bearer"{text}}}"#);
            answer(200, &body).unwrap().lifetime
        };
        assert_eq!(lifetime(""), LIFETIME_UNSAID);
        assert_eq!(lifetime(r#","expires_in":1e300"#), LIFETIME_UNSAID);
        assert_eq!(lifetime(r#","expires_in":-1"#), LIFETIME_UNSAID);
        assert_eq!(lifetime(r#","expires_in":999999999"#), LIFETIME_MAX);
    }

    #[test]
    fn refuses_other_answers_and_repeats_only_a_code_of_them() {
        let said = |status, body: &str| answer(status, body).unwrap_err().to_string();
        let text = said(
            400,
            r#"{"error":"invalid_grant","error_description":"token r1"}"#,
        );
        assert_eq!(text, "the token endpoint answered 400 invalid_grant");
        assert!(!said(400, r#"{"error":"Secret r1!"}"#).contains("r1"));
        assert_eq!(answer(200, "{}").unwrap_err(), OAuthError::Form);
        let mac = r#"{"access_token":"t","token_type":"mac"}"#;
        assert_eq!(answer(200, mac).unwrap_err(), OAuthError::Type);
        let split = r#"{"access_token":"t\r\nx: y","token_type":"bearer"}"#;
        assert_eq!(answer(200, split).unwrap_err(), OAuthError::Form);
    }
}
