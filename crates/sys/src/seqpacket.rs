//! A Unix `SOCK_SEQPACKET` connection that carries bounded messages and file descriptors.
//!
//! Not for: what the messages mean (`warrant`, `api`), nor for waiting; callers poll the fd.

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::path::Path;

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, UnixAddr,
    UnixCredentials, accept4, bind, connect, getsockopt, listen, recv, recvmsg, sendmsg,
    setsockopt, socket, socketpair, sockopt,
};

use crate::error::{Context, SysError};

/// Most descriptors that one message may carry: a prepared jail has six sockets and one for each of up to
/// 64 further ports; the kernel's own bound is 253 (`SCM_MAX_FD`).
pub const FDS_MAX: usize = 96;

/// Socket buffer asked for, so that a message of [`MESSAGE_MAX`] always fits.
const BUFFER_BYTES: usize = 1 << 20;

/// Largest message: 128 KiB of arguments and environment plus room for the rest of a launch.
pub const MESSAGE_MAX: usize = 192 * 1024;

/// One end of a connection. Messages keep their boundaries; the end of the peer reads as `None`.
#[derive(Debug)]
pub struct Seqpacket {
    fd: OwnedFd,
}

/// A message and the descriptors that came with it (close-on-exec from birth).
#[derive(Debug)]
pub struct Message {
    /// The bytes of the message.
    pub bytes: Vec<u8>,
    /// Its descriptors, in the order in which they were sent.
    pub fds: Vec<OwnedFd>,
}

impl Seqpacket {
    /// Makes a connected pair.
    ///
    /// # Errors
    /// The socket calls' errors.
    pub fn pair() -> Result<(Self, Self), SysError> {
        let flags = SockFlag::SOCK_CLOEXEC;
        let (a, b) =
            socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags).call("socketpair")?;
        Ok((Self::from_fd(a)?, Self::from_fd(b)?))
    }

    /// Takes over a connected socket, for example an inherited one.
    ///
    /// # Errors
    /// The socket calls' errors.
    pub fn from_fd(fd: OwnedFd) -> Result<Self, SysError> {
        // Root may go beyond the host's usual maximum; others take what they get.
        if setsockopt(&fd, sockopt::SndBufForce, &BUFFER_BYTES).is_err() {
            setsockopt(&fd, sockopt::SndBuf, &BUFFER_BYTES).call_on("setsockopt", "SO_SNDBUF")?;
        }
        Ok(Self { fd })
    }

    /// Connects to a listening socket.
    ///
    /// # Errors
    /// The socket calls' errors, with the path.
    pub fn connect(path: &Path) -> Result<Self, SysError> {
        let fd = new_socket()?;
        let address = UnixAddr::new(path).call_on("connect", path.display())?;
        connect(fd.as_raw_fd(), &address).call_on("connect", path.display())?;
        Self::from_fd(fd)
    }

    /// Switches between blocking and non-blocking operation.
    ///
    /// # Errors
    /// `fcntl`'s.
    pub fn set_nonblocking(&self, nonblocking: bool) -> Result<(), SysError> {
        crate::fds::set_nonblocking(self.fd.as_fd(), nonblocking)
    }

    /// Sends one message with descriptors; never raises `SIGPIPE`.
    ///
    /// # Errors
    /// `EMSGSIZE` over [`MESSAGE_MAX`] or [`FDS_MAX`]; `EAGAIN` when non-blocking and full;
    /// `EPIPE` when the peer is gone.
    pub fn send(&self, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> Result<(), SysError> {
        if bytes.len() > MESSAGE_MAX || fds.len() > FDS_MAX {
            return Err(SysError::new(
                "sendmsg",
                format!("{} bytes", bytes.len()),
                Errno::EMSGSIZE,
            ));
        }
        let raw: Vec<RawFd> = fds.iter().map(AsRawFd::as_raw_fd).collect();
        let rights = [ControlMessage::ScmRights(&raw)];
        let control: &[ControlMessage<'_>] = if raw.is_empty() { &[] } else { &rights };
        let iov = [IoSlice::new(bytes)];
        retry(|| {
            sendmsg::<UnixAddr>(
                self.fd.as_raw_fd(),
                &iov,
                control,
                MsgFlags::MSG_NOSIGNAL,
                None,
            )
        })
        .call("sendmsg")?;
        Ok(())
    }

    /// Sends one message if that can be done at once, whatever mode the connection is in; says
    /// whether it was.
    ///
    /// # Errors
    /// As for [`Seqpacket::send`], but for `EAGAIN`.
    pub fn offer(&self, bytes: &[u8]) -> Result<bool, SysError> {
        let flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT;
        let fd = self.fd.as_raw_fd();
        let iov = [IoSlice::new(bytes)];
        match retry(|| sendmsg::<UnixAddr>(fd, &iov, &[], flags, None)) {
            Ok(_) => Ok(true),
            Err(Errno::EAGAIN) => Ok(false),
            Err(errno) => Err(SysError::new("sendmsg", "", errno)),
        }
    }

    /// Receives one message; `None` when the peer has closed.
    ///
    /// # Errors
    /// `EMSGSIZE` for a message or descriptor list that was cut; `EAGAIN` when non-blocking and empty.
    pub fn receive(&self) -> Result<Option<Message>, SysError> {
        // The length first: a buffer for the largest message would cost more than the message.
        let mut bytes = vec![0u8; self.next_length()?.min(MESSAGE_MAX)];
        let mut space = nix::cmsg_space!([RawFd; FDS_MAX]);
        let (length, cut, fds) = {
            let mut iov = [IoSliceMut::new(&mut bytes)];
            let flags = MsgFlags::MSG_CMSG_CLOEXEC;
            let fd = self.fd.as_raw_fd();
            let got = loop {
                match recvmsg::<UnixAddr>(fd, &mut iov, Some(&mut space), flags) {
                    Err(Errno::EINTR) => {}
                    other => break other.call("recvmsg")?,
                }
            };
            let fds = collect_fds(got.cmsgs().call("recvmsg")?);
            (
                got.bytes,
                got.flags
                    .intersects(MsgFlags::MSG_TRUNC | MsgFlags::MSG_CTRUNC),
                fds,
            )
        };
        if cut {
            return Err(SysError::new("recvmsg", "message cut", Errno::EMSGSIZE));
        }
        if length == 0 && fds.is_empty() {
            return Ok(None);
        }
        bytes.truncate(length);
        Ok(Some(Message { bytes, fds }))
    }

    /// Bytes of the message that waits, left in place; 0 at the end of the peer.
    fn next_length(&self) -> Result<usize, SysError> {
        let flags = MsgFlags::MSG_PEEK | MsgFlags::MSG_TRUNC;
        retry(|| recv(self.fd.as_raw_fd(), &mut [], flags)).call("recv")
    }

    /// The peer's credentials as the kernel recorded them when it connected (`SO_PEERCRED`).
    ///
    /// # Errors
    /// `getsockopt`'s.
    pub fn peer(&self) -> Result<Peer, SysError> {
        peer_of(self.fd.as_fd())
    }
}

impl AsFd for Seqpacket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl AsRawFd for Seqpacket {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

impl From<Seqpacket> for OwnedFd {
    fn from(socket: Seqpacket) -> Self {
        socket.fd
    }
}

/// Who is at the other end of a Unix socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Process id, for messages only: it may have been reused.
    pub pid: i32,
}

/// Credentials of the peer of a connected Unix socket.
///
/// # Errors
/// `getsockopt`'s, for example `ENOTSOCK`.
pub fn peer_of(fd: BorrowedFd<'_>) -> Result<Peer, SysError> {
    let credentials: UnixCredentials =
        getsockopt(&fd, sockopt::PeerCredentials).call_on("getsockopt", "SO_PEERCRED")?;
    Ok(Peer {
        uid: credentials.uid(),
        gid: credentials.gid(),
        pid: credentials.pid(),
    })
}

/// Listens for connections at a path that must not exist yet.
///
/// # Errors
/// `EADDRINUSE` when something is at the path; the socket calls' errors.
pub fn listen_at(path: &Path, backlog: i32) -> Result<OwnedFd, SysError> {
    let fd = new_socket()?;
    let address = UnixAddr::new(path).call_on("bind", path.display())?;
    bind(fd.as_raw_fd(), &address).call_on("bind", path.display())?;
    let backlog = nix::sys::socket::Backlog::new(backlog).call_on("listen", path.display())?;
    listen(&fd, backlog).call_on("listen", path.display())?;
    Ok(fd)
}

/// Accepts one connection.
///
/// # Errors
/// `accept4`'s, `EAGAIN` when non-blocking and none waits.
pub fn accept(listener: BorrowedFd<'_>) -> Result<Seqpacket, SysError> {
    let raw = retry(|| accept4(listener.as_raw_fd(), SockFlag::SOCK_CLOEXEC)).call("accept4")?;
    Seqpacket::from_fd(own(raw))
}

fn new_socket() -> Result<OwnedFd, SysError> {
    socket(
        AddressFamily::Unix,
        SockType::SeqPacket,
        SockFlag::SOCK_CLOEXEC,
        None,
    )
    .call("socket")
}

fn retry<T>(mut call: impl FnMut() -> nix::Result<T>) -> nix::Result<T> {
    loop {
        match call() {
            Err(Errno::EINTR) => {}
            other => return other,
        }
    }
}

fn collect_fds<'a>(messages: impl Iterator<Item = ControlMessageOwned> + 'a) -> Vec<OwnedFd> {
    messages
        .filter_map(|message| match message {
            ControlMessageOwned::ScmRights(raw) => Some(raw),
            _ => None,
        })
        .flatten()
        .map(own)
        .collect()
}

#[expect(
    unsafe_code,
    reason = "descriptors from the kernel arrive as plain numbers"
)]
fn own(raw: RawFd) -> OwnedFd {
    // SAFETY: the kernel has just installed `raw` in this process for this call alone (accept4 or
    // SCM_RIGHTS); nobody else knows the number, so this value becomes its only owner.
    unsafe { OwnedFd::from_raw_fd(raw) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn carries_messages_with_their_descriptors() {
        let (a, b) = Seqpacket::pair().unwrap();
        let (read, write) = std::io::pipe().unwrap();
        a.send(b"one", &[write.as_fd()]).unwrap();
        a.send(b"two", &[]).unwrap();
        let first = b.receive().unwrap().unwrap();
        assert_eq!((first.bytes.as_slice(), first.fds.len()), (&b"one"[..], 1));
        let second = b.receive().unwrap().unwrap();
        assert_eq!(
            (second.bytes.as_slice(), second.fds.len()),
            (&b"two"[..], 0)
        );
        drop((read, a));
        assert!(b.receive().unwrap().is_none());
    }

    #[test]
    fn an_offer_never_waits_even_on_a_connection_that_does() {
        let (a, b) = Seqpacket::pair().unwrap();
        let mut taken = 0;
        while a.offer(&[7; 4096]).unwrap() {
            taken += 1;
        }
        assert!(taken > 0);
        b.receive().unwrap().unwrap();
        while !a.offer(&[7; 4096]).unwrap() {
            b.receive().unwrap().unwrap();
        }
        drop(b);
        // Not EPIPE: the peer went with messages that it had not read.
        assert_eq!(a.offer(b"x").unwrap_err().errno, Errno::ECONNRESET);
    }

    #[test]
    fn carries_the_largest_message_and_refuses_a_larger_one() {
        let (a, b) = Seqpacket::pair().unwrap();
        a.send(&vec![7; MESSAGE_MAX], &[]).unwrap();
        assert_eq!(b.receive().unwrap().unwrap().bytes.len(), MESSAGE_MAX);
        let error = a.send(&vec![7; MESSAGE_MAX + 1], &[]).unwrap_err();
        assert_eq!(error.errno, Errno::EMSGSIZE);
    }
}
