//! Processes by descriptor: a number may come to name another process, a descriptor never does.
//!
//! Not for: making processes (`clone`), nor for their ends (`wait`).

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;

use crate::error::{Context, SysError};

/// A descriptor of the process that leads this thread group now, close-on-exec.
///
/// # Errors
/// `pidfd_open`'s: `ESRCH` when there is none, `EINVAL` or `ENOENT` for a thread that leads no group.
pub(crate) fn open(leader: i32) -> Result<OwnedFd, SysError> {
    #[expect(unsafe_code, reason = "pidfd_open has no safe wrapper")]
    // SAFETY: pidfd_open(2) takes two plain numbers.
    let code = unsafe { libc::syscall(libc::SYS_pidfd_open, leader, 0) };
    let code = Errno::result(code).call_on("pidfd_open", leader)?;
    let odd = |_range| SysError::new("pidfd_open", "descriptor", Errno::EPROTO);
    let raw = RawFd::try_from(code).map_err(odd)?;
    #[expect(unsafe_code, reason = "pidfd_open returns the descriptor as a number")]
    // SAFETY: pidfd_open succeeded, so it returned a fresh descriptor of this process.
    Ok(unsafe { OwnedFd::from_raw_fd(raw) })
}

/// Sends `SIGKILL` to the whole process.
///
/// # Errors
/// `pidfd_send_signal`'s: `ESRCH` when it was reaped, `EPERM` when it is another user's.
pub(crate) fn kill(process: BorrowedFd<'_>) -> Result<(), SysError> {
    #[expect(unsafe_code, reason = "pidfd_send_signal has no safe wrapper")]
    // SAFETY: a null siginfo is allowed (the kernel fills one in); the rest are numbers.
    let code = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            process.as_raw_fd(),
            libc::SIGKILL,
            std::ptr::null::<libc::siginfo_t>(),
            0,
        )
    };
    Errno::result(code).call("pidfd_send_signal")?;
    Ok(())
}
