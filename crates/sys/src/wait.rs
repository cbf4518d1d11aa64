//! Ends of child processes.
//!
//! Not for: exit codes of `sheriff run` (`model::exit`).

use std::os::fd::BorrowedFd;

use nix::errno::Errno;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};

use crate::error::{Context, SysError};

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It exited with this code.
    Exited(u8),
    /// This signal ended it.
    Signalled(u8),
}

/// Reaps the child behind a pidfd if it has ended.
pub(crate) fn try_reap(pidfd: BorrowedFd<'_>) -> Result<Option<Outcome>, SysError> {
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG;
    let status = waitid(Id::PIDFd(pidfd), flags).call_on("waitid", "pidfd")?;
    Ok(outcome(status))
}

/// Waits for the child behind a pidfd and reaps it.
pub(crate) fn reap(pidfd: BorrowedFd<'_>) -> Result<Outcome, SysError> {
    loop {
        match waitid(Id::PIDFd(pidfd), WaitPidFlag::WEXITED) {
            Err(Errno::EINTR) => {}
            other => {
                let status = other.call_on("waitid", "pidfd")?;
                let odd = || SysError::new("waitid", "status", Errno::EPROTO);
                return outcome(status).ok_or_else(odd);
            }
        }
    }
}

/// Reaps any one child of the caller that has ended; `None` when none has.
///
/// # Errors
/// `waitpid`'s other than `ECHILD`.
pub fn reap_any() -> Result<Option<(i32, Outcome)>, SysError> {
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Err(Errno::EINTR) => {}
            Err(Errno::ECHILD) => return Ok(None),
            other => {
                let status = other.call("waitpid")?;
                let pid = status.pid().map_or(0, nix::unistd::Pid::as_raw);
                return Ok(outcome(status).map(|outcome| (pid, outcome)));
            }
        }
    }
}

fn outcome(status: WaitStatus) -> Option<Outcome> {
    let byte = |number: i32| u8::try_from(number & 0xff).unwrap_or(u8::MAX);
    match status {
        WaitStatus::Exited(_, code) => Some(Outcome::Exited(byte(code))),
        WaitStatus::Signaled(_, signal, _) => Some(Outcome::Signalled(byte(signal as i32))),
        _ => None,
    }
}
