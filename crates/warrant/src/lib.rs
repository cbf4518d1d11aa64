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
pub mod notice;
pub mod request;

pub use answer::{Answer, Counters, Prepared, Refusal};
pub use channel::{Channel, ChannelError};
pub use notice::{Ended, Notice, OfficeConfig, ProfileText, Profiles, ProfilesError, Welcome};
pub use request::{ArgumentError, Command, KillReason, Launch, ProcessId, Request, Stdio};

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
