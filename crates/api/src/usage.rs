//! Where bytes went: answers of `GET /v1/egress/usage` and `GET /v1/egress/live`.
//!
//! Not for: single requests (`EgressEvent`).

use std::collections::BTreeMap;

use model::{HostUsage, KernelUsage, LlmTotals, SecretUsage, SessionId, Usage};
use serde::{Deserialize, Serialize};

use crate::control::SessionLine;

/// What sessions sent and received within a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EgressUsage {
    /// The time of the answer, RFC 3339 UTC.
    pub until: String,
    /// From when on; `None`: as far back as the log goes.
    pub since: Option<String>,
    /// Sessions with egress in that time, by id.
    pub sessions: Vec<SessionEgress>,
    /// Sessions that had no room in the answer; narrow the time.
    pub left_out: u64,
}

/// One session's share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionEgress {
    /// Which.
    pub session: SessionId,
    /// When it ended; `None` while it lives.
    pub ended: Option<String>,
    /// By canonical host, or `other`.
    pub hosts: BTreeMap<String, HostEgress>,
    /// By name of the secret that was put in.
    pub secrets: BTreeMap<String, SecretUsage>,
    /// Language models.
    pub llm: LlmTotals,
    /// What the kernel counted since the session's start.
    pub kernel: Option<KernelUsage>,
    /// Whether that was all.
    pub account: Account,
}

/// What went to and came from one host.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostEgress {
    /// Requests judged and exchanges ended within the time.
    #[serde(flatten)]
    pub usage: HostUsage,
    /// Bytes sent by exchanges that are not closed on record: those under way, since they began.
    pub open_up: u64,
    /// Bytes received by them.
    pub open_down: u64,
}

/// The answer to "is that all that left?".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// True when every byte that the kernel took from the jail is one that the proxy counted.
    pub is_complete: bool,
    /// Bytes that nothing explains, since the session's start.
    pub unexplained_bytes: u64,
    /// The same in a sentence.
    pub verdict: String,
}

/// Living sessions as they are now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LiveEgress {
    /// The time of the answer, RFC 3339 UTC.
    pub time: String,
    /// One each, oldest first.
    pub sessions: Vec<LiveSession>,
}

/// One living session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LiveSession {
    /// As lists have it.
    #[serde(flatten)]
    pub line: SessionLine,
    /// Its meter since its start.
    pub egress: Usage,
    /// Its budgets: each with what is used and what is allowed.
    pub budgets: Vec<BudgetLine>,
    /// Bytes that nothing explains.
    pub unexplained_bytes: u64,
}

/// One budget, in its own unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetLine {
    /// `egress_up`, `egress_down` (bytes), `requests`, `llm_tokens`, or `llm_cost` (millionths of a US
    /// dollar).
    pub budget: String,
    /// Used so far.
    pub used: u64,
    /// Allowed in all.
    pub limit: u64,
}
