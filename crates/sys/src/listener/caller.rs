//! The process whose call waits: ends it, and no other.
//!
//! Not for: answering the call, which is to be refused all the same ([`Listener::refuse`]).

use std::fs;
use std::os::fd::AsFd;

use nix::errno::Errno;

use super::{Listener, Waiting};
use crate::error::{Context, SysError};
use crate::pidfd;

/// `SECCOMP_IOCTL_NOTIF_ID_VALID` of `linux/seccomp.h`.
const STILL_VALID: u32 = 0x4008_2102;

impl Listener {
    /// Kills the process that made the call, with all its threads; its number, or `None` when the
    /// caller was gone already.
    ///
    /// Thread numbers are given out again, so none is signalled: the process is looked up and opened
    /// first, then the kernel is asked whether the call still waits. If it does, its thread has lived all
    /// the while, so what was opened is its process. Needs `/proc` of the holder's pid namespace, and the
    /// right to signal the caller.
    ///
    /// # Errors
    /// The first call that failed while the caller was still there: it may live on.
    pub fn kill_caller(&self, call: &Waiting) -> Result<Option<i32>, SysError> {
        match self.end_process_of(call) {
            Err(_gone) if !self.still_waits(call)? => Ok(None),
            other => other,
        }
    }

    fn end_process_of(&self, call: &Waiting) -> Result<Option<i32>, SysError> {
        let leader = leader_of(call.thread)?;
        let process = pidfd::open(leader)?;
        if !self.still_waits(call)? {
            return Ok(None);
        }
        pidfd::kill(process.as_fd())?;
        Ok(Some(leader))
    }

    /// Whether the call has not been answered and its thread not ended.
    fn still_waits(&self, call: &Waiting) -> Result<bool, SysError> {
        let mut id = call.id;
        match self.control(STILL_VALID, (&raw mut id).cast()) {
            Ok(()) => Ok(true),
            Err(Errno::ENOENT) => Ok(false),
            Err(errno) => Err(SysError::new(
                "ioctl",
                "SECCOMP_IOCTL_NOTIF_ID_VALID",
                errno,
            )),
        }
    }
}

/// The process that a thread belongs to (`proc_pid_status(5)`), never the holder's first one.
fn leader_of(thread: u32) -> Result<i32, SysError> {
    let path = format!("/proc/{thread}/status");
    let status = fs::read_to_string(&path).call_on("read", &path)?;
    thread_group(&status).ok_or_else(|| SysError::new("read", path, Errno::EPROTO))
}

fn thread_group(status: &str) -> Option<i32> {
    let line = status.lines().find_map(|line| line.strip_prefix("Tgid:"))?;
    line.trim().parse().ok().filter(|leader| *leader > 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_group_of_a_thread_is_read_and_never_the_first_process() {
        let status = "Name:\tTgid:\nUmask:\t0022\nTgid:\t17\nNgid:\t0\n";
        assert_eq!(thread_group(status), Some(17));
        for odd in ["", "Tgid:\t1\n", "Tgid:\t-1\n", "Tgid:\tx\n", "Pid:\t17\n"] {
            assert_eq!(thread_group(odd), None, "{odd}");
        }
    }
}
