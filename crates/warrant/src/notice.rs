//! What the warden tells the office unasked.
//!
//! Not for: answers to requests.

use model::{ExitRecord, ProfileName, SessionId};
use serde::{Deserialize, Serialize};

use crate::answer::{Counters, Prepared};
use crate::request::ProcessId;

/// Something that happened.
#[derive(Debug, Serialize, Deserialize)]
pub enum Notice {
    /// First message to an office.
    ///
    /// Descriptors: control listener (stream), attach listener (seqpacket), audit folder, and a
    /// memory file with [`Profiles`].
    Welcome(Box<Welcome>),
    /// A jail that outlived the previous office, after `Welcome`; descriptors as for `Prepared`,
    /// without the operator's connection, which died with that office.
    Adopt(SessionId, ProfileName, Box<Prepared>),
    /// A process other than the main one ended.
    Exited(SessionId, ProcessId, ExitRecord),
    /// A jail is gone.
    Ended(Box<Ended>),
    /// Stop accepting, let go, flush, exit.
    Drain,
}

/// The end of a jail.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Ended {
    /// Which.
    pub session: SessionId,
    /// How its main command ended.
    pub record: ExitRecord,
    /// The kernel's last word.
    pub counters: Counters,
}

/// All that an office is told about its world. It reads no configuration of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// Its settings.
    pub config: OfficeConfig,
    /// Generation of the profiles, 1 at start, counted up by each reload.
    pub generation: u64,
    /// How many offices came before this one; above 0, `Adopt` notices follow.
    pub restarts: u32,
    /// The folder of the audit log as a path, for messages and for its Landlock rule.
    pub audit_dir: String,
}

/// The part of `sheriffd.toml` that the office needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfficeConfig {
    /// True when every audit record is on disk before its effect (`audit.sync = "always"`).
    pub audit_sync_always: bool,
    /// Size of an audit segment in bytes.
    pub audit_segment_bytes: u64,
    /// PEM file with certificate authorities that `network.http_fetch` trusts beside the host's.
    pub extra_ca: Option<String>,
    /// Group whose members may use the operator's sockets, beside root; for messages.
    pub operator_group: String,
}

/// The texts of all profiles as the warden loaded them, so that both judge by the same words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profiles {
    /// Each file.
    pub texts: Vec<ProfileText>,
}

/// One profile file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfileText {
    /// `jail` or `egress`.
    pub kind: String,
    /// Its name.
    pub name: ProfileName,
    /// Where it came from, for error messages.
    pub source: String,
    /// Its TOML text.
    pub text: String,
}

impl Profiles {
    /// The form in which they travel in a memory file.
    ///
    /// # Errors
    /// None that a list of texts can cause; the encoder's own.
    pub fn encode(&self) -> Result<Vec<u8>, postcard::Error> {
        postcard::to_allocvec(self)
    }

    /// Reads what [`Self::encode`] made.
    ///
    /// # Errors
    /// For bytes that are not of that form.
    pub fn decode(bytes: &[u8]) -> Result<Self, postcard::Error> {
        postcard::from_bytes(bytes)
    }
}
