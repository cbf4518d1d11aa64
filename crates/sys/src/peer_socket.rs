//! What a socket that somebody handed over really is: its kind, its name, its identity, its peer.
//!
//! Not for: making sockets or talking over them.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::path::PathBuf;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{SockType, UnixAddr, getpeername, getsockname, getsockopt, sockopt};

use crate::error::{Context, SysError};

/// A Unix socket, as the kernel describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnixSocket {
    /// How it carries bytes.
    pub kind: Kind,
    /// True while it listens.
    pub listening: bool,
    /// True while it has a peer by name or by pairing.
    pub connected: bool,
    /// The path it is bound to; an accepted socket carries its listener's.
    pub path: Option<PathBuf>,
    /// Unlike any other socket's since the host started (`SO_COOKIE`).
    pub cookie: u64,
}

/// How a Unix socket carries bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `SOCK_STREAM`
    Stream,
    /// `SOCK_SEQPACKET`
    Seqpacket,
    /// Any other.
    Other,
}

/// Describes a Unix socket; `None` for whatever else the descriptor is.
///
/// # Errors
/// `getsockopt`'s.
pub fn describe(fd: BorrowedFd<'_>) -> Result<Option<UnixSocket>, SysError> {
    let raw = fd.as_raw_fd();
    // Fails for other address families and for what is no socket.
    let Ok(name) = getsockname::<UnixAddr>(raw) else {
        return Ok(None);
    };
    let kind = getsockopt(&fd, sockopt::SockType).call_on("getsockopt", "SO_TYPE")?;
    Ok(Some(UnixSocket {
        kind: match kind {
            SockType::Stream => Kind::Stream,
            SockType::SeqPacket => Kind::Seqpacket,
            _ => Kind::Other,
        },
        listening: getsockopt(&fd, sockopt::AcceptConn).call_on("getsockopt", "SO_ACCEPTCONN")?,
        connected: getpeername::<UnixAddr>(raw).is_ok(),
        path: name.path().map(PathBuf::from),
        cookie: cookie(fd)?,
    }))
}

/// True when the peer of a connected socket is gone.
///
/// # Errors
/// `poll`'s.
pub fn is_hung_up(fd: BorrowedFd<'_>) -> Result<bool, SysError> {
    let mut fds = [PollFd::new(fd.as_fd(), PollFlags::empty())];
    poll(&mut fds, PollTimeout::ZERO).call("poll")?;
    let gone = PollFlags::POLLHUP | PollFlags::POLLERR;
    Ok(fds
        .iter()
        .any(|one| one.revents().is_some_and(|events| events.intersects(gone))))
}

fn cookie(fd: BorrowedFd<'_>) -> Result<u64, SysError> {
    let mut cookie = 0u64;
    let mut length: libc::socklen_t = 8;
    #[expect(unsafe_code, reason = "nix has no SO_COOKIE")]
    // SAFETY: the kernel writes at most `length` bytes, which is the size of `cookie`; both live
    // until the call is over.
    let code = unsafe {
        libc::getsockopt(
            fd.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_COOKIE,
            (&raw mut cookie).cast(),
            &raw mut length,
        )
    };
    Errno::result(code).call_on("getsockopt", "SO_COOKIE")?;
    Ok(cookie)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seqpacket::{Seqpacket, accept, listen_at};

    #[test]
    fn tells_an_accepted_connection_from_everything_else() {
        let path = std::env::temp_dir().join(format!("peer-socket-{}", std::process::id()));
        let listener = listen_at(&path, 1).unwrap();
        let client = Seqpacket::connect(&path).unwrap();
        let accepted = accept(listener.as_fd()).unwrap();
        std::fs::remove_file(&path).unwrap();
        let of = |fd: BorrowedFd<'_>| describe(fd).unwrap().unwrap();
        let right = of(accepted.as_fd());
        assert_eq!(right.kind, Kind::Seqpacket);
        assert!(right.connected && !right.listening);
        assert_eq!(right.path.as_ref(), Some(&path));
        assert!(of(listener.as_fd()).listening);
        assert_eq!(of(client.as_fd()).path, None);
        let (one, _other) = Seqpacket::pair().unwrap();
        assert_eq!(of(one.as_fd()).path, None);
        assert_ne!(of(one.as_fd()).cookie, right.cookie);
        assert!(!is_hung_up(accepted.as_fd()).unwrap());
        drop(client);
        assert!(is_hung_up(accepted.as_fd()).unwrap());
        assert_eq!(describe(std::io::stdin().as_fd()).unwrap(), None);
    }
}
