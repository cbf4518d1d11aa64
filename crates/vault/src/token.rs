//! The present token of a secret whose kind is OAuth 2: one request to its endpoint at a time, and a
//! replaced refresh token sealed before the token that came with it is used.
//!
//! Not for: the words of the request (`oauth`), nor for how long a token is kept (`flight`).

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use crate::credential::{Credential, Present, Reason, Unavailable};
use crate::entry::{Content, Entry, OAuth};
use crate::flight::{Outcome, Turn, outcome};
use crate::material::{Material, OAuth2Material};
use crate::oauth::{self, Granted};
use crate::value::SecretValue;
use crate::vault::Inner;

/// The token, asked for if need be. Whoever waits may go: the request is a task of its own, so that a
/// refresh token that the endpoint has replaced is not lost with an impatient client.
pub(crate) async fn present(inner: &Arc<Inner>, entry: &Arc<Entry>) -> Outcome {
    let Ok(Content::OAuth(oauth)) = &entry.content else {
        return Err(unavailable(entry, Reason::new("it has no token endpoint")));
    };
    let waiting = match oauth.flight.turn() {
        Turn::Done(outcome) => return outcome,
        Turn::Wait(waiting) => waiting,
        Turn::Ask(sender, waiting) => {
            let (inner, entry) = (Arc::clone(inner), Arc::clone(entry));
            let group = inner.group.clone();
            group.spawn("token", async move {
                let asked = ask(&inner, &entry).await;
                let (outcome, lifetime) = match asked {
                    Ok((present, lifetime)) => (Ok(Arc::new(present)), lifetime),
                    Err(reason) => {
                        tracing::warn!(secret = %entry.name, %reason, "no token");
                        (Err(unavailable(&entry, reason)), Duration::ZERO)
                    }
                };
                if let Ok(Content::OAuth(oauth)) = &entry.content {
                    oauth.flight.land(outcome, lifetime, &sender);
                }
            });
            waiting
        }
    };
    let landed = outcome(waiting).await;
    landed.unwrap_or_else(|| Err(unavailable(entry, Reason::new("the office is closing"))))
}

async fn ask(inner: &Arc<Inner>, entry: &Arc<Entry>) -> Result<(Present, Duration), Reason> {
    let Ok(Content::OAuth(oauth)) = &entry.content else {
        return Err(Reason::new("it has no token endpoint"));
    };
    let request = {
        let material = oauth.material.lock();
        let material = material.unwrap_or_else(PoisonError::into_inner);
        oauth::request(&entry.name, &oauth.grant, &material)
    };
    let answer = inner.fetcher.fetch(request).await;
    let answer = answer.map_err(|error| Reason::of(oauth::OAuthError::from(error)))?;
    let granted = oauth::read(&answer).map_err(Reason::of)?;
    let Granted {
        access,
        lifetime,
        refresh,
    } = granted;
    if let Some(refresh) = refresh {
        replace(inner, entry, refresh).await?;
    }
    let present = Present {
        version: entry.version(),
        credential: Credential::Token(access),
    };
    Ok((present, lifetime))
}

/// Keeps a new refresh token, in memory in any case (the old one is worth nothing any more), and sealed.
async fn replace(
    inner: &Arc<Inner>,
    entry: &Arc<Entry>,
    refresh: SecretValue,
) -> Result<(), Reason> {
    let (inner, entry) = (Arc::clone(inner), Arc::clone(entry));
    let sealed = tokio::task::spawn_blocking(move || {
        let Ok(Content::OAuth(oauth)) = &entry.content else {
            return Ok(());
        };
        match take(oauth, refresh) {
            Some(material) => inner.reseal(&entry, &Material::OAuth2(material)),
            None => Ok(()),
        }
    });
    sealed
        .await
        .map_err(|_gone| Reason::new("the office is closing"))?
}

/// The new material to seal; `None` when nothing has changed.
fn take(oauth: &OAuth, refresh: SecretValue) -> Option<OAuth2Material> {
    let material = oauth.material.lock();
    let mut material = material.unwrap_or_else(PoisonError::into_inner);
    let old = material.refresh_token.as_ref();
    if old.is_some_and(|old| old.expose() == refresh.expose()) {
        return None;
    }
    let client_secret = material.client_secret.as_ref();
    let sealed = OAuth2Material {
        client_secret: client_secret.map(SecretValue::duplicate),
        refresh_token: Some(refresh.duplicate()),
    };
    material.refresh_token = Some(refresh);
    Some(sealed)
}

fn unavailable(entry: &Entry, reason: Reason) -> Unavailable {
    Unavailable {
        name: entry.name.clone(),
        reason,
    }
}
