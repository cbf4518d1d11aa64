//! A terminal's mode and window, and pairs of pseudo-terminals.
//!
//! Not for: moving bytes, nor for the jail's own devpts (`jail`).

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::pty::{Winsize, openpty};
use nix::sys::termios::{SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};

use crate::error::{Context, SysError};

/// A terminal that passes every byte on as it is typed, until this value is dropped.
#[derive(Debug)]
pub struct RawMode {
    terminal: OwnedFd,
    before: Termios,
}

impl RawMode {
    /// Makes the terminal raw; dropping the value restores what was set before.
    ///
    /// # Errors
    /// `ENOTTY` for what is no terminal; `tcsetattr`'s.
    pub fn enter(terminal: BorrowedFd<'_>) -> Result<Self, SysError> {
        let terminal = terminal.try_clone_to_owned().call("dup")?;
        let before = tcgetattr(&terminal).call("tcgetattr")?;
        let mut raw = before.clone();
        cfmakeraw(&mut raw);
        tcsetattr(&terminal, SetArg::TCSANOW, &raw).call("tcsetattr")?;
        Ok(Self { terminal, before })
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        // Not TCSADRAIN: a terminal stopped by ^S would hold the process here. A terminal that is
        // gone has no mode to restore, so the result says nothing anyone could act on.
        tcsetattr(&self.terminal, SetArg::TCSANOW, &self.before).ok();
    }
}

/// Rows and columns of a terminal; `None` when it doesn't know them.
///
/// # Errors
/// `ENOTTY` for what is no terminal.
pub fn window(terminal: BorrowedFd<'_>) -> Result<Option<(u16, u16)>, SysError> {
    let mut size = winsize(0, 0);
    #[expect(unsafe_code, reason = "TIOCGWINSZ has no safe wrapper")]
    // SAFETY: TIOCGWINSZ writes one `winsize`, which `size` owns for the length of the call.
    let code = unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCGWINSZ, &raw mut size) };
    Errno::result(code).call_on("ioctl", "TIOCGWINSZ")?;
    Ok(Some((size.ws_row, size.ws_col)).filter(|(rows, columns)| *rows > 0 && *columns > 0))
}

/// Sets rows and columns; the kernel tells the terminal's foreground group with `SIGWINCH`.
///
/// # Errors
/// `ENOTTY` for what is no terminal; `EIO` when its other end is gone.
pub fn set_window(terminal: BorrowedFd<'_>, rows: u16, columns: u16) -> Result<(), SysError> {
    let size = winsize(rows, columns);
    #[expect(unsafe_code, reason = "TIOCSWINSZ has no safe wrapper")]
    // SAFETY: TIOCSWINSZ reads one `winsize`, which `size` owns for the length of the call.
    let code = unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) };
    Errno::result(code).call_on("ioctl", "TIOCSWINSZ")?;
    Ok(())
}

/// A new pseudo-terminal of the host: master, then slave. Both close on exec.
///
/// # Errors
/// `openpty`'s, for example `ENOSPC` when `kernel.pty.max` is reached.
pub fn pair(rows: u16, columns: u16) -> Result<(OwnedFd, OwnedFd), SysError> {
    let ends = openpty(&winsize(rows, columns), None).call("openpty")?;
    crate::fds::set_cloexec(ends.master.as_fd(), true)?;
    crate::fds::set_cloexec(ends.slave.as_fd(), true)?;
    Ok((ends.master, ends.slave))
}

const fn winsize(rows: u16, columns: u16) -> Winsize {
    Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    }
}

#[cfg(test)]
mod tests {
    use nix::sys::termios::LocalFlags;

    use super::*;

    fn echoes(terminal: &OwnedFd) -> bool {
        let flags = tcgetattr(terminal).unwrap().local_flags;
        flags.contains(LocalFlags::ECHO) && flags.contains(LocalFlags::ICANON)
    }

    #[test]
    fn raw_mode_ends_with_its_value() {
        let (_master, slave) = pair(24, 80).unwrap();
        assert!(echoes(&slave));
        let raw = RawMode::enter(slave.as_fd()).unwrap();
        assert!(!echoes(&slave));
        drop(raw);
        assert!(echoes(&slave));
    }

    #[test]
    fn a_window_set_on_the_master_is_read_on_the_slave() {
        let (master, slave) = pair(24, 80).unwrap();
        assert_eq!(window(slave.as_fd()), Ok(Some((24, 80))));
        set_window(master.as_fd(), 50, 132).unwrap();
        assert_eq!(window(slave.as_fd()), Ok(Some((50, 132))));
        set_window(master.as_fd(), 0, 0).unwrap();
        assert_eq!(window(slave.as_fd()), Ok(None));
    }

    #[test]
    fn a_pipe_is_no_terminal() {
        let (read, _write) = std::io::pipe().unwrap();
        assert_eq!(window(read.as_fd()).unwrap_err().errno, Errno::ENOTTY);
        assert_eq!(
            RawMode::enter(read.as_fd()).unwrap_err().errno,
            Errno::ENOTTY
        );
    }
}
