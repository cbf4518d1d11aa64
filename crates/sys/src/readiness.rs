//! Waiting until descriptors are ready, and an event counter to be woken by.
//!
//! Not for: an event loop; callers own theirs.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};

use crate::error::{Context, SysError};

/// Waits until one of `fds` is readable or closed; says for each whether it is. All are `false`
/// after the timeout or a signal. `None` waits without end.
///
/// # Errors
/// `poll`'s.
pub fn wait_readable(
    fds: &[BorrowedFd<'_>],
    timeout: Option<Duration>,
) -> Result<Vec<bool>, SysError> {
    let mut list: Vec<PollFd<'_>> = fds
        .iter()
        .map(|fd| PollFd::new(*fd, PollFlags::POLLIN))
        .collect();
    let timeout = timeout.map_or(PollTimeout::NONE, |time| {
        PollTimeout::try_from(time).unwrap_or(PollTimeout::MAX)
    });
    match poll(&mut list, timeout) {
        Ok(_) => {}
        Err(Errno::EINTR) => return Ok(vec![false; fds.len()]),
        Err(errno) => return Err(SysError::new("poll", "", errno)),
    }
    let ready = |entry: &PollFd<'_>| entry.any().unwrap_or(true);
    Ok(list.iter().map(ready).collect())
}

/// Whether a descriptor takes more without waiting.
///
/// A Unix socket says so only while at most a quarter of its buffer is in use (`unix_writable` of
/// Linux), so what asks first leaves room for what does not.
///
/// # Errors
/// `poll`'s.
pub fn is_writable(fd: BorrowedFd<'_>) -> Result<bool, SysError> {
    let mut one = [PollFd::new(fd, PollFlags::POLLOUT)];
    match poll(&mut one, PollTimeout::ZERO) {
        Ok(ready) => Ok(ready > 0),
        Err(Errno::EINTR) => Ok(false),
        Err(errno) => Err(SysError::new("poll", "", errno)),
    }
}

/// A descriptor that becomes readable when the kernel or another holder counts an event on it.
#[derive(Debug)]
pub struct EventCounter {
    fd: EventFd,
}

impl EventCounter {
    /// Makes one at zero, close-on-exec and non-blocking.
    ///
    /// # Errors
    /// `eventfd2`'s.
    pub fn new() -> Result<Self, SysError> {
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        let fd = EventFd::from_flags(flags).call("eventfd2")?;
        Ok(Self { fd })
    }

    /// Events since the last call.
    ///
    /// # Errors
    /// `read`'s other than `EAGAIN`.
    pub fn take(&self) -> Result<u64, SysError> {
        match self.fd.read() {
            Err(Errno::EAGAIN) => Ok(0),
            other => other.call_on("read", "eventfd"),
        }
    }
}

impl AsFd for EventCounter {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// A pipe, close-on-exec at both ends: reading end first.
///
/// # Errors
/// `pipe2`'s.
pub fn pipe() -> Result<(OwnedFd, OwnedFd), SysError> {
    nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).call("pipe2")
}
