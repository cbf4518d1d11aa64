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

/// `ETHTOOL_GLINK` (`linux/ethtool.h`).
const GET_LINK: u32 = 0x0a;

/// `struct ethtool_value`.
#[repr(C)]
struct Question {
    command: u32,
    answer: u32,
}

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

    /// True when an interface of this socket's namespace has a carrier. To answer, Linux 6.8 and later
    /// first finish what a change of the carrier began (`ethtool_op_get_link`), so that what is sent
    /// from then on is not dropped by a queue that has yet to be started.
    ///
    /// # Errors
    /// `ioctl`'s; `ENAMETOOLONG` for a name of 16 bytes or more.
    pub fn has_carrier(&self, interface: &str) -> Result<bool, SysError> {
        #[expect(unsafe_code, reason = "a plain record of the C library")]
        // SAFETY: `ifreq` is numbers, pointers and arrays of numbers: no pattern of bits is forbidden.
        let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
        // One less: the name ends with a zero byte.
        let room = request.ifr_name.len().saturating_sub(1);
        if interface.len() > room {
            return Err(refuse("ioctl", Errno::ENAMETOOLONG));
        }
        for (place, byte) in request.ifr_name.iter_mut().zip(interface.bytes()) {
            *place = libc::c_char::from_ne_bytes([byte]);
        }
        let mut question = Question {
            command: GET_LINK,
            answer: 0,
        };
        request.ifr_ifru.ifru_data = (&raw mut question).cast();
        let fd = self.fd.as_raw_fd();
        #[expect(unsafe_code, reason = "ethtool's questions have no safe wrapper")]
        // SAFETY: `request` is a whole `ifreq` with a terminated name; its data points to a writable
        // `ethtool_value`, all that this command reads and writes; both outlive the call.
        let code = unsafe { libc::ioctl(fd, libc::SIOCETHTOOL, &raw mut request) };
        Errno::result(code).call_on("ioctl(SIOCETHTOOL)", interface)?;
        Ok(question.answer != 0)
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
