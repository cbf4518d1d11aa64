//! Chosen signals as readable events, for single-threaded programs.
//!
//! Not for: sending, masks and dispositions (`signals`).

use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::error::{Context, SysError};

/// Blocked signals that arrive on a descriptor instead.
#[derive(Debug)]
pub struct SignalQueue {
    fd: SignalFd,
}

impl SignalQueue {
    /// Blocks these signals in the calling thread and collects them from now on.
    ///
    /// # Errors
    /// `EINVAL` for a number that is no signal; `sigprocmask`'s and `signalfd`'s.
    pub fn collect(numbers: &[i32]) -> Result<Self, SysError> {
        let mut set = SigSet::empty();
        for number in numbers {
            set.add(Signal::try_from(*number).call_on("signalfd4", number)?);
        }
        set.thread_block().call("sigprocmask")?;
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        let fd = SignalFd::with_flags(&set, flags).call("signalfd4")?;
        Ok(Self { fd })
    }

    /// The next signal that waits, if one does.
    ///
    /// # Errors
    /// `read`'s.
    pub fn next(&self) -> Result<Option<i32>, SysError> {
        match self.fd.read_signal() {
            Ok(Some(info)) => Ok(i32::try_from(info.ssi_signo).ok()),
            Ok(None) | Err(Errno::EINTR) => Ok(None),
            Err(errno) => Err(SysError::new("read", "signalfd", errno)),
        }
    }
}

impl AsFd for SignalQueue {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// A child changed its state.
pub const CHILD: i32 = libc::SIGCHLD;
/// Read the configuration again.
pub const HANGUP: i32 = libc::SIGHUP;
/// Stop, from a keyboard.
pub const INTERRUPT: i32 = libc::SIGINT;
/// Stop.
pub const TERMINATE: i32 = libc::SIGTERM;
