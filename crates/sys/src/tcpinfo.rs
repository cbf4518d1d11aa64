//! What the kernel counted on one TCP socket: tcp(7), `TCP_INFO`.
//!
//! Not for: comparing it with what a program believes it moved.

use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;
use nix::libc;

use crate::error::{Context, SysError};

/// Payload counters of one TCP connection since its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TcpCounters {
    /// Bytes received in order. The peer's FIN counts as one, since it takes a sequence number.
    pub received: u64,
    /// Of them not yet read by the program.
    pub unread: u64,
    /// Bytes sent at least once; each counts once, however often it was sent.
    pub sent: u64,
    /// Bytes written by the program and not yet sent. Our own FIN, while it waits, counts as one.
    pub unsent: u64,
}

/// Where the fields lie in `struct tcp_info` of `linux/tcp.h`. The kernel only ever appends to it.
const BYTES_RECEIVED: usize = 128;
const NOTSENT_BYTES: usize = 144;
const BYTES_SENT: usize = 200;
const BYTES_RETRANS: usize = 208;
/// Enough for the fields above and then some; the kernel fills what fits.
const BUFFER: usize = 256;

/// Reads the counters of a TCP socket. They stay readable after its connection is over.
///
/// # Errors
/// `getsockopt`'s and `ioctl`'s; `EOPNOTSUPP` before Linux 4.19, which lacks some of the counters.
pub fn counters(fd: BorrowedFd<'_>) -> Result<TcpCounters, SysError> {
    let info = read_info(fd)?;
    let sent = wide(&info, BYTES_SENT)?;
    let again = wide(&info, BYTES_RETRANS)?;
    Ok(TcpCounters {
        received: wide(&info, BYTES_RECEIVED)?,
        unread: unread(fd)?,
        sent: sent.saturating_sub(again),
        unsent: u64::from(narrow(&info, NOTSENT_BYTES)?),
    })
}

fn read_info(fd: BorrowedFd<'_>) -> Result<Vec<u8>, SysError> {
    let mut buffer = vec![0_u8; BUFFER];
    let mut length = libc::socklen_t::try_from(buffer.len()).unwrap_or(0);
    #[expect(
        unsafe_code,
        reason = "TCP_INFO has no safe wrapper with the newer fields"
    )]
    // SAFETY: the kernel writes at most `length` bytes, the size of `buffer`, which outlives the
    // call, and stores the number written in `length`.
    let code = unsafe {
        libc::getsockopt(
            fd.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            buffer.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    Errno::result(code).call_on("getsockopt", "TCP_INFO")?;
    buffer.truncate(usize::try_from(length).unwrap_or(0));
    Ok(buffer)
}

fn unread(fd: BorrowedFd<'_>) -> Result<u64, SysError> {
    let mut count: libc::c_int = 0;
    #[expect(unsafe_code, reason = "FIONREAD has no safe wrapper")]
    // SAFETY: FIONREAD stores one c_int at the pointer, and `count` is one that outlives the call.
    let code = unsafe { libc::ioctl(fd.as_raw_fd(), libc::FIONREAD, &raw mut count) };
    Errno::result(code).call_on("ioctl", "FIONREAD")?;
    Ok(u64::try_from(count).unwrap_or(0))
}

fn wide(info: &[u8], at: usize) -> Result<u64, SysError> {
    field::<8>(info, at).map(u64::from_ne_bytes)
}

fn narrow(info: &[u8], at: usize) -> Result<u32, SysError> {
    field::<4>(info, at).map(u32::from_ne_bytes)
}

fn field<const N: usize>(info: &[u8], at: usize) -> Result<[u8; N], SysError> {
    let bytes = info
        .get(at..at.saturating_add(N))
        .and_then(|bytes| bytes.try_into().ok());
    bytes
        .ok_or(Errno::EOPNOTSUPP)
        .call_on("getsockopt", "TCP_INFO")
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn counts_payload_both_ways_and_what_is_unread() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut far, _) = listener.accept().unwrap();
        near.write_all(&[7; 1000]).unwrap();
        far.read_exact(&mut [0; 400]).unwrap();
        far.write_all(&[1; 30]).unwrap();
        near.read_exact(&mut [0; 30]).unwrap();
        let there = counters(far.as_fd()).unwrap();
        assert_eq!((there.received, there.unread), (1000, 600));
        assert_eq!(there.sent + there.unsent, 30);
        assert_eq!(counters(near.as_fd()).unwrap().sent, 1000);
    }
}
