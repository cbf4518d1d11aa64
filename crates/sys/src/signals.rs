//! Signals: masks, dispositions, a descriptor for ended children, sending to process groups.
//!
//! Not for: what a signal means to a jail (`jail`).

use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;
use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::error::{Context, SysError};

/// One more than the highest signal number of Linux (`_NSIG` is 64).
const SIGNALS_END: libc::c_int = 65;

/// A descriptor that is readable when a child has ended.
#[derive(Debug)]
pub struct ChildSignal {
    fd: SignalFd,
}

impl ChildSignal {
    /// Makes one, close-on-exec and non-blocking; `SIGCHLD` must be blocked ([`block_all`]).
    ///
    /// # Errors
    /// `signalfd`'s.
    pub fn new() -> Result<Self, SysError> {
        let mut set = SigSet::empty();
        set.add(nix::sys::signal::Signal::SIGCHLD);
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        let fd = SignalFd::with_flags(&set, flags).call("signalfd4")?;
        Ok(Self { fd })
    }

    /// Makes it unreadable until the next child ends.
    ///
    /// # Errors
    /// `read`'s.
    pub fn clear(&self) -> Result<(), SysError> {
        while self.fd.read_signal().call_on("read", "signalfd")?.is_some() {}
        Ok(())
    }
}

impl AsFd for ChildSignal {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Blocks every signal that can be blocked.
///
/// # Errors
/// `sigprocmask`'s.
pub fn block_all() -> Result<(), SysError> {
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::all()), None).call("sigprocmask")
}

/// Puts every signal at its default and blocks none, as a program expects to start: ignored signals
/// and masks survive exec, and Rust programs ignore `SIGPIPE`.
///
/// # Errors
/// `sigprocmask`'s.
pub fn reset() -> Result<(), SysError> {
    for number in 1..SIGNALS_END {
        #[expect(unsafe_code, reason = "nix has no type for real-time signals")]
        // SAFETY: SIG_DFL installs no handler; numbers the kernel or libc reserves are refused with
        // EINVAL, which leaves them at what exec gives them.
        unsafe {
            libc::signal(number, libc::SIG_DFL);
        }
    }
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None).call("sigprocmask")
}

/// Sends a signal to the process group that `leader` leads; falls back to the process alone while
/// it has not yet made its group.
///
/// # Errors
/// `kill`'s: `ESRCH` when it is gone, `EINVAL` for no such signal.
pub fn send_to_group(leader: i32, signal: i32) -> Result<(), SysError> {
    let refuse = leader <= 1 || !(1..SIGNALS_END).contains(&signal);
    if refuse {
        return Err(SysError::new("kill", leader.to_string(), Errno::EINVAL));
    }
    match kill(-leader, signal) {
        Err(Errno::ESRCH) => kill(leader, signal),
        other => other,
    }
    .call_on("kill", leader)
}

fn kill(pid: i32, signal: i32) -> nix::Result<()> {
    #[expect(unsafe_code, reason = "nix has no type for real-time signals")]
    // SAFETY: kill(2) takes two plain numbers.
    let code = unsafe { libc::kill(pid, signal) };
    Errno::result(code).map(drop)
}
