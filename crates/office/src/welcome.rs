//! The warden's first message: settings, listening sockets, profiles.
//!
//! Not for: what comes after it (`control`).

use std::os::fd::OwnedFd;

use sys::SysError;
use sys::seqpacket::Seqpacket;
use warrant::{Ask, Channel, ChannelError, Notice, Profiles, ProfilesError, Tell, Welcome};

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
    #[error("the welcome came with {got} descriptors instead of 3")]
    Descriptors { got: usize },
    #[error(transparent)]
    Profiles(#[from] ProfilesError),
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
        let [control, attach, profiles] = fds
            .try_into()
            .map_err(|_other: Vec<OwnedFd>| WelcomeError::Descriptors { got })?;
        Ok(Self {
            word: *word,
            control,
            attach,
            profiles: Profiles::read(profiles)?,
        })
    }
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
    fn takes_a_welcome_with_its_three_descriptors_and_nothing_else() {
        let (ours, theirs) = Seqpacket::pair().unwrap();
        let office = Channel::<Ask, Tell>::new(ours);
        let warden = Channel::<Tell, Ask>::new(theirs);
        let empty = Profiles { texts: Vec::new() }.encode().unwrap();
        let file = || sys::fds::memory_file(c"profiles", &empty).unwrap();
        let fds = [file(), file(), file()];
        let borrowed: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
        warden.send(&welcome(), &borrowed).unwrap();
        assert_eq!(Welcomed::receive(&office).unwrap().word.generation, 3);
        warden.send(&welcome(), &borrowed[..2]).unwrap();
        let short = Welcomed::receive(&office);
        assert!(matches!(short, Err(WelcomeError::Descriptors { got: 2 })));
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
