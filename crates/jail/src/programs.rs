//! The programs that PID 1 was told to start, each of which ends once.
//!
//! Not for: starting them (`program`), nor for what their ends mean to the jail (`handle`).

use std::collections::BTreeSet;

use model::{ExitReason, ExitRecord};
use sys::{Errno, SysError};

use crate::handle::JailError;

/// Those whose end was not told yet, by number.
#[derive(Debug, Default)]
pub(crate) struct Programs(BTreeSet<u32>);

impl Programs {
    /// Whether a number can be used for one more.
    pub(crate) fn check_free(&self, process: u32) -> Result<(), JailError> {
        if self.0.contains(&process) {
            return Err(JailError::Process { process });
        }
        Ok(())
    }

    /// PID 1 was told to start it.
    pub(crate) fn begin(&mut self, process: u32) {
        self.0.insert(process);
    }

    /// PID 1 told of its end. One that tells of more ends than there are could tell of any number, and
    /// whoever hears of all jails would have no time for others.
    pub(crate) fn end(&mut self, process: u32) -> Result<(), SysError> {
        if self.0.remove(&process) {
            return Ok(());
        }
        Err(broken())
    }
}

/// A message that no PID 1 of ours sends.
pub(crate) fn broken() -> SysError {
    SysError::new("recvmsg", "jail protocol", Errno::EPROTO)
}

/// The record of a program that never ran.
pub(crate) const fn not_started(at_exec: bool, errno: Errno) -> ExitRecord {
    let reason = match errno {
        _ if !at_exec => ExitReason::StartFailed,
        Errno::ENOENT | Errno::ENOTDIR => ExitReason::NotFound,
        _ => ExitReason::NotExecutable,
    };
    ExitRecord::ended(reason)
}
