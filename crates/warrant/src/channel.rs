//! Typed messages over a `Seqpacket`, bounded and checked in both directions.
//!
//! Not for: waiting. The warden polls, the office wraps the descriptor in its runtime.

use std::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use serde::Serialize;
use serde::de::DeserializeOwned;
use sys::SysError;
use sys::seqpacket::Seqpacket;

/// One end of the protocol: sends `S`, receives `R`.
#[derive(Debug)]
pub struct Channel<S, R> {
    socket: Seqpacket,
    kinds: PhantomData<fn(S) -> R>,
}

/// A message that could not be carried or understood.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// The socket failed.
    #[error("warrant channel: {0}")]
    Socket(#[source] SysError),
    /// The message is not of the protocol; the peer is broken or hostile.
    #[error("warrant channel: malformed message of {bytes} bytes")]
    Malformed {
        /// Its length.
        bytes: usize,
        /// What the decoder said.
        #[source]
        source: postcard::Error,
    },
    /// A value that can't be encoded.
    #[error("warrant channel: message can't be encoded")]
    Encode(#[source] postcard::Error),
}

impl<S: Serialize, R: DeserializeOwned> Channel<S, R> {
    /// Speaks over a connected socket.
    #[must_use]
    pub const fn new(socket: Seqpacket) -> Self {
        Self {
            socket,
            kinds: PhantomData,
        }
    }

    /// Sends one message with its descriptors.
    ///
    /// # Errors
    /// The socket's errors; `EMSGSIZE` for a message over the protocol's bound.
    pub fn send(&self, message: &S, fds: &[BorrowedFd<'_>]) -> Result<(), ChannelError> {
        let bytes = postcard::to_allocvec(message).map_err(ChannelError::Encode)?;
        self.socket.send(&bytes, fds).map_err(ChannelError::Socket)
    }

    /// Sends one message that can be done without, unless so many wait for the peer already that
    /// others may need the room; says whether it did.
    ///
    /// # Errors
    /// As for [`Self::send`].
    pub fn offer(&self, message: &S) -> Result<bool, ChannelError> {
        let room = sys::readiness::is_writable(self.socket.as_fd());
        if !room.map_err(ChannelError::Socket)? {
            return Ok(false);
        }
        match self.send(message, &[]) {
            Err(error) if error.would_block() => Ok(false),
            sent => sent.map(|()| true),
        }
    }

    /// Receives one message; `None` when the peer is gone.
    ///
    /// # Errors
    /// The socket's errors (`EAGAIN` when non-blocking); [`ChannelError::Malformed`].
    pub fn receive(&self) -> Result<Option<(R, Vec<OwnedFd>)>, ChannelError> {
        let Some(message) = self.socket.receive().map_err(ChannelError::Socket)? else {
            return Ok(None);
        };
        let body =
            postcard::from_bytes(&message.bytes).map_err(|source| ChannelError::Malformed {
                bytes: message.bytes.len(),
                source,
            })?;
        Ok(Some((body, message.fds)))
    }

    /// The socket, for options and waiting.
    pub const fn socket(&self) -> &Seqpacket {
        &self.socket
    }
}

impl ChannelError {
    /// True when a non-blocking call would have to wait.
    #[must_use]
    pub fn would_block(&self) -> bool {
        matches!(self, Self::Socket(error) if error.errno == sys::Errno::EAGAIN)
    }
}

impl<S, R> AsFd for Channel<S, R> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Ask, Request, Tell};
    use model::SessionId;

    #[test]
    fn carries_a_request_and_refuses_bytes_that_are_none() {
        let (a, b) = Seqpacket::pair().unwrap();
        let (office, warden) = (Channel::<Ask, Tell>::new(a), Channel::<Tell, Ask>::new(b));
        let session = SessionId::from_random([1; 8]);
        office
            .send(
                &Ask {
                    tag: 7,
                    request: Request::Commit(session.clone()),
                },
                &[],
            )
            .unwrap();
        let (ask, _) = warden.receive().unwrap().unwrap();
        assert_eq!(ask.tag, 7);
        assert!(matches!(ask.request, Request::Commit(got) if got == session));
        office.socket().send(&[0xff; 40], &[]).unwrap();
        assert!(matches!(
            warden.receive(),
            Err(ChannelError::Malformed { bytes: 40, .. })
        ));
    }

    #[test]
    fn offers_leave_most_of_the_room_to_what_must_be_said() {
        let (a, b) = Seqpacket::pair().unwrap();
        a.set_nonblocking(true).unwrap();
        let (warden, office) = (Channel::<Tell, Ask>::new(a), Channel::<Ask, Tell>::new(b));
        let denied = || {
            let denials = model::Denials::default();
            Tell::Notice(crate::Notice::Denied(
                SessionId::from_random([1; 8]),
                denials,
            ))
        };
        let offered = (0..100_000).take_while(|_| warden.offer(&denied()).unwrap());
        let offered = offered.count();
        assert!((10..100_000).contains(&offered), "{offered}");
        // Whatever must be said can be, twice as often as what was offered.
        for _ in 0..2 * offered {
            warden.send(&denied(), &[]).unwrap();
        }
        assert!(!warden.offer(&denied()).unwrap());
        for _ in 0..3 * offered {
            office.receive().unwrap().unwrap();
        }
        assert!(warden.offer(&denied()).unwrap());
        drop(office);
        assert!(warden.offer(&denied()).is_err());
    }
}
