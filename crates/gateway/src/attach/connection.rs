//! One client's connection: JSON messages with descriptors over a seqpacket socket.
//!
//! Not for: what the messages ask for.

use std::os::fd::{AsFd, OwnedFd};

use api::attach::FromOffice;
use serde::de::DeserializeOwned;
use sys::SysError;
use sys::seqpacket::{Message, Peer, Seqpacket};
use tokio::io::unix::AsyncFd;

use crate::json;

/// A client's connection.
#[derive(Debug)]
pub(super) struct Connection {
    socket: AsyncFd<Seqpacket>,
    peer: Peer,
}

/// A connection that can't go on.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectionError {
    /// The socket failed.
    #[error(transparent)]
    Socket(#[from] SysError),
    /// The runtime could not watch it.
    #[error("watching the connection: {0}")]
    Watch(#[from] std::io::Error),
    /// The client does not speak the protocol.
    #[error("malformed message: {0}")]
    Malformed(#[from] serde_json::Error),
}

impl Connection {
    pub(super) fn new(socket: Seqpacket) -> Result<Self, ConnectionError> {
        let peer = socket.peer()?;
        socket.set_nonblocking(true)?;
        Ok(Self {
            socket: control::watch(socket)?,
            peer,
        })
    }

    /// Who connected.
    pub(super) const fn peer(&self) -> Peer {
        self.peer
    }

    /// The connection once more, for the warden to read the peer from.
    pub(super) fn duplicate(&self) -> Result<OwnedFd, ConnectionError> {
        Ok(self.socket.get_ref().as_fd().try_clone_to_owned()?)
    }

    /// The next message; `None` when the client is gone.
    pub(super) async fn receive<T: DeserializeOwned>(
        &self,
    ) -> Result<Option<(T, Vec<OwnedFd>)>, ConnectionError> {
        let Some(Message { bytes, fds }) = self.next().await? else {
            return Ok(None);
        };
        Ok(Some((json::parse(&bytes)?, fds)))
    }

    /// Sends a message, with a descriptor if there is one.
    pub(super) async fn send(
        &self,
        message: &FromOffice,
        fd: Option<OwnedFd>,
    ) -> Result<(), ConnectionError> {
        let bytes = serde_json::to_vec(message)?;
        let fds: Vec<_> = fd.iter().map(AsFd::as_fd).collect();
        loop {
            let mut ready = self.socket.writable().await?;
            match self.socket.get_ref().send(&bytes, &fds) {
                Err(error) if error.errno == sys::Errno::EAGAIN => ready.clear_ready(),
                done => return Ok(done?),
            }
        }
    }

    async fn next(&self) -> Result<Option<Message>, ConnectionError> {
        loop {
            let mut ready = self.socket.readable().await?;
            match self.socket.get_ref().receive() {
                Err(error) if error.errno == sys::Errno::EAGAIN => ready.clear_ready(),
                // A client that goes with our words unread resets the connection.
                Err(error) if error.errno == sys::Errno::ECONNRESET => return Ok(None),
                done => return Ok(done?),
            }
        }
    }
}
