//! A request that was not carried out: all that its answer says.
//!
//! Not for: writing that answer as HTTP (`respond`).

use model::EventId;
use serde::Serialize;

/// Why a request was not carried out. As JSON it is the body of the denial.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{error} ({reason}, {host}:{port}, {id})")]
pub struct Refusal {
    /// HTTP status that goes with it.
    #[serde(skip)]
    pub status: u16,
    /// What happened, in words.
    pub error: String,
    /// Stable machine-readable code.
    pub reason: String,
    /// Canonical host; for unparsable input, the escaped and cut text.
    pub host: String,
    /// Destination port; 0 when there was none to read.
    pub port: u16,
    /// The rule that decided, when one did.
    pub rule: Option<String>,
    /// The same id as in the log. After very many denials of one session only some are recorded one
    /// by one; `next_steps` of the others says that their id is not in the log.
    pub id: EventId,
    /// Seconds after which it is worth to try again, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u32>,
    /// What the reader can do about it.
    pub next_steps: Vec<String>,
}
