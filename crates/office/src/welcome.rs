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
    /// Listener of `metrics.sock`.
    pub(crate) metrics: OwnedFd,
    /// Listener on a port of the host for the same, where one is set.
    pub(crate) metrics_tcp: Option<OwnedFd>,
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
    #[error("the welcome came with {got} descriptors instead of 4 or 5")]
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
        let mut fds = fds;
        let further = fds.split_off(got.min(4));
        let [control, attach, profiles, metrics] = fds
            .try_into()
            .map_err(|_other: Vec<OwnedFd>| WelcomeError::Descriptors { got })?;
        if further.len() > 1 {
            return Err(WelcomeError::Descriptors { got });
        }
        Ok(Self {
            word: *word,
            control,
            attach,
            profiles: Profiles::read(profiles)?,
            metrics,
            metrics_tcp: further.into_iter().next(),
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
                audit_keep_ms: None,
                audit_keep_bytes: None,
                prices: llm::PriceTable::default(),
                extra_ca: None,
                learn: false,
                operator_group: "sheriff".to_owned(),
            },
            generation: 3,
            restarts: 0,
            audit_dir: "/nowhere/audit".to_owned(),
        };
        Tell::Notice(Notice::Welcome(Box::new(word)))
    }

    #[test]
    fn takes_a_welcome_with_its_descriptors_and_nothing_else() {
        let (ours, theirs) = Seqpacket::pair().unwrap();
        let office = Channel::<Ask, Tell>::new(ours);
        let warden = Channel::<Tell, Ask>::new(theirs);
        let empty = Profiles { texts: Vec::new() }.encode().unwrap();
        let file = || sys::fds::memory_file(c"profiles", &empty).unwrap();
        let fds = [file(), file(), file(), file(), file(), file()];
        let borrowed: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
        for (fds, has_tcp) in [(4, false), (5, true)] {
            warden.send(&welcome(), &borrowed[..fds]).unwrap();
            let welcomed = Welcomed::receive(&office).unwrap();
            assert_eq!(welcomed.word.generation, 3);
            assert_eq!(welcomed.metrics_tcp.is_some(), has_tcp);
        }
        for wrong in [2, 3, 6] {
            warden.send(&welcome(), &borrowed[..wrong]).unwrap();
            let refused = Welcomed::receive(&office);
            assert!(matches!(refused, Err(WelcomeError::Descriptors { got }) if got == wrong));
        }
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
