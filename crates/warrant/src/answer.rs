//! What the warden answers.
//!
//! Not for: things that happen unasked (`notice`).

use std::net::Ipv4Addr;

use model::{ExitRecord, Layers, Limits};
use serde::{Deserialize, Serialize};

use crate::request::ProcessId;

/// The answer to one request.
#[derive(Debug, Serialize, Deserialize)]
pub enum Answer {
    /// The jail stands, confined and confirmed; its command has not started.
    ///
    /// Descriptors: the listeners in the order of [`LISTENERS`], then the gateway's listener, then those
    /// of [`Prepared::ports`].
    Prepared(Box<Prepared>),
    /// The process runs. Descriptor: the terminal's master for `Stdio::Terminal`.
    Started(ProcessId),
    /// It is done.
    Done,
    /// Counters as they are now.
    Counters(Counters),
    /// These ports are open now. Descriptors: their listeners, in this order.
    Opened(Vec<u16>),
    /// The profiles and the configuration are those on disk.
    Reloaded(Reloaded),
    /// It was not done, and nothing is left of it.
    Refused(Refusal),
}

/// Order of a cell's listeners wherever their descriptors travel: explicit proxy, transparent HTTP,
/// transparent HTTPS, DNS over TCP, DNS over UDP.
pub const LISTENERS: [&str; 5] = ["explicit", "http", "https", "dns_tcp", "dns_udp"];

/// A jail that waits for its start to be put on record.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Prepared {
    /// What the kernel confirmed.
    pub layers: Layers,
    /// The limits in force, overrides applied.
    pub limits: Limits,
    /// The jail's address in its cell.
    pub address: Ipv4Addr,
    /// Host user id of the agent, the only one that may use the gateway's socket.
    pub agent_uid: u32,
    /// The further TCP ports that were opened, in the order of their descriptors.
    pub ports: Vec<u16>,
    /// Microseconds that the construction took.
    pub build_us: u64,
}

/// Counters that the kernel keeps for a jail.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Frame bytes that left the jail.
    pub bytes_up: u64,
    /// Frame bytes that entered it.
    pub bytes_down: u64,
    /// Frames that left it.
    pub packets_up: u64,
    /// Frames that entered it.
    pub packets_down: u64,
    /// Highest memory use in bytes.
    pub memory_peak: u64,
    /// Processor time in microseconds.
    pub cpu_us: u64,
    /// Processes ended for want of memory.
    pub oom_kills: u64,
}

/// A reload that the warden has done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reloaded {
    /// Generation of the profiles.
    pub generation: u64,
    /// Keys of the configuration that differ from those at the daemon's start and only count then.
    pub restart: Vec<String>,
}

/// Why a request was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The step that failed, or `request` for one that was refused as such.
    pub step: String,
    /// What happened, with the object and the kernel's answer.
    pub message: String,
    /// What the operator can do about it; may be empty.
    pub remedy: String,
    /// True when the caller asked for something not permitted or malformed, false when the host failed.
    pub callers_fault: bool,
    /// The end of a command that could not be executed, where that is the reason.
    pub exit: Option<ExitRecord>,
}
