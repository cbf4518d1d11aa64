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
//! | `GET /v1/egress/live` | [`LiveEgress`](crate::usage::LiveEgress) |
//! | `GET /v1/egress/usage?session=&host=&within_ms=` | [`EgressUsage`](crate::usage::EgressUsage) |
//! | `GET /v1/egress/why/{id}` | [`Why`] |
//! | `GET /v1/profiles` | names |
//! | `GET /v1/secrets` | [`SecretList`] |
//! | `PUT /v1/secrets/{name}`, a [`SecretChange`] in one line, then the value as it is | [`SecretLine`] |
//! | `DELETE /v1/secrets/{name}` | 204 |
//! | `GET /v1/secrets/{name}/uses?session=&since=&limit=&follow=` | JSON lines, one `EgressEvent` each |
//!
//! Not for: agents; their socket is another one with other routes.

use model::{
    EgressEvent, Layers, Limits, ProfileName, SecretDefinition, SecretName, SessionId, Usage,
};
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
    /// The rule that decided, where it was written; none when no rule did, or its text is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<RulePlace>,
    /// What would allow it, when it was denied.
    pub next_steps: Vec<String>,
}

/// Where a rule stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RulePlace {
    /// Its file, `shipped:KIND/NAME`, or `command line`.
    pub file: String,
    /// Line from 1; on the command line, number of the option from 0.
    pub line: u32,
    /// What it says there.
    pub text: String,
}

/// A reload of profiles and configuration that was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reloaded {
    /// Generation of the profiles in force.
    pub generation: u64,
    /// Living sessions whose traffic was judged anew.
    pub sessions: u64,
    /// What is to be known of some of them.
    pub troubles: Vec<ReloadTrouble>,
    /// Keys of `sheriffd.toml` that changed and only count at the daemon's start.
    pub restart_needed: Vec<String>,
}

/// A session that a reload left in trouble.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReloadTrouble {
    /// Which.
    pub session: SessionId,
    /// What is wrong, for people.
    pub problem: String,
}

/// Media type of a change to a secret. Not JSON: a value that goes through a JSON reader leaves copies of
/// itself in memory.
pub const SECRET_MEDIA_TYPE: &str = "application/vnd.sheriff.secret";
/// Largest body of such a change: a definition of 32 hosts and the largest value.
pub const SECRET_BYTES_MAX: usize = 96 * 1024;

/// The first line of a change to a secret. What follows the line's end is the value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretChange {
    /// What it is for; left out for another value of a secret that there is.
    pub definition: Option<SecretDefinition>,
}

/// All secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretList {
    /// One line each, by name.
    pub secrets: Vec<SecretLine>,
}

/// What is told of a secret: neither its value nor how long that is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretLine {
    /// Its name.
    pub name: SecretName,
    /// What it is for, every default written out; `None` for a record that can't be opened.
    pub definition: Option<SecretDefinition>,
    /// Its version; 0 for one whose value is not in the vault.
    pub version: u64,
    /// When this version was set; RFC 3339 UTC.
    pub created: Option<String>,
    /// When a request last took it, under this office; RFC 3339 UTC. The audit log knows all times.
    pub last_used: Option<String>,
    /// Why it can't be used.
    pub problem: Option<String>,
}
