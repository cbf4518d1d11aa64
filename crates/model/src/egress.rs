//! The record of one egress decision and of its close, as logs and streams carry it.
//!
//! Not for: deciding (`policy`) or recording (`audit`).

use serde::{Deserialize, Serialize};

use crate::{EventId, LlmCharge, SessionId};

/// Which half of the pair an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Written before the first byte leaves.
    Decision,
    /// Written when the tunnel or exchange is over.
    Close,
}

/// How the request reached the proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// CONNECT or absolute-form on the proxy port.
    Explicit,
    /// A connection to port 80 or 443 that never asked for a proxy.
    Transparent,
    /// A capability of the gateway.
    Gateway,
    /// A DNS question.
    Dns,
}

/// What Sheriff did with the TLS of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TlsMode {
    /// Passed through; only the ClientHello was read.
    Tunnel,
    /// Terminated (also: originated by the gateway's fetch).
    Intercept,
    /// No TLS.
    None,
}

/// Allowed or denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The request may leave.
    Allow,
    /// It may not.
    Deny,
}

/// One egress event. No query string and no body is ever in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EgressEvent {
    /// Shared by the decision, the close, the denial's body and `sheriff egress why`.
    pub id: EventId,
    /// RFC 3339 UTC with milliseconds.
    pub time: String,
    /// Whose request.
    pub session: SessionId,
    /// The run it belongs to, when there is one.
    pub run: Option<String>,
    /// Decision or close.
    pub phase: Phase,
    /// HTTP method, `CONNECT` included; `DNS` for a question.
    pub method: String,
    /// Canonical host; for unparsable input, the escaped and cut text.
    pub host: String,
    /// Destination port; 0 when there was none to read.
    pub port: u16,
    /// Canonical path of a forwarded request, without its query.
    pub path: Option<String>,
    /// How it came.
    pub via: Via,
    /// What happened to its TLS.
    pub tls: TlsMode,
    /// The verdict.
    pub verdict: Verdict,
    /// Stable machine-readable reason code.
    pub reason: String,
    /// The rule that decided, as `<profile or cli>:<line or index>`, when one did.
    pub rule: Option<String>,
    /// Name of the secret that was put in, when one was.
    pub secret: Option<String>,
    /// HTTP status sent to the jail, when known.
    pub status: Option<u16>,
    /// Bytes sent upstream; 0 in a decision.
    pub bytes_up: u64,
    /// Bytes received from upstream; 0 in a decision.
    pub bytes_down: u64,
    /// Milliseconds since the decision; 0 in a decision.
    pub duration_ms: u64,
    /// Generation of the policy that decided.
    pub policy_generation: u64,
    /// What else a reader should know, as a fixed word. `encrypted_client_hello`: the handshake has that
    /// extension, so its true name may be another than the one that was checked (browsers send it empty,
    /// too, and nobody but the server can tell).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// What the answer of a language model cost; in a close only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub llm: Option<LlmCharge>,
}
