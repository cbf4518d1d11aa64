//! The warden's second message: the secrets of the configuration, and the vault's key where the daemon
//! was given one.
//!
//! Not for: what comes of them (`vault`).

use std::fs::File;
use std::path::Path;

use control::hop::HopError;
use egress::Hop;
use sys::SysError;
use vault::store::StoreError;
use vault::{Configured, Key, KeyError};
use warrant::{Ask, Channel, ChannelError, Notice, Secrets, SecretsError, Tell};

use crate::confine::Folders;

/// Under which name messages speak of a key that came as a credential.
const CREDENTIAL: &str = "credential vault.key";

/// All that the vault starts with.
#[derive(Debug)]
pub(crate) struct Handed {
    /// What sealed secrets are opened with, or why they stay closed.
    pub(crate) key: Result<Key, KeyError>,
    /// Secrets of the configuration.
    pub(crate) configured: Vec<Configured>,
    /// The proxy that egress goes through.
    pub(crate) hop: Option<Hop>,
}

/// No good second message, or no folder for the vault.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HandedError {
    #[error(transparent)]
    Channel(#[from] ChannelError),
    #[error("the warden went before it said all")]
    Gone,
    #[error("the warden's second message is not its secrets")]
    Other,
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Hop(#[from] HopError),
}

/// Keeps this process's memory out of swap. Where the limit forbids that, an operator is told and the
/// office works all the same: to have no proxy is no safer.
pub(crate) fn lock_memory() -> Result<(), SysError> {
    if !sys::memory::lock_all()? {
        // No warning: a private daemon's go to the user's terminal, and containers often forbid it.
        tracing::info!(
            "memory is not locked, so secrets could get into swap: sheriffd may not raise RLIMIT_MEMLOCK"
        );
    }
    Ok(())
}

impl Handed {
    /// Waits for the message, and reads the key or makes it. Call before confinement: the key's file is
    /// out of reach afterwards.
    pub(crate) fn receive(
        channel: &Channel<Ask, Tell>,
        folders: &Folders,
    ) -> Result<Self, HandedError> {
        let (tell, fds) = channel.receive()?.ok_or(HandedError::Gone)?;
        let Tell::Notice(Notice::Secrets) = tell else {
            return Err(HandedError::Other);
        };
        let unpacked = control::secrets::unpack(Secrets::read(fds)?)?;
        vault::store::prepare(&folders.vault)?;
        Ok(Self {
            key: open_key(unpacked.key, folders),
            configured: unpacked.configured,
            hop: unpacked.hop,
        })
    }
}

fn open_key(handed: Option<File>, folders: &Folders) -> Result<Key, KeyError> {
    match handed {
        Some(mut file) => {
            // Shared with the warden, who hands it to each office.
            let rewound = std::io::Seek::rewind(&mut file);
            rewound.map_err(|source| KeyError::File {
                call: "lseek",
                path: CREDENTIAL.into(),
                source,
            })?;
            Key::from_file(file, Path::new(CREDENTIAL))
        }
        None => Key::at(&folders.vault.with_extension("key"), &folders.vault),
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::{AsFd, OwnedFd};

    use sys::seqpacket::Seqpacket;

    use super::*;

    fn folders(folder: &Path) -> Folders {
        Folders {
            audit: folder.join("audit"),
            sessions: folder.join("sessions"),
            vault: folder.join("vault"),
        }
    }

    fn hear(secrets: &Secrets, more: &[OwnedFd], folder: &Path) -> Result<Handed, HandedError> {
        let (ours, theirs) = Seqpacket::pair().unwrap();
        let office = Channel::<Ask, Tell>::new(ours);
        let warden = Channel::<Tell, Ask>::new(theirs);
        let told = sys::fds::memory_file(c"secrets", &secrets.encode().unwrap()).unwrap();
        let mut fds = vec![told.as_fd()];
        fds.extend(more.iter().map(AsFd::as_fd));
        warden.send(&Tell::Notice(Notice::Secrets), &fds).unwrap();
        Handed::receive(&office, &folders(folder))
    }

    #[test]
    fn takes_the_handed_key_or_makes_one_of_its_own_beside_the_vault() {
        let folder = tempfile::tempdir().unwrap();
        let handed = Secrets {
            key: true,
            ..Secrets::default()
        };
        let key = sys::fds::memory_file(c"key", &[7; 32]).unwrap();
        assert!(hear(&handed, &[key], folder.path()).unwrap().key.is_ok());
        assert!(!folder.path().join("vault.key").exists());
        let own = hear(&Secrets::default(), &[], folder.path()).unwrap();
        assert!(own.key.is_ok() && folder.path().join("vault.key").exists());
        let missing = hear(&handed, &[], folder.path());
        assert!(matches!(missing, Err(HandedError::Secrets(_))));
    }

    #[test]
    fn refuses_another_message_in_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let (ours, theirs) = Seqpacket::pair().unwrap();
        let office = Channel::<Ask, Tell>::new(ours);
        let warden = Channel::<Tell, Ask>::new(theirs);
        warden.send(&Tell::Notice(Notice::Drain), &[]).unwrap();
        let other = Handed::receive(&office, &folders(folder.path()));
        assert!(matches!(other, Err(HandedError::Other)));
        drop(warden);
        let gone = Handed::receive(&office, &folders(folder.path()));
        assert!(matches!(gone, Err(HandedError::Gone)));
    }
}
