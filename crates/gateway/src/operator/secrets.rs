//! Secrets: listed, set, removed, and where they were used.
//!
//! Not for: reading one. No route answers with a value.

use std::time::{Duration, UNIX_EPOCH};

use api::control::{SECRET_BYTES_MAX, SECRET_MEDIA_TYPE, SecretChange, SecretLine, SecretList};
use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, Path, State};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use http_body_util::BodyExt;
use model::{SecretDefinition, SecretKind, SecretName, SecretPlace};
use sys::seqpacket::Peer;
use vault::{Kind, Listed, Place, Secret};
use zeroize::Zeroizing;

use super::Parts;
use crate::json;
use crate::respond::Fault;

pub(super) async fn list(State(parts): Parts) -> Json<SecretList> {
    let secrets = parts.office.secrets();
    Json(SecretList {
        secrets: secrets.into_iter().map(line).collect(),
    })
}

pub(super) async fn set(
    State(parts): Parts,
    Extension(peer): Extension<Peer>,
    Path(name): Path<String>,
    request: axum::extract::Request,
) -> Result<Json<SecretLine>, Fault> {
    let name = secret_name(&name)?;
    let media = request.headers().get(CONTENT_TYPE);
    if media.is_none_or(|media| media != SECRET_MEDIA_TYPE) {
        return Err(Fault::NotSecret);
    }
    let body = collect(request.into_body()).await?;
    let end = body.iter().position(|byte| *byte == b'\n');
    let end = end.ok_or(Fault::NotSecret)?;
    let (head, value) = body.split_at_checked(end).unwrap_or_default();
    let change: SecretChange = json::parse(head).map_err(Fault::MalformedJson)?;
    let value = Zeroizing::new(value.get(1..).unwrap_or_default().to_vec());
    let definition = change.definition;
    if definition.as_ref().is_some_and(|own| own.name != name) {
        return Err(Fault::Parameter("name"));
    }
    let office = &parts.office;
    let listed = office
        .set_secret((&name, definition), value, peer.uid)
        .await?;
    tracing::info!(secret = %name, operator = peer.uid, version = listed.version, "set");
    Ok(Json(line(listed)))
}

pub(super) async fn remove(
    State(parts): Parts,
    Extension(peer): Extension<Peer>,
    Path(name): Path<String>,
) -> Result<StatusCode, Fault> {
    let name = secret_name(&name)?;
    parts.office.remove_secret(&name, peer.uid).await?;
    tracing::info!(secret = %name, operator = peer.uid, "removed");
    Ok(StatusCode::NO_CONTENT)
}

pub(super) fn secret_name(text: &str) -> Result<SecretName, Fault> {
    text.parse().map_err(Fault::Id)
}

/// A body in one piece of memory that is overwritten afterwards.
async fn collect(mut body: Body) -> Result<Zeroizing<Vec<u8>>, Fault> {
    let mut whole = Zeroizing::new(Vec::with_capacity(SECRET_BYTES_MAX));
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Fault::BodyBroken(error.to_string()))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if whole.len().saturating_add(data.len()) > SECRET_BYTES_MAX {
            return Err(Fault::SecretTooLarge);
        }
        whole.extend_from_slice(&data);
    }
    Ok(whole)
}

fn line(listed: Listed) -> SecretLine {
    let complete = listed.secret.as_deref().zip(listed.definition.as_ref());
    let definition = complete.map(|(secret, given)| spelled(secret, given));
    SecretLine {
        name: listed.name,
        definition: definition.or(listed.definition),
        version: listed.version,
        created: time(listed.created_ms),
        last_used: time(listed.used_ms),
        problem: listed.problem,
    }
}

/// The definition with what it left out.
fn spelled(secret: &Secret, given: &SecretDefinition) -> SecretDefinition {
    let is_signed = matches!(secret.kind, Kind::SigV4(_));
    let place = match &secret.place {
        _ if is_signed => None,
        Place::Header { name } => Some(SecretPlace::Header(name.clone())),
        Place::Basic { user } => Some(SecretPlace::Basic(user.clone())),
        Place::Query { name } => Some(SecretPlace::Query(name.clone())),
        Place::Path => Some(SecretPlace::Path),
        Place::Body => Some(SecretPlace::Body),
    };
    let has_format = matches!(place, Some(SecretPlace::Header(_)));
    let format = format!("{}{{}}{}", secret.format.before, secret.format.after);
    SecretDefinition {
        name: secret.name.clone(),
        hosts: secret.hosts.iter().map(ToString::to_string).collect(),
        place,
        format: has_format.then_some(format),
        env: Some(secret.env.clone()),
        prefix: given.prefix.clone(),
        kind: match &secret.kind {
            Kind::Static => SecretKind::Static,
            Kind::OAuth2(_) | Kind::SigV4(_) => given.kind.clone(),
        },
        source: Some(secret.source.text()),
    }
}

fn time(ms: u64) -> Option<String> {
    let at = UNIX_EPOCH.checked_add(Duration::from_millis(ms))?;
    audit::rfc3339(at).filter(|_| ms > 0)
}
