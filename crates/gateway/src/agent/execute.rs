//! Capabilities: what they are, and carrying one out with a record of how it went.
//!
//! Not for: judging destinations; a fetch goes through the same pipeline as the jail's own traffic.

use std::time::Duration;

use api::gateway::{Capabilities, Capability, Execute, Executed, FetchInputs};
use audit::Kind;
use axum::Json;
use axum::extract::{Request, State};
use egress::{FetchError, FetchRequest, FetchResponse};
use serde_json::{Value, json};

use super::{Agent, Parts};
use crate::base64;
use crate::body;
use crate::respond::Fault;

/// The one capability of this release.
const HTTP_FETCH: &str = "network.http_fetch";
/// Longest fetch: what the operator's documentation promises, and below the request's own limit.
const FETCH_TIMEOUT_MS_MAX: u64 = 120_000;

pub(super) async fn list() -> Json<Capabilities> {
    Json(Capabilities {
        capabilities: vec![http_fetch()],
    })
}

pub(super) async fn execute(
    State(agent): Parts,
    request: Request,
) -> Result<Json<Executed>, Fault> {
    // Before the body is read: bodies and answers are what takes memory.
    let _turn = agent.turns.try_acquire().map_err(|_none| Fault::Busy)?;
    let wanted: Execute = body::read(request).await?;
    let inputs = match permitted(&agent, &wanted) {
        Ok(inputs) => inputs,
        Err(fault) => return Err(agent.deny(&wanted.capability_id, fault).await),
    };
    let request = FetchRequest {
        url: inputs.url,
        method: inputs.method,
        headers: inputs.headers.into_iter().collect(),
        body: inputs.body.into_bytes(),
        timeout: Duration::from_millis(inputs.timeout_ms),
    };
    match agent.proxy.fetch(agent.session.egress(), request).await {
        Ok(response) => agent.succeed(response).await,
        Err(error) if is_denial(&error) => Err(agent.deny(HTTP_FETCH, Fault::Fetch(error)).await),
        Err(error) => Err(agent.fail(error).await),
    }
}

/// The inputs, if this session may have this done.
fn permitted(agent: &Agent, wanted: &Execute) -> Result<FetchInputs, Fault> {
    let named = wanted.session_id.as_deref();
    if named.is_some_and(|id| !agent.is_own(id)) {
        return Err(Fault::ForeignSession);
    }
    if wanted.capability_id != HTTP_FETCH {
        return Err(Fault::UnknownCapability);
    }
    let inputs: FetchInputs =
        serde_json::from_value(wanted.inputs.clone()).map_err(Fault::Inputs)?;
    if inputs.timeout_ms > FETCH_TIMEOUT_MS_MAX {
        return Err(Fault::Parameter("timeout_ms"));
    }
    Ok(inputs)
}

impl Agent {
    async fn deny(&self, capability: &str, fault: Fault) -> Fault {
        let capability: String = capability.chars().take(64).collect();
        let data = json!({ "capability": capability, "reason": fault.code() });
        match self.record_denial(data).await {
            Ok(()) => fault,
            Err(unrecorded) => unrecorded,
        }
    }

    async fn fail(&self, error: FetchError) -> Fault {
        let fault = Fault::Fetch(error);
        let data = json!({ "capability": HTTP_FETCH, "reason": fault.code() });
        match self.record(Kind::CapabilityFailed, data).await {
            Ok(()) => fault,
            Err(unrecorded) => unrecorded,
        }
    }

    async fn succeed(&self, response: FetchResponse) -> Result<Json<Executed>, Fault> {
        let status = response.status;
        let data = json!({ "capability": HTTP_FETCH, "status": status, "id": response.id });
        self.record(Kind::CapabilitySucceeded, data).await?;
        Ok(Json(Executed {
            success: true,
            result: result(response),
        }))
    }
}

/// Whether it was not permitted, as against permitted and failed. 502 is a failure upstream.
fn is_denial(error: &FetchError) -> bool {
    match error {
        FetchError::Malformed { .. } => true,
        FetchError::Refused(refusal) => refusal.status != 502,
    }
}

fn result(response: FetchResponse) -> Value {
    let (body, encoding) = match String::from_utf8(response.body) {
        Ok(text) => (text, "utf8"),
        Err(error) => (base64::encode(error.as_bytes()), "base64"),
    };
    json!({
        "status": response.status,
        "headers": response.headers,
        "body": body,
        "body_encoding": encoding,
        "usage": { "bytes_up": response.bytes_up, "bytes_down": response.bytes_down },
        "id": response.id,
    })
}

fn http_fetch() -> Capability {
    Capability {
        id: HTTP_FETCH.to_owned(),
        description:
            "Fetch a URL that the session's egress policy allows; redirects are returned, \
                      not followed."
                .to_owned(),
        input_schema: json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "required": ["url"],
            "additionalProperties": false,
            "properties": {
                "url": { "type": "string", "format": "uri", "pattern": "^https?://" },
                "method": { "type": "string", "default": "GET" },
                "headers": {
                    "type": "object",
                    "additionalProperties": { "type": "string" }
                },
                "body": { "type": "string", "default": "" },
                "timeout_ms": {
                    "type": "integer",
                    "minimum": 1,
                    "maximum": FETCH_TIMEOUT_MS_MAX,
                    "default": 30000
                }
            }
        }),
    }
}
