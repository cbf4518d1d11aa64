//! AWS Signature Version 4, in the `Authorization` field: the jail signs with a filler or not at all,
//! and what it signed is taken out.
//!
//! Source: "Create a signed AWS API request" in the IAM user guide, and "Authenticating Requests" in the
//! S3 API reference. Signed are the host, the content's type and MD5, and every `x-amz-` field; nothing
//! that a proxy may change.
//!
//! Not for: signing pieces of a body (`STREAMING-AWS4-HMAC-SHA256-PAYLOAD`), nor presigned URLs: they
//! are turned into signed requests.

mod canonical;
mod time;

use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::credential::AwsCredentials;
use crate::sigv4::canonical::{hex, request};
use crate::sigv4::time::stamp;
use crate::substitute::Signing;
use crate::substitute::percent;
use crate::wallet::Head;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// What S3 accepts instead of the body's hash over TLS.
const UNSIGNED: &str = "UNSIGNED-PAYLOAD";
/// What S3 accepts for a body in pieces that are not signed each, with a checksum at the end.
const UNSIGNED_PIECES: &str = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";
const CONTENT_HASH: &str = "x-amz-content-sha256";
/// Header fields and parameters of somebody else's signature.
const FOREIGN_FIELDS: [&str; 3] = ["authorization", "x-amz-date", "x-amz-security-token"];
const FOREIGN_PARAMETERS: [&[u8]; 7] = [
    b"x-amz-algorithm",
    b"x-amz-credential",
    b"x-amz-date",
    b"x-amz-expires",
    b"x-amz-security-token",
    b"x-amz-signature",
    b"x-amz-signedheaders",
];

/// What is known of a body before it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payload {
    /// There is none.
    Empty,
    /// Its SHA-256.
    Hashed([u8; 32]),
    /// Nothing: it is passed on as it comes. Then S3 is told so, or what the jail's own
    /// `x-amz-content-sha256` says is signed (the service compares it), or it can't be signed.
    Unknown,
}

/// Why a request can't be signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// This service wants the body's hash: the body must be had whole first.
    #[error("this service wants the hash of the body")]
    NeedsHash,
    /// The jail's client signs its body piece by piece, with a key that it does not have.
    #[error(
        "a body that is signed in pieces can't be signed for the client; switch that off there"
    )]
    SignedPieces,
    /// The access key's id is not text.
    #[error("the access key's id has characters that no id has")]
    KeyId,
}

/// Which keys are valid where.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scope<'a> {
    pub(crate) region: &'a str,
    pub(crate) service: &'a str,
}

/// Signs a head: takes the jail's signature out, puts date, token and signature in.
pub(crate) fn sign(
    credentials: &AwsCredentials,
    scope: Scope<'_>,
    signing: &Signing,
    head: &mut Head,
) -> Result<(), SignError> {
    let is_s3 = scope.service.starts_with("s3");
    let payload = payload(head, signing.payload, is_s3)?;
    strip(head);
    let stamp = stamp(signing.now);
    head.put("x-amz-date", stamp.clone().into_bytes());
    if is_s3 || head.values(CONTENT_HASH).next().is_some() {
        head.put(CONTENT_HASH, payload.clone().into_bytes());
    }
    if let Some(token) = &credentials.session_token {
        head.put("x-amz-security-token", token.expose().to_vec());
    }
    let day = stamp.get(..8).unwrap_or_default();
    let key_id = std::str::from_utf8(credentials.access_key_id.expose());
    let key_id = key_id.map_err(|_not_text| SignError::KeyId)?;
    let canonical = request(head, &payload, is_s3, is_signed);
    let area = format!("{day}/{}/{}/aws4_request", scope.region, scope.service);
    let digest = hex(&Sha256::digest(&canonical.text));
    let text = format!("{ALGORITHM}\n{stamp}\n{area}\n{digest}");
    let key = key(credentials.secret_access_key.expose(), day, scope);
    let signature = hex(&*mac(&*key, text.as_bytes()));
    let value = format!(
        "{ALGORITHM} Credential={key_id}/{area}, SignedHeaders={}, Signature={signature}",
        canonical.signed,
    );
    head.put("authorization", value.into_bytes());
    Ok(())
}

/// What the signature says about the body. What the jail says of it counts where nothing is known: if it
/// is wrong, the service refuses the request.
fn payload(head: &Head, known: Payload, is_s3: bool) -> Result<String, SignError> {
    let declared = head.values(CONTENT_HASH).next().unwrap_or_default();
    let declared = std::str::from_utf8(declared).unwrap_or_default();
    let is_hash = declared.len() == 64 && declared.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_open = declared == UNSIGNED || declared == UNSIGNED_PIECES;
    if declared.starts_with("STREAMING-") && !is_open {
        return Err(SignError::SignedPieces);
    }
    match known {
        Payload::Hashed(hash) => Ok(hex(&hash)),
        Payload::Empty => Ok(hex(&Sha256::digest([]))),
        Payload::Unknown if is_hash || is_open => Ok(declared.to_owned()),
        Payload::Unknown if is_s3 => Ok(UNSIGNED.to_owned()),
        Payload::Unknown => Err(SignError::NeedsHash),
    }
}

fn strip(head: &mut Head) {
    for name in FOREIGN_FIELDS {
        head.remove(name);
    }
    let Some(query) = head.query() else {
        return;
    };
    let is_ours = |pair: &&[u8]| {
        let name = percent::pair(pair).0.to_ascii_lowercase();
        !FOREIGN_PARAMETERS.contains(&name.as_slice())
    };
    let pairs: Vec<&[u8]> = query.split(|&byte| byte == b'&').filter(is_ours).collect();
    let query = pairs.join(&b'&');
    let mark: &[u8] = if query.is_empty() { b"" } else { b"?" };
    head.target = [head.path(), mark, query.as_slice()].concat();
}

/// Whether a field is signed, by its name in lower case.
fn is_signed(name: &str) -> bool {
    name.starts_with("x-amz-") || matches!(name, "host" | "content-type" | "content-md5")
}

/// The key that is valid for a day, a region and a service.
fn key(secret: &[u8], day: &str, scope: Scope<'_>) -> Zeroizing<[u8; 32]> {
    let first = Zeroizing::new([b"AWS4", secret].concat());
    let key = mac(&first, day.as_bytes());
    let key = mac(&*key, scope.region.as_bytes());
    let key = mac(&*key, scope.service.as_bytes());
    mac(&*key, b"aws4_request")
}

fn mac(key: &[u8], text: &[u8]) -> Zeroizing<[u8; 32]> {
    #[expect(
        clippy::expect_used,
        reason = "HMAC takes keys of any length (RFC 2104 3)"
    )]
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length");
    mac.update(text);
    Zeroizing::new(mac.finalize().into_bytes().into())
}

#[cfg(test)]
mod tests;
