//! The agent's API on `/run/sheriff/gateway.sock` in the jail.
//!
//! The session is known from the socket; every route but `GET /chat/health` also asks for the token
//! in `X-Agent-Token`, which stands in `/run/sheriff/token`.
//!
//! | route | answer |
//! | --- | --- |
//! | `GET /chat/health` | [`Health`] |
//! | `GET /chat/session/{id}` | [`Session`] |
//! | `GET /chat/policy` | [`Policy`] |
//! | `GET /chat/capabilities` | [`Capabilities`] |
//! | `POST /chat/execute` | [`Execute`] in, [`Executed`] out |
//!
//! Not for: anything that widens what the agent may do; no route here can express it.

use model::{ByteSize, ProfileName, SessionId, Usage};
use serde::{Deserialize, Serialize};

/// Header with the second factor.
pub const TOKEN_HEADER: &str = "x-agent-token";
/// Largest request body.
pub const BODY_BYTES_MAX: usize = 1 << 20;

/// Answer of the health route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// `ok`.
    pub status: String,
    /// The session that this socket belongs to.
    pub session: SessionId,
}

/// The session as its own agent may see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Its id.
    pub session: SessionId,
    /// Its profile.
    pub profile: ProfileName,
    /// `running` or `paused`.
    pub state: String,
    /// RFC 3339 UTC.
    pub started: String,
    /// Its meter.
    pub egress: Usage,
}

/// What the agent may reach, so that it need not guess.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Allow rules as text, for example `api.example.com:443`.
    pub allow: Vec<String>,
    /// Deny rules as text.
    pub deny: Vec<String>,
    /// What the operator lets any session do at most; left out when there is no such bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ceiling: Option<Ceiling>,
    /// Byte budgets.
    pub budget: Budget,
    /// Generation of the policy.
    pub generation: u64,
}

/// Rules that a request must pass besides those of its session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ceiling {
    /// What may leave at most; empty: whatever is not denied.
    pub allow: Vec<String>,
    /// What may not.
    pub deny: Vec<String>,
}

/// Byte budgets of a session and what is used of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// Bytes that may leave; `None` is unlimited.
    pub egress_up: Option<ByteSize>,
    /// Bytes that may come in.
    pub egress_down: Option<ByteSize>,
    /// Bytes that left.
    pub used_up: u64,
    /// Bytes that came in.
    pub used_down: u64,
}

/// Capabilities of this session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities {
    /// Each with the JSON Schema of its inputs.
    pub capabilities: Vec<Capability>,
}

/// One governed thing that the session may ask for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capability {
    /// Stable id.
    pub id: String,
    /// One sentence.
    pub description: String,
    /// JSON Schema.
    pub input_schema: serde_json::Value,
}

/// A request to carry out a capability. `session_id`, when given, must be the socket's own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Execute {
    /// Which capability.
    pub capability_id: String,
    /// Its inputs.
    pub inputs: serde_json::Value,
    /// Checked, never believed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
}

/// The result of a capability that was carried out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Executed {
    /// Always true; refusals and failures are problems with their own status.
    pub success: bool,
    /// What the capability returned.
    pub result: serde_json::Value,
}

/// Inputs of `network.http_fetch`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FetchInputs {
    /// Absolute `http` or `https` URL.
    pub url: String,
    /// Default `GET`.
    #[serde(default = "get")]
    pub method: String,
    /// Header fields to send.
    #[serde(default)]
    pub headers: std::collections::BTreeMap<String, String>,
    /// Body to send, as text.
    #[serde(default)]
    pub body: String,
    /// Whole exchange, at most 120,000.
    #[serde(default = "default_timeout_ms")]
    pub timeout_ms: u64,
}

fn get() -> String {
    "GET".to_owned()
}

const fn default_timeout_ms() -> u64 {
    30_000
}
