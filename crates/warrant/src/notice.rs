//! What the warden tells the office unasked.
//!
//! Not for: answers to requests.

use std::fs::File;
use std::io::{Read, Seek};
use std::os::fd::OwnedFd;

use model::{Denials, ExitRecord, ProfileName, Recorded, SessionId};
use serde::{Deserialize, Serialize};

use crate::answer::{Counters, Prepared};
use crate::request::ProcessId;

/// Largest memory file of profiles in bytes. Real ones have some tens of KiB; this is 1,024 files of
/// the largest size that the warden takes.
pub const PROFILES_BYTES_MAX: u64 = 256 << 20;

/// Something that happened.
#[derive(Debug, Serialize, Deserialize)]
pub enum Notice {
    /// First message to an office.
    ///
    /// Descriptors: control listener (stream), attach listener (seqpacket), a memory file with
    /// [`Profiles`], the metrics listener (stream), and a TCP listener for metrics where one is set.
    Welcome(Box<Welcome>),
    /// The warden judges by other profiles from now on.
    ///
    /// Descriptor: a memory file with [`Profiles`].
    Profiles(Box<Reload>),
    /// The secrets of the configuration: right after `Welcome`, and right before each `Profiles`.
    ///
    /// Descriptors: a memory file with [`Secrets`](crate::Secrets), then those that it speaks of.
    Secrets,
    /// A jail that outlived the previous office, after `Welcome`; descriptors as for `Prepared`,
    /// without the operator's connection, which died with that office.
    Adopt(SessionId, ProfileName, Box<Prepared>),
    /// A process other than the main one ended. One that could not be executed never began: the
    /// answer to its request says so.
    Exited(SessionId, ProcessId, ExitRecord),
    /// The seccomp program of a jail refused calls. So many a second at most come of one jail; the
    /// rest is in the counts.
    Denied(SessionId, Denials),
    /// A jail is gone.
    Ended(Box<Ended>),
    /// Stop accepting, let go, flush, exit.
    Drain,
}

/// What the warden judges by from now on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reload {
    /// Generation of the profiles.
    pub generation: u64,
    /// User id of the operator who asked the office for it; none for a signal.
    pub operator: Option<u32>,
    /// What language models cost.
    pub prices: llm::PriceTable,
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
    /// What its command called, if that was recorded. Bounded by the number of calls that there are
    /// (`model::recorded`).
    pub recorded: Option<Recorded>,
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
    /// The folder of the audit log. The office opens it by path and has a Landlock rule for it.
    pub audit_dir: String,
}

/// The part of `sheriffd.toml` that the office needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfficeConfig {
    /// True when every audit record is on disk before its effect (`audit.sync = "always"`).
    pub audit_sync_always: bool,
    /// Size of an audit segment in bytes.
    pub audit_segment_bytes: u64,
    /// Segments older than so many milliseconds are removed. `None`: however old.
    pub audit_keep_ms: Option<u64>,
    /// The oldest segments are removed while all are larger than so many bytes. `None`: however large.
    pub audit_keep_bytes: Option<u64>,
    /// What language models cost.
    pub prices: llm::PriceTable,
    /// PEM file with certificate authorities that `network.http_fetch` trusts beside the host's.
    pub extra_ca: Option<String>,
    /// Whether every operator may let a command learn what it needs, not root alone.
    pub learn: bool,
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
    /// `jail`, `egress` or `seccomp`; `ceiling` for the configuration, where it sets one for egress.
    pub kind: String,
    /// Its name.
    pub name: ProfileName,
    /// Where it came from, for error messages.
    pub source: String,
    /// Its TOML text.
    pub text: String,
}

/// Profiles that can't travel, or that did not arrive whole.
#[derive(Debug, thiserror::Error)]
pub enum ProfilesError {
    /// The memory file can't be read.
    #[error("profiles: {0}")]
    Read(#[from] std::io::Error),
    /// They exceed [`PROFILES_BYTES_MAX`].
    #[error("profiles: more than {PROFILES_BYTES_MAX} bytes")]
    TooLarge,
    /// The bytes are not those of profiles.
    #[error("profiles: {0}")]
    Form(#[from] postcard::Error),
    /// Something follows the profiles.
    #[error("profiles: {bytes} bytes too many")]
    Trailing {
        /// How many.
        bytes: usize,
    },
}

impl Profiles {
    /// The form in which they travel in a memory file.
    ///
    /// # Errors
    /// [`ProfilesError::TooLarge`].
    pub fn encode(&self) -> Result<Vec<u8>, ProfilesError> {
        let bytes = postcard::to_allocvec(self)?;
        if bytes.len() as u64 > PROFILES_BYTES_MAX {
            return Err(ProfilesError::TooLarge);
        }
        Ok(bytes)
    }

    /// Reads what [`Self::encode`] made, and nothing but that.
    ///
    /// # Errors
    /// For bytes that are not of that form, or more than that.
    pub fn decode(bytes: &[u8]) -> Result<Self, ProfilesError> {
        let (profiles, rest) = postcard::take_from_bytes(bytes)?;
        match rest.len() {
            0 => Ok(profiles),
            bytes => Err(ProfilesError::Trailing { bytes }),
        }
    }

    /// Reads a memory file from its start: the position is shared with whoever held it before.
    ///
    /// # Errors
    /// [`ProfilesError`]; no more than [`PROFILES_BYTES_MAX`] are read to find that out.
    pub fn read(file: OwnedFd) -> Result<Self, ProfilesError> {
        let mut file = File::from(file);
        file.rewind()?;
        let mut bytes = Vec::new();
        file.take(PROFILES_BYTES_MAX + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > PROFILES_BYTES_MAX {
            return Err(ProfilesError::TooLarge);
        }
        Self::decode(&bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profiles() -> Profiles {
        let text = ProfileText {
            kind: "jail".to_owned(),
            name: "base".parse().unwrap(),
            source: "test:base".to_owned(),
            text: "version = 1\n".to_owned(),
        };
        Profiles { texts: vec![text] }
    }

    fn file(bytes: &[u8]) -> OwnedFd {
        sys::fds::memory_file(c"profiles", bytes).unwrap()
    }

    #[test]
    fn a_memory_file_is_read_whole_even_when_its_position_is_elsewhere() {
        let mut file = File::from(file(&profiles().encode().unwrap()));
        file.seek(std::io::SeekFrom::End(0)).unwrap();
        assert_eq!(Profiles::read(file.into()).unwrap(), profiles());
    }

    #[test]
    fn a_file_that_is_cut_longer_empty_or_too_large_is_refused() {
        let good = profiles().encode().unwrap();
        let cut = Profiles::read(file(&good[..good.len() - 1]));
        assert!(matches!(cut, Err(ProfilesError::Form(_))));
        let longer = Profiles::read(file(&[&good[..], b"x"].concat()));
        assert!(matches!(longer, Err(ProfilesError::Trailing { bytes: 1 })));
        let empty = Profiles::read(file(b""));
        assert!(matches!(empty, Err(ProfilesError::Form(_))));
        // A hole: the bytes take no memory until they are read.
        let large = File::from(file(&good));
        large.set_len(PROFILES_BYTES_MAX + 1).unwrap();
        let large = Profiles::read(large.into());
        assert!(matches!(large, Err(ProfilesError::TooLarge)));
    }
}
