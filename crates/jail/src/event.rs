//! What happens in a jail, as the warden hears of it.
//!
//! Not for: requests to a jail (`handle`).

use std::os::fd::OwnedFd;

use model::{Denials, ExitRecord, Recorded};

/// The process number of the jail's command; execs have others.
pub const MAIN_PROCESS: u32 = 0;

/// Something happened in a jail.
#[derive(Debug)]
pub enum JailEvent {
    /// A command runs: its exec succeeded.
    Started {
        /// Which.
        process: u32,
        /// The master of its new terminal, if it asked for one by `exec`. That of the jail's
        /// command is had from `Jail::take_terminal`.
        terminal: Option<OwnedFd>,
    },
    /// A command never ran.
    ExecFailed {
        /// Which.
        process: u32,
        /// Not found, not executable, or failed before.
        record: ExitRecord,
        /// What was missing or forbidden, for the user. Contains bytes from the jail; escape it.
        message: String,
    },
    /// A command is over. When it is the jail's command, so is the jail: `Over` follows.
    Exited {
        /// Which.
        process: u32,
        /// How.
        record: ExitRecord,
    },
    /// The seccomp program refused calls.
    Denied(Denials),
    /// What the recorded command has called; comes before `Over`. The calls of the last second are
    /// missing if it was killed together with PID 1.
    Recorded(Recorded),
    /// All processes are gone and reaped, and the cgroup is removed.
    Over {
        /// How the jail's command ended, or why the jail was ended.
        record: ExitRecord,
    },
}
