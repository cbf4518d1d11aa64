//! The closed request protocol between the warden (`sheriffd`) and the office (`sheriff-office`).
//!
//! One `SOCK_SEQPACKET` pair, postcard bodies, descriptors beside them. The office asks, the warden
//! answers each request once under the same tag; notices come unasked. The warden treats the office
//! as hostile: every field is bounded here and judged again by the warden's own configuration.
//!
//! Not for: what a jail or an operator says; neither speaks this protocol.
#![forbid(unsafe_code)]

pub mod answer;
pub mod channel;
pub mod hop;
pub mod notice;
pub mod ports;
pub mod request;
pub mod secrets;

pub use answer::{Answer, Counters, Prepared, Refusal, Reloaded};
pub use channel::{Channel, ChannelError};
pub use hop::HopEntry;
pub use notice::{
    Ended, Notice, OfficeConfig, ProfileText, Profiles, ProfilesError, Reload, Welcome,
};
pub use ports::{PORTS_MAX, PortsError, check_ports, is_further_port};
pub use request::{
    ArgumentError, Command, KillReason, Launch, ProcessId, Request, Stdio, TRUST_BYTES_MAX, Trust,
};
pub use secrets::{Secrets, SecretsError};

use serde::{Deserialize, Serialize};

/// What the office sends: a request under a tag that its answer repeats.
#[derive(Debug, Serialize, Deserialize)]
pub struct Ask {
    /// Chosen by the office, echoed by the warden.
    pub tag: u64,
    /// What is asked.
    pub request: Request,
}

/// What the warden sends.
#[derive(Debug, Serialize, Deserialize)]
pub enum Tell {
    /// The answer to the request of this tag.
    Answer(u64, Answer),
    /// Something that happened.
    Notice(Notice),
}
