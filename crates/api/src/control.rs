//! The operator's API on `control.sock`.
//!
//! | route | answer |
//! | --- | --- |
//! | `GET /v1/health` | [`Health`] |
//! | `GET /v1/sessions` | [`SessionList`] |
//! | `GET /v1/sessions/{id}` | [`SessionDetail`] |
//! | `POST /v1/sessions/{id}/kill` (also `stop`, `pause`, `resume`) | 204 |
//! | `GET /v1/audit?session=&kind=&since=&limit=&follow=` | JSON lines, one entry each |
//! | `GET /v1/egress/events?session=&since=&limit=&follow=` | JSON lines, one `EgressEvent` each |
//! | `GET /v1/egress/why/{id}` | [`Why`] |
//! | `GET /v1/profiles` | names |
//!
//! Not for: agents; their socket is another one with other routes.

use model::{EgressEvent, Layers, Limits, ProfileName, SessionId, Usage};
use serde::{Deserialize, Serialize};

/// Answer of the health route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// `ok`.
    pub status: String,
    /// Living jails.
    pub sessions: u64,
    /// Generation of the profiles.
    pub policy_generation: u64,
    /// How often the office was started anew.
    pub office_restarts: u32,
}

/// Living sessions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionList {
    /// One line each, oldest first.
    pub sessions: Vec<SessionLine>,
}

/// A session in a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionLine {
    /// Its id.
    pub session: SessionId,
    /// Its profile.
    pub profile: ProfileName,
    /// The program it runs, escaped and cut to 128 characters.
    pub command: String,
    /// `starting`, `running` or `paused`.
    pub state: String,
    /// RFC 3339 UTC.
    pub started: String,
    /// Bytes sent upstream so far.
    pub bytes_up: u64,
    /// Bytes received from upstream so far.
    pub bytes_down: u64,
}

/// All about a living session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionDetail {
    /// The list's line.
    #[serde(flatten)]
    pub line: SessionLine,
    /// User who started it.
    pub operator_uid: u32,
    /// What the kernel confirmed.
    pub layers: Layers,
    /// Limits in force.
    pub limits: Limits,
    /// Live meter.
    pub egress: Usage,
    /// System calls that the seccomp program refused and reported so far.
    pub syscalls_denied: u64,
    /// Allow rules in force, as text.
    pub allow: Vec<String>,
}

/// Explanation of one egress decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Why {
    /// The decision.
    pub decision: EgressEvent,
    /// Its close, when it is over.
    pub close: Option<EgressEvent>,
    /// The verdict in a sentence.
    pub explanation: String,
    /// What would allow it, when it was denied.
    pub next_steps: Vec<String>,
}
