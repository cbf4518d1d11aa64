//! Puts values where placeholders stand, or where they belong, and makes what the body and the answer
//! must pass through.
//!
//! Not for: deciding whether they may be there (`wallet`).

pub(crate) mod percent;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::SecretName;
use zeroize::Zeroizing;

use crate::credential::{AwsCredentials, Credential, Present};
use crate::decode::Coding;
use crate::placeholder::Placeholder;
use crate::redact::{ACCEPT_ENCODING, Scrub, ScrubError};
use crate::scan::{Allowance, BodyFilter};
use crate::secret::{Kind, Place, Secret};
use crate::sigv4::{Payload, Scope, SignError, sign};
use crate::wallet::{Claim, Head, Obtained, Plan, Slot, is_named};

/// What a signature needs besides the request's head.
#[derive(Debug, Clone, Copy)]
pub struct Signing {
    /// Seconds since 1970. Services refuse requests signed more than some minutes away from their own
    /// time.
    pub now: u64,
    /// What is known of the body.
    pub payload: Payload,
}

/// What a request and its answer must pass through from now on.
#[expect(missing_debug_implementations, reason = "it holds values of secrets")]
pub struct Applied {
    /// What the body passes through, byte by byte. Also for a request that has none.
    pub body: BodyFilter,
    /// What the answer passes through: every field, and the body through a
    /// [`Redactor`](crate::Redactor). `None` if the session has no secret for this host, or none
    /// whose value is known.
    pub scrub: Option<Arc<Scrub>>,
    /// The secrets that were put in, or may be put into the body, for the usage log.
    pub used: Vec<SecretName>,
    /// Whether the body may come out in another length: it must be framed anew.
    pub changes_length: bool,
}

/// Why values can't be put in. The request must not be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// A value can't be taken out of the answer.
    #[error(transparent)]
    Scrub(#[from] ScrubError),
    /// A token where credentials that sign are wanted, or the other way round, or none.
    #[error("the value is not of the kind that the secret is declared as")]
    Kind,
    /// It can't be signed.
    #[error(transparent)]
    Sign(#[from] SignError),
}

impl Plan {
    /// Puts the values into the head, takes the jail's own credentials out of it, and signs it if a
    /// secret says so. Without secrets nothing changes.
    ///
    /// With a secret in play the head also asks for codings that can be undone, for all of the content
    /// (a range could cut a value in two), and for no WebSocket extension.
    ///
    /// # Errors
    /// [`ApplyError`]; the head must not be used then.
    pub fn apply(
        &self,
        obtained: &Obtained,
        head: &mut Head,
        signing: &Signing,
    ) -> Result<Applied, ApplyError> {
        let scrub = self.scrub(obtained)?;
        if scrub.is_some() {
            head.remove("range");
            head.remove("if-range");
            head.remove("sec-websocket-extensions");
            head.put("accept-encoding", ACCEPT_ENCODING.into());
        }
        let body = self.body(obtained, head)?;
        let changes_length = !body.insertions.is_empty();
        for claim in self.claims() {
            let (secret, placeholder) = self.roster.get(claim.index).ok_or(ApplyError::Kind)?;
            let present = present(obtained, claim.index).ok_or(ApplyError::Kind)?;
            substitute(*claim, secret, placeholder, present, head)?;
        }
        self.drop_foreign_credentials(head);
        for claim in self
            .claims()
            .iter()
            .filter(|claim| claim.slot == Slot::Signature)
        {
            self.sign(claim, obtained, head, signing)?;
        }
        Ok(Applied {
            body: match self.coding {
                None => BodyFilter::pass(),
                Some(Coding::Identity) => BodyFilter::plain(body),
                Some(coding) => BodyFilter::packed(body, coding),
            },
            scrub,
            used: self.names().collect(),
            changes_length,
        })
    }

    fn scrub(&self, obtained: &Obtained) -> Result<Option<Arc<Scrub>>, ApplyError> {
        if let Some(scrub) = self.roster.shelf.find(&obtained.hidden) {
            return Ok(Some(scrub));
        }
        let mut pairs = Vec::new();
        for (index, present) in &obtained.hidden {
            if let Some((_, placeholder)) = self.roster.get(*index) {
                pairs.extend(present.confidential().map(|value| (value, placeholder)));
            }
        }
        if pairs.is_empty() {
            return Ok(None);
        }
        let scrub = Arc::new(Scrub::new(pairs)?);
        self.roster.shelf.put(&obtained.hidden, &scrub);
        Ok(Some(scrub))
    }

    /// What the body may hold. Values go only into a body without a coding.
    fn body(&self, obtained: &Obtained, head: &Head) -> Result<Allowance, ApplyError> {
        let mut insertions = Vec::new();
        let is_plain = self.coding == Some(Coding::Identity);
        for claim in self
            .claims()
            .iter()
            .filter(|claim| claim.slot == Slot::Body && is_plain)
        {
            let (_, placeholder) = self.roster.get(claim.index).ok_or(ApplyError::Kind)?;
            let present = present(obtained, claim.index).ok_or(ApplyError::Kind)?;
            let value = percent::for_body(head.values("content-type").next(), token(present)?);
            insertions.push((placeholder.as_str().to_owned(), value));
        }
        Ok(Allowance {
            roster: Arc::clone(&self.roster),
            misuses: self.misuses.clone(),
            insertions,
        })
    }

    /// Whoever uses a secret uses no credentials of its own beside it: the request would count as
    /// somebody else's.
    fn drop_foreign_credentials(&self, head: &mut Head) {
        let mut slots = self.claims().iter().map(|claim| claim.slot);
        let is_ours = |slot| matches!(slot, Slot::Basic | Slot::Signature);
        let takes_authorization = slots.any(is_ours)
            || self.claims().iter().any(|claim| {
                let secret = self
                    .roster
                    .get(claim.index)
                    .map(|(secret, _)| &secret.place);
                matches!(secret, Some(Place::Header { name }) if name == "authorization")
            });
        if !self.claims().is_empty() && !takes_authorization {
            head.remove("authorization");
        }
    }

    fn sign(
        &self,
        claim: &Claim,
        obtained: &Obtained,
        head: &mut Head,
        signing: &Signing,
    ) -> Result<(), ApplyError> {
        let secret = self.roster.get(claim.index).map(|(secret, _)| secret);
        let present = present(obtained, claim.index).ok_or(ApplyError::Kind)?;
        let (Some(Kind::SigV4(aws)), Credential::Aws(credentials)) =
            (secret.map(|secret| &secret.kind), &present.credential)
        else {
            return Err(ApplyError::Kind);
        };
        let scope = Scope {
            region: &aws.region,
            service: &aws.service,
        };
        if head.values("host").next().is_none() {
            let port = if self.port == 443 {
                String::new()
            } else {
                format!(":{}", self.port)
            };
            head.put("host", format!("{}{port}", self.host).into_bytes());
        }
        let signed = sign(credentials, scope, signing, head);
        signed.map_err(ApplyError::Sign)
    }
}

fn present(obtained: &Obtained, index: usize) -> Option<&Present> {
    let mut used = obtained.used.iter();
    used.find(|(used, _)| *used == index)
        .map(|(_, present)| present.as_ref())
}

fn token(present: &Present) -> Result<&[u8], ApplyError> {
    match &present.credential {
        Credential::Token(value) => Ok(value.expose()),
        Credential::Aws(AwsCredentials { .. }) => Err(ApplyError::Kind),
    }
}

fn substitute(
    claim: Claim,
    secret: &Secret,
    placeholder: &Placeholder,
    present: &Present,
    head: &mut Head,
) -> Result<(), ApplyError> {
    let mark = placeholder.as_str().as_bytes();
    match (claim.slot, &secret.place) {
        (Slot::Field, Place::Header { name }) => {
            let value = field(secret, mark, token(present)?, head, name);
            head.put(name, value);
        }
        (Slot::Basic, Place::Basic { user }) => {
            let pair = Zeroizing::new([user.as_bytes(), b":", token(present)?].concat());
            head.put(
                "authorization",
                format!("Basic {}", STANDARD.encode(&*pair)).into_bytes(),
            );
        }
        (Slot::Query, Place::Query { name }) => query(name, mark, token(present)?, head),
        (Slot::Path, Place::Path) => {
            let value = Zeroizing::new(percent::encode(token(present)?, b"-._~:@"));
            let query = head.query().map(<[u8]>::to_vec);
            let mut target = percent::replace(head.path(), mark, &value);
            target.extend(query.iter().flat_map(|query| b"?".iter().chain(query)));
            head.target = target;
        }
        (Slot::Body | Slot::Signature, _) => {}
        _ => return Err(ApplyError::Kind),
    }
    Ok(())
}

/// The value of a header field. With a format it is nothing else; without one, the jail's own field
/// with the value in the placeholder's place.
fn field(secret: &Secret, mark: &[u8], value: &[u8], head: &Head, name: &str) -> Vec<u8> {
    let (before, after) = (&secret.format.before, &secret.format.after);
    let mut given = head
        .fields
        .iter()
        .filter(|(given, _)| is_named(given, name));
    let with_mark = given.find(|(_, given)| given.windows(mark.len()).any(|part| part == mark));
    match with_mark {
        Some((_, given)) if before.is_empty() && after.is_empty() => {
            percent::replace(given, mark, value)
        }
        _ => [before.as_bytes(), value, after.as_bytes()].concat(),
    }
}

/// Puts the value into its parameter, and takes others of the same name out.
fn query(name: &str, mark: &[u8], value: &[u8], head: &mut Head) {
    let encoded = Zeroizing::new(percent::encode(value, b"-._~"));
    let mut pairs = Vec::new();
    for pair in head.query().unwrap_or_default().split(|&byte| byte == b'&') {
        let (given_name, given) = percent::pair(pair);
        if given_name != name.as_bytes() {
            pairs.push(pair.to_vec());
        } else if given == mark {
            pairs.push([name.as_bytes(), b"=", encoded.as_slice()].concat());
        }
    }
    let query = pairs.join(&b'&');
    head.target = [head.path(), b"?", query.as_slice()].concat();
}

#[cfg(test)]
mod tests;
