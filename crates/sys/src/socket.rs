//! IPv4 sockets bound to one interface, and datagrams with the address that they were sent to.
//!
//! Not for: Unix sockets (`seqpacket`), nor for accepting and relaying.

use std::io::{IoSlice, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{
    AddressFamily, Backlog, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType,
    SockaddrIn, bind, listen, recvmsg, sendmsg, setsockopt, socket, sockopt,
};

use crate::error::{Context, SysError};

/// Size of what `SO_BINDTOIFINDEX` takes, an `int`.
const INDEX_BYTES: libc::socklen_t = 4;

/// A datagram that arrived on a socket made by [`datagrams_on`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Datagram {
    /// Bytes of it in the buffer.
    pub length: usize,
    /// Whether it was longer than the buffer.
    pub truncated: bool,
    /// Who sent it.
    pub source: SocketAddrV4,
    /// The address it was sent to; a reply must come from there.
    pub destination: Ipv4Addr,
}

/// Listens on a TCP port of every address, for connections that come in over one interface only.
///
/// The socket and what it accepts are tied to the interface's *index*, which no later interface of
/// the namespace gets as long as its owner numbers them upwards; a name could come to mean another.
/// `SO_REUSEADDR` and `SO_REUSEPORT` stay off, so a second listener for the same port and
/// interface fails. Non-blocking and close-on-exec.
///
/// # Errors
/// The socket calls': `EADDRINUSE`, and `ENODEV` for what can't be an index. Whether there is such an
/// interface is not checked (the kernel does not): without one, nothing ever arrives.
pub fn listener_on(interface: u32, port: u16, backlog: u16) -> Result<OwnedFd, SysError> {
    let fd = open_on(interface, port, SockType::Stream)?;
    let backlog = Backlog::new(i32::from(backlog)).call_on("listen", port)?;
    listen(&fd, backlog).call_on("listen", port)?;
    Ok(fd)
}

/// Opens a UDP port of every address, for datagrams that come in over one interface only, each with
/// the address that it was sent to (`IP_PKTINFO`). Non-blocking and close-on-exec.
///
/// # Errors
/// As for [`listener_on`].
pub fn datagrams_on(interface: u32, port: u16) -> Result<OwnedFd, SysError> {
    let fd = open_on(interface, port, SockType::Datagram)?;
    setsockopt(&fd, sockopt::Ipv4PacketInfo, &true).call_on("setsockopt", "IP_PKTINFO")?;
    Ok(fd)
}

/// Takes the next datagram of a socket made by [`datagrams_on`].
///
/// # Errors
/// `recvmsg`'s, for example `EAGAIN`; `EBADMSG` if the kernel did not say whom it was for.
pub fn receive_datagram(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> Result<Datagram, SysError> {
    let mut parts = [IoSliceMut::new(buffer)];
    let mut space = nix::cmsg_space!(libc::in_pktinfo);
    let raw = fd.as_raw_fd();
    let message = recvmsg::<SockaddrIn>(raw, &mut parts, Some(&mut space), MsgFlags::empty())
        .call("recvmsg")?;
    let source = message.address.ok_or(Errno::EBADMSG).call("recvmsg")?;
    let destination = message
        .cmsgs()
        .call("recvmsg")?
        .find_map(|part| match part {
            ControlMessageOwned::Ipv4PacketInfo(info) => Some(info.ipi_addr.s_addr),
            _ => None,
        })
        .ok_or(Errno::EBADMSG)
        .call_on("recvmsg", "IP_PKTINFO")?;
    Ok(Datagram {
        length: message.bytes,
        truncated: message.flags.contains(MsgFlags::MSG_TRUNC),
        source: source.into(),
        destination: Ipv4Addr::from(destination.to_ne_bytes()),
    })
}

/// Sends a datagram that comes from `source`, an address that its receiver had written to.
///
/// # Errors
/// `sendmsg`'s, for example `EAGAIN`.
pub fn send_datagram(
    fd: BorrowedFd<'_>,
    bytes: &[u8],
    to: SocketAddrV4,
    source: Ipv4Addr,
) -> Result<(), SysError> {
    let info = libc::in_pktinfo {
        ipi_ifindex: 0,
        ipi_spec_dst: libc::in_addr {
            s_addr: u32::from_ne_bytes(source.octets()),
        },
        ipi_addr: libc::in_addr { s_addr: 0 },
    };
    let parts = [IoSlice::new(bytes)];
    let control = [ControlMessage::Ipv4PacketInfo(&info)];
    let to = SockaddrIn::from(to);
    sendmsg(
        fd.as_raw_fd(),
        &parts,
        &control,
        MsgFlags::empty(),
        Some(&to),
    )
    .call_on("sendmsg", to)?;
    Ok(())
}

fn open_on(interface: u32, port: u16, kind: SockType) -> Result<OwnedFd, SysError> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let fd = socket(AddressFamily::Inet, kind, flags, None).call("socket")?;
    bind_to_interface(fd.as_fd(), interface)?;
    let any = SockaddrIn::from(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port));
    bind(fd.as_raw_fd(), &any).call_on("bind", any)?;
    Ok(fd)
}

/// `SO_BINDTOIFINDEX`, Linux 5.1.
fn bind_to_interface(fd: BorrowedFd<'_>, interface: u32) -> Result<(), SysError> {
    let index = libc::c_int::try_from(interface)
        .ok()
        .filter(|index| *index > 0)
        .ok_or(Errno::ENODEV)
        .call_on("setsockopt SO_BINDTOIFINDEX", interface)?;
    #[expect(unsafe_code, reason = "nix has no SO_BINDTOIFINDEX")]
    // SAFETY: the pointer and the length describe `index`, a live c_int that the kernel only reads;
    // the descriptor is borrowed for the call.
    let code = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_BINDTOIFINDEX,
            (&raw const index).cast(),
            INDEX_BYTES,
        )
    };
    Errno::result(code).call_on("setsockopt SO_BINDTOIFINDEX", interface)?;
    Ok(())
}
