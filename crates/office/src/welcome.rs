//! The warden's first message: settings, listening sockets, profiles.
//!
//! Not for: what comes after it (`control`).

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;

use sys::SysError;
use sys::seqpacket::Seqpacket;
use warrant::{Ask, Channel, ChannelError, Notice, Profiles, Tell, Welcome};

/// Largest memory file of profiles: as many files of the largest size as the warden takes.
const PROFILE_BYTES_MAX: u64 = 256 << 20;

/// All that the warden says first.
#[derive(Debug)]
pub(crate) struct Welcomed {
    /// Its words.
    pub(crate) word: Welcome,
    /// Listener of `control.sock`.
    pub(crate) control: OwnedFd,
    /// Listener of `attach.sock`.
    pub(crate) attach: OwnedFd,
    /// The profiles.
    pub(crate) profiles: Profiles,
}

/// No good welcome.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WelcomeError {
    #[error(transparent)]
    Channel(#[from] ChannelError),
    #[error("the warden went before it said anything")]
    Gone,
    #[error("the warden's first message is not a welcome")]
    Other,
    #[error("the welcome came with {got} descriptors instead of 4")]
    Descriptors { got: usize },
    #[error("profiles: {0}")]
    Read(#[from] std::io::Error),
    #[error("profiles: {0}")]
    Decode(#[from] postcard::Error),
    #[error(transparent)]
    Sys(#[from] SysError),
}

impl Welcomed {
    /// Waits for the welcome.
    pub(crate) fn receive(channel: &Channel<Ask, Tell>) -> Result<Self, WelcomeError> {
        let socket: &Seqpacket = channel.socket();
        socket.set_nonblocking(false)?;
        let (tell, fds) = channel.receive()?.ok_or(WelcomeError::Gone)?;
        let Tell::Notice(Notice::Welcome(word)) = tell else {
            return Err(WelcomeError::Other);
        };
        let got = fds.len();
        let [control, attach, audit, profiles] = fds
            .try_into()
            .map_err(|_other: Vec<OwnedFd>| WelcomeError::Descriptors { got })?;
        // The log opens its folder by path, under Landlock.
        drop(audit);
        Ok(Self {
            word: *word,
            control,
            attach,
            profiles: read(profiles)?,
        })
    }
}

/// Reads from the start: the file's position is shared with whoever held it before.
fn read(file: OwnedFd) -> Result<Profiles, WelcomeError> {
    let mut file = File::from(file);
    std::io::Seek::rewind(&mut file)?;
    let mut bytes = Vec::new();
    file.take(PROFILE_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(Profiles::decode(&bytes)?)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use warrant::OfficeConfig;

    use super::*;

    fn welcome() -> Tell {
        let word = Welcome {
            config: OfficeConfig {
                audit_sync_always: false,
                audit_segment_bytes: 1 << 20,
                extra_ca: None,
                operator_group: "sheriff".to_owned(),
            },
            generation: 3,
            restarts: 0,
            audit_dir: "/nowhere/audit".to_owned(),
        };
        Tell::Notice(Notice::Welcome(Box::new(word)))
    }

    #[test]
    fn takes_a_welcome_with_its_four_descriptors_and_nothing_else() {
        let (ours, theirs) = Seqpacket::pair().unwrap();
        let office = Channel::<Ask, Tell>::new(ours);
        let warden = Channel::<Tell, Ask>::new(theirs);
        let empty = Profiles { texts: Vec::new() }.encode().unwrap();
        let file = || sys::fds::memory_file(c"profiles", &empty).unwrap();
        let fds = [file(), file(), file(), file()];
        let borrowed: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
        warden.send(&welcome(), &borrowed).unwrap();
        assert_eq!(Welcomed::receive(&office).unwrap().word.generation, 3);
        warden.send(&welcome(), &borrowed[..3]).unwrap();
        let short = Welcomed::receive(&office);
        assert!(matches!(short, Err(WelcomeError::Descriptors { got: 3 })));
        warden.send(&Tell::Notice(Notice::Drain), &[]).unwrap();
        assert!(matches!(
            Welcomed::receive(&office),
            Err(WelcomeError::Other)
        ));
        drop(warden);
        assert!(matches!(
            Welcomed::receive(&office),
            Err(WelcomeError::Gone)
        ));
    }
}
