//! Request bodies, read whole under the API's bound.
//!
//! Not for: bodies that go out.

use api::gateway::BODY_BYTES_MAX;
use axum::body::Body;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;

use crate::json;
use crate::respond::Fault;

/// Reads a JSON body.
///
/// # Errors
/// A fault with status 413, 415 or 400.
pub(crate) async fn read<T: DeserializeOwned>(request: axum::extract::Request) -> Result<T, Fault> {
    let (head, body) = request.into_parts();
    if !is_json(&head.headers) {
        return Err(Fault::NotJson);
    }
    let announced = head.headers.get(CONTENT_LENGTH);
    let announced = announced.and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|bytes| bytes > BODY_BYTES_MAX) {
        return Err(Fault::BodyTooLarge);
    }
    let bytes = collect(body).await?;
    json::parse(&bytes).map_err(Fault::MalformedJson)
}

/// Absent counts as JSON: there is nothing else that these routes take.
fn is_json(headers: &http::HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE) else {
        return true;
    };
    let essence = value.to_str().ok().and_then(|text| text.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

async fn collect(body: Body) -> Result<Bytes, Fault> {
    match Limited::new(body, BODY_BYTES_MAX).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Fault::BodyTooLarge),
        Err(error) => Err(Fault::BodyBroken(error.to_string())),
    }
}
