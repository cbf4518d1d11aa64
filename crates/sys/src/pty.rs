//! Pseudo-terminals, opened without ever trusting a path to their slave.
//!
//! Not for: line editing or terminal modes.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;

use crate::error::{Context, SysError};

/// Both ends of a pseudo-terminal.
#[derive(Debug)]
pub struct Pair {
    /// The end that whoever plays the terminal holds.
    pub master: OwnedFd,
    /// The end that the programs hold.
    pub slave: OwnedFd,
}

/// Opens a new pseudo-terminal through the multiplexer at `ptmx`. The slave comes from the master
/// itself (`TIOCGPTPEER`), never from a path (CVE-2025-52565).
///
/// # Errors
/// `open`'s and `ioctl`'s.
pub fn open_pair(ptmx: &CStr, rows: u16, cols: u16) -> Result<Pair, SysError> {
    let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let master = open(ptmx, flags, Mode::empty()).call_on("open", ptmx.to_string_lossy())?;
    let unlocked: libc::c_int = 0;
    #[expect(unsafe_code, reason = "TIOCSPTLCK has no safe wrapper")]
    // SAFETY: the kernel reads one int, which lives through the call.
    let code = unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCSPTLCK, &raw const unlocked) };
    Errno::result(code).call_on("ioctl", "TIOCSPTLCK")?;
    #[expect(unsafe_code, reason = "TIOCGPTPEER has no safe wrapper")]
    // SAFETY: the argument is a set of open flags, passed by value.
    let raw = unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCGPTPEER, flags.bits()) };
    let raw = Errno::result(raw).call_on("ioctl", "TIOCGPTPEER")?;
    #[expect(unsafe_code, reason = "the descriptor arrives as a number")]
    // SAFETY: the ioctl has just made this descriptor for this call alone.
    let slave = unsafe { OwnedFd::from_raw_fd(raw) };
    let pair = Pair { master, slave };
    resize(std::os::fd::AsFd::as_fd(&pair.master), rows, cols)?;
    Ok(pair)
}

/// Sets the size in characters; the foreground process group gets `SIGWINCH`.
///
/// # Errors
/// `ioctl`'s.
pub fn resize(terminal: BorrowedFd<'_>, rows: u16, cols: u16) -> Result<(), SysError> {
    let size = libc::winsize {
        ws_row: rows,
        ws_col: cols,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    #[expect(unsafe_code, reason = "TIOCSWINSZ has no safe wrapper")]
    // SAFETY: the kernel reads one winsize, which lives through the call.
    let code = unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) };
    Errno::result(code).call_on("ioctl", "TIOCSWINSZ")?;
    Ok(())
}

/// Starts a session and a process group that the caller leads.
///
/// # Errors
/// `setsid`'s: `EPERM` when it leads a group already.
pub fn start_session() -> Result<(), SysError> {
    nix::unistd::setsid().call("setsid")?;
    Ok(())
}

/// Makes a terminal the controlling one of the caller's session, never stealing it from another.
///
/// # Errors
/// `ioctl`'s.
pub fn take_control(terminal: BorrowedFd<'_>) -> Result<(), SysError> {
    #[expect(unsafe_code, reason = "TIOCSCTTY has no safe wrapper")]
    // SAFETY: the argument is a plain number.
    let code = unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCSCTTY, 0) };
    Errno::result(code).call_on("ioctl", "TIOCSCTTY")?;
    Ok(())
}
