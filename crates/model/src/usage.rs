//! Units that the meter counts.
//!
//! Not for: counting; these are snapshots.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::llm::LlmTotals;

/// Egress of one session so far. Bytes are payload of the tunnels and messages, both directions
/// seen from the jail: up leaves it, down enters it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Decisions taken.
    pub requests: u64,
    /// Of them allowed.
    pub allowed: u64,
    /// Of them denied.
    pub denied: u64,
    /// Bytes sent upstream.
    pub bytes_up: u64,
    /// Bytes received from upstream.
    pub bytes_down: u64,
    /// The same by canonical host; bounded, the rest is under `other`.
    pub by_host: BTreeMap<String, HostUsage>,
    /// Requests that a secret was put into, by its name. A request may carry several.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub by_secret: BTreeMap<String, SecretUsage>,
    /// Answers of language models; not written while there are none.
    #[serde(default, skip_serializing_if = "LlmTotals::is_empty")]
    pub llm: LlmTotals,
}

/// Egress of one session with one secret.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretUsage {
    /// Requests that carried it.
    pub requests: u64,
    /// Bytes sent upstream with them.
    pub bytes_up: u64,
    /// Bytes received from upstream for them.
    pub bytes_down: u64,
}

/// Egress of one session to one host.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostUsage {
    /// Decisions taken.
    pub requests: u64,
    /// Of them allowed.
    pub allowed: u64,
    /// Of them denied.
    pub denied: u64,
    /// Bytes sent upstream.
    pub bytes_up: u64,
    /// Bytes received from upstream.
    pub bytes_down: u64,
}

/// What the kernel counted for the same jail, and how it compares.
///
/// `socket_*` come from `TCP_INFO` of the jail-side sockets at their close; `client_*` are what the
/// proxy read from and wrote to those same sockets. They must be equal; the difference is
/// `unexplained_bytes`. `veth_*` count whole frames, so they exceed the payload by the framing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KernelUsage {
    /// Frame bytes that left the jail over its veth.
    pub bytes_up: u64,
    /// Frame bytes that entered the jail over its veth.
    pub bytes_down: u64,
    /// Frames that left the jail.
    pub packets_up: u64,
    /// Frames that entered the jail.
    pub packets_down: u64,
    /// Payload bytes the kernel received on the jail-side TCP sockets.
    pub socket_up: u64,
    /// Payload bytes the kernel delivered on the jail-side TCP sockets.
    pub socket_down: u64,
    /// Payload bytes the proxy read from the jail.
    pub client_up: u64,
    /// Payload bytes the proxy wrote to the jail.
    pub client_down: u64,
    /// Bytes that the two accounts disagree by; more than 0 is an alert.
    pub unexplained_bytes: u64,
}
