//! The account of one session, as `sheriff run --report` writes it.
//!
//! Not for: live counters while a session runs (`control`).

use model::{ExitRecord, KernelUsage, Layers, Limits, ProfileName, SessionId, Usage};
use serde::{Deserialize, Serialize};

use crate::recording::Recording;

/// All that is known of a session at its end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Its id.
    pub session: SessionId,
    /// Its profile.
    pub profile: ProfileName,
    /// How it ended.
    pub exit: ExitRecord,
    /// From the command's start to the end of the jail.
    pub duration_ms: u64,
    /// What the kernel confirmed before the start.
    pub layers: Layers,
    /// The meter of the proxy.
    pub egress: Usage,
    /// The kernel's count of the same bytes.
    pub kernel: KernelUsage,
    /// The limits that held.
    pub limits: Limits,
    /// Highest memory use in bytes.
    pub memory_peak: u64,
    /// Processor time in microseconds.
    pub cpu_us: u64,
    /// System calls that the seccomp program refused and reported.
    pub syscalls_denied: u64,
    /// Denied requests, in order, the first [`DENIALS_MAX`].
    pub denials: Vec<Denial>,
    /// Generation of the policy in force at the end.
    pub policy_generation: u64,
    /// What the command called, if that was asked for and the jail lived long enough to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recorded: Option<Recording>,
}

/// Most denials that a report lists; the audit log has them all.
pub const DENIALS_MAX: usize = 100;

/// One denied request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Denial {
    /// Id for `sheriff egress why`.
    pub id: String,
    /// Method.
    pub method: String,
    /// Canonical host, or the escaped text of one that is none.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Stable reason code.
    pub reason: String,
}
