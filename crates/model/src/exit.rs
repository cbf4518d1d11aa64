//! How a jailed command ended, and the exit code that the command line makes of it.
//!
//! Not for: wait statuses as the kernel encodes them (`sys`).

use serde::{Deserialize, Serialize};

/// Why a jailed command is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExitReason {
    /// It ended by itself; `code` is its own.
    Exited,
    /// A signal ended it; `code` is 128 + signal.
    Signalled,
    /// The kernel ended it for want of memory within its limit.
    Memory,
    /// Its wall-clock limit passed.
    Timeout,
    /// A budget ran out and the policy says stop.
    Budget,
    /// An operator ended it.
    Killed,
    /// The daemon that guards it went away.
    DaemonGone,
    /// The program was there but could not be executed.
    NotExecutable,
    /// No such program in the jail.
    NotFound,
    /// Sheriff failed before the command started.
    StartFailed,
}

/// Exit code of `sheriff run` when Sheriff itself failed before the command started.
pub const EXIT_START_FAILED: u8 = 125;
/// Exit code for a program that is there but can't be executed.
pub const EXIT_NOT_EXECUTABLE: u8 = 126;
/// Exit code for a program that isn't there.
pub const EXIT_NOT_FOUND: u8 = 127;
/// Exit code for a command that ran out of wall-clock time.
pub const EXIT_TIMEOUT: u8 = 124;
/// Exit code for a command killed outright (memory, operator, budget): 128 + SIGKILL.
pub const EXIT_KILLED: u8 = 137;

/// The end of a command: its exit code as `sheriff run` returns it, and the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitRecord {
    /// 0 to 255, as documented for `sheriff run`.
    pub code: u8,
    /// Why.
    pub reason: ExitReason,
}

impl ExitRecord {
    /// The command ended by itself with this code.
    #[must_use]
    pub const fn exited(code: u8) -> Self {
        Self {
            code,
            reason: ExitReason::Exited,
        }
    }

    /// A signal ended the command.
    #[must_use]
    pub const fn signalled(signal: u8) -> Self {
        Self {
            code: 128u8.saturating_add(signal),
            reason: ExitReason::Signalled,
        }
    }

    /// Sheriff or the kernel ended the command for this reason; the code follows from it.
    #[must_use]
    pub const fn ended(reason: ExitReason) -> Self {
        let code = match reason {
            ExitReason::Exited => 0,
            ExitReason::Timeout => EXIT_TIMEOUT,
            ExitReason::NotExecutable => EXIT_NOT_EXECUTABLE,
            ExitReason::NotFound => EXIT_NOT_FOUND,
            ExitReason::StartFailed => EXIT_START_FAILED,
            ExitReason::Signalled
            | ExitReason::Memory
            | ExitReason::Budget
            | ExitReason::Killed
            | ExitReason::DaemonGone => EXIT_KILLED,
        };
        Self { code, reason }
    }
}
