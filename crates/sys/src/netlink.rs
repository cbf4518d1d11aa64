//! A raw `NETLINK_ROUTE` socket: bytes to the kernel, bytes back.
//!
//! Not for: the messages themselves (`network`).

use std::cell::Cell;
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recvmsg, sendmsg,
    socket,
};

use crate::error::{Context, SysError};

/// Port number of the kernel's end (netlink(7)).
const KERNEL: u32 = 0;

/// A netlink socket. It speaks for the network namespace in which it was opened, for ever,
/// wherever its thread goes afterwards.
#[derive(Debug)]
pub struct NetlinkSocket {
    fd: OwnedFd,
    sequence: Cell<u32>,
}

impl NetlinkSocket {
    /// Opens a socket in the calling thread's network namespace.
    ///
    /// # Errors
    /// `socket`'s and `bind`'s.
    pub fn open() -> Result<Self, SysError> {
        let fd = socket(
            AddressFamily::Netlink,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC,
            SockProtocol::NetlinkRoute,
        )
        .call_on("socket", "NETLINK_ROUTE")?;
        bind(fd.as_raw_fd(), &NetlinkAddr::new(0, 0)).call_on("bind", "NETLINK_ROUTE")?;
        Ok(Self {
            fd,
            sequence: Cell::new(0),
        })
    }

    /// A sequence number that this socket did not use before (until it wraps after 2^32 requests).
    #[must_use]
    pub fn next_sequence(&self) -> u32 {
        let next = self.sequence.get().wrapping_add(1);
        self.sequence.set(next);
        next
    }

    /// Sends requests to the kernel, which carries them out before this call returns.
    ///
    /// # Errors
    /// `sendmsg`'s. What the kernel thinks of the requests comes with [`Self::receive`].
    pub fn send(&self, requests: &[u8]) -> Result<(), SysError> {
        let parts = [IoSlice::new(requests)];
        let kernel = NetlinkAddr::new(KERNEL, 0);
        let fd = self.fd.as_raw_fd();
        let sent = sendmsg(fd, &parts, &[], MsgFlags::empty(), Some(&kernel))
            .call_on("sendmsg", "NETLINK_ROUTE")?;
        if sent == requests.len() {
            return Ok(());
        }
        Err(refuse("sendmsg", Errno::EMSGSIZE))
    }

    /// Takes the next answer of the kernel into `buffer` and returns its length.
    ///
    /// Never waits: the answers to a request are queued when [`Self::send`] returns, so an empty
    /// queue is a failure (`EAGAIN`) and not a reason for a privileged process to hang.
    ///
    /// # Errors
    /// `recvmsg`'s; `EMSGSIZE` for an answer longer than `buffer`; `EPROTO` for a message that is
    /// not from the kernel.
    pub fn receive(&self, buffer: &mut [u8]) -> Result<usize, SysError> {
        let mut parts = [IoSliceMut::new(buffer)];
        let fd = self.fd.as_raw_fd();
        let answer = recvmsg::<NetlinkAddr>(fd, &mut parts, None, MsgFlags::MSG_DONTWAIT)
            .call_on("recvmsg", "NETLINK_ROUTE")?;
        if answer.flags.contains(MsgFlags::MSG_TRUNC) {
            return Err(refuse("recvmsg", Errno::EMSGSIZE));
        }
        if answer.address.is_none_or(|from| from.pid() != KERNEL) {
            return Err(refuse("recvmsg", Errno::EPROTO));
        }
        Ok(answer.bytes)
    }
}

fn refuse(call: &'static str, errno: Errno) -> SysError {
    SysError::new(call, "NETLINK_ROUTE", errno)
}
