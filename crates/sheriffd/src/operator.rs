//! Who asks: the operator behind a connection that the office passed along.
//!
//! The office is not believed. Only a connection accepted on `attach.sock` counts, one whose client
//! is still there, and each counts once; its peer's credentials are the kernel's word. Any other
//! socket that root made, the office's own channel among them, would also say user 0.
//!
//! Not for: what an operator may ask for (`authority`).

use std::collections::{HashSet, VecDeque};
use std::os::fd::BorrowedFd;
use std::path::PathBuf;

use sys::peer_socket::{Kind, describe, is_hung_up};
use sys::seqpacket::{Peer, peer_of};

/// How many used connections are remembered. A client would have to stay connected while this many
/// others come and go before its connection could be used again.
const REMEMBERED: usize = 1 << 18;

/// Checks connections.
#[derive(Debug)]
pub(crate) struct Operators {
    door: PathBuf,
    used: HashSet<u64>,
    order: VecDeque<u64>,
}

/// A descriptor that shows no operator.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OperatorError {
    #[error("operator's connection: {0}")]
    Sys(#[from] sys::SysError),
    #[error("the descriptor is no connection that was accepted on {}", door.display())]
    Foreign { door: PathBuf },
    #[error("the operator's client has gone")]
    Gone,
    #[error("the operator's connection was used already")]
    Used,
}

impl Operators {
    /// Accepts connections of this listener's path alone.
    pub(crate) fn at(door: PathBuf) -> Self {
        Self {
            door,
            used: HashSet::new(),
            order: VecDeque::new(),
        }
    }

    /// Says who is behind a connection, and remembers that it was used.
    pub(crate) fn identify(&mut self, connection: BorrowedFd<'_>) -> Result<Peer, OperatorError> {
        let foreign = || OperatorError::Foreign {
            door: self.door.clone(),
        };
        let socket = describe(connection)?.ok_or_else(foreign)?;
        let accepted = socket.kind == Kind::Seqpacket && !socket.listening;
        if !accepted || socket.path.as_ref() != Some(&self.door) {
            return Err(foreign());
        }
        if is_hung_up(connection)? {
            return Err(OperatorError::Gone);
        }
        if !self.used.insert(socket.cookie) {
            return Err(OperatorError::Used);
        }
        self.order.push_back(socket.cookie);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.used.remove(&oldest);
        }
        Ok(peer_of(connection)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;
    use sys::seqpacket::{Seqpacket, accept, listen_at};

    #[test]
    fn only_a_fresh_accepted_living_connection_shows_an_operator() {
        let folder = tempfile::tempdir().unwrap();
        let door = folder.path().join("attach.sock");
        let listener = listen_at(&door, 4).unwrap();
        let mut operators = Operators::at(door.clone());
        let client = Seqpacket::connect(&door).unwrap();
        let accepted = accept(listener.as_fd()).unwrap();
        // The office's own channel, a listener, the client's end, a regular file.
        let (channel, _other) = Seqpacket::pair().unwrap();
        let file = std::fs::File::open("/dev/null").unwrap();
        for wrong in [
            channel.as_fd(),
            listener.as_fd(),
            client.as_fd(),
            file.as_fd(),
        ] {
            let refused = operators.identify(wrong);
            assert!(
                matches!(refused, Err(OperatorError::Foreign { .. })),
                "{refused:?}"
            );
        }
        let peer = operators.identify(accepted.as_fd()).unwrap();
        assert_eq!(peer.uid, sys::users::effective());
        let again = operators.identify(accepted.as_fd());
        assert!(matches!(again, Err(OperatorError::Used)), "{again:?}");
        let gone = Seqpacket::connect(&door).unwrap();
        let kept = accept(listener.as_fd()).unwrap();
        drop(gone);
        let late = operators.identify(kept.as_fd());
        assert!(matches!(late, Err(OperatorError::Gone)), "{late:?}");
    }
}
