//! New processes: `clone3` into namespaces and a cgroup, and plain `fork`.
//!
//! Not for: what the child does; it runs a closure and never returns from here.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};

use nix::errno::Errno;

use crate::error::{Context, SysError};
use crate::namespace::Namespaces;
use crate::wait::Outcome;

/// Exit code of a child whose closure panicked: `EX_SOFTWARE` of `sysexits.h`.
const PANICKED: i32 = 70;

/// Start the child with every handled signal at its default (`linux/sched.h`).
const CLONE_CLEAR_SIGHAND: u64 = 0x1_0000_0000;
/// Start the child in a v2 cgroup (`linux/sched.h`).
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// A child process, known by a descriptor that no reuse of its number can confuse.
#[derive(Debug)]
pub struct Process {
    pid: i32,
    pidfd: OwnedFd,
}

impl Process {
    /// Its number in the caller's pid namespace; meaningful until it is reaped.
    #[must_use]
    pub const fn pid(&self) -> i32 {
        self.pid
    }

    /// Sends `SIGKILL`.
    ///
    /// # Errors
    /// `pidfd_send_signal`'s: `ESRCH` when it was reaped.
    pub fn kill(&self) -> Result<(), SysError> {
        crate::pidfd::kill(self.pidfd.as_fd())
    }

    /// Reaps it if it has ended; `None` while it runs.
    ///
    /// # Errors
    /// `waitid`'s: `ECHILD` when it was reaped before.
    pub fn try_reap(&self) -> Result<Option<Outcome>, SysError> {
        crate::wait::try_reap(self.pidfd.as_fd())
    }

    /// Waits until it has ended, and reaps it.
    ///
    /// # Errors
    /// `waitid`'s.
    pub fn reap(&self) -> Result<Outcome, SysError> {
        crate::wait::reap(self.pidfd.as_fd())
    }
}

impl AsFd for Process {
    /// Readable once the process has ended.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}

/// Runs `child` in a new process in the given new namespaces, in a v2 cgroup if one is given; the
/// process exits with what the closure returns.
///
/// The caller must have one thread: the child has only the calling one, so a lock that another
/// thread held at this moment stays locked in it for ever.
///
/// # Errors
/// `clone3`'s: `EPERM` and `ENOSPC` for namespaces, `EBUSY` for a cgroup that has children.
pub fn spawn(
    namespaces: Namespaces,
    cgroup: Option<BorrowedFd<'_>>,
    child: impl FnOnce() -> i32,
) -> Result<Process, SysError> {
    let mut pidfd: RawFd = -1;
    let into = cgroup.map_or(0, |_| CLONE_INTO_CGROUP);
    let pidfd_flag = u64::from(libc::CLONE_PIDFD.cast_unsigned());
    let arguments = CloneArguments {
        flags: namespaces.bits() | CLONE_CLEAR_SIGHAND | into | pidfd_flag,
        pidfd: (&raw mut pidfd).addr() as u64,
        exit_signal: u64::from(libc::SIGCHLD.cast_unsigned()),
        cgroup: cgroup.map_or(0, |fd| u64::from(fd.as_raw_fd().cast_unsigned())),
        ..CloneArguments::default()
    };
    #[expect(unsafe_code, reason = "clone3 has no safe wrapper")]
    // SAFETY: `arguments` has the size passed with it and names no stack and no TLS, so the child
    // gets a copy of this one's memory, as after fork(2); `pidfd` lives until the call returns.
    let code = unsafe {
        libc::syscall(
            libc::SYS_clone3,
            &raw const arguments,
            size_of::<CloneArguments>(),
        )
    };
    let pid = Errno::result(code).call("clone3")?;
    if pid == 0 {
        finish(child);
    }
    #[expect(unsafe_code, reason = "clone3 stores the descriptor as a number")]
    // SAFETY: clone3 succeeded with CLONE_PIDFD, so it stored a fresh descriptor of this process.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    let pid = i32::try_from(pid).map_err(|_range| SysError::new("clone3", "pid", Errno::ERANGE))?;
    Ok(Process { pid, pidfd })
}

/// Runs `child` in a plain fork and returns its process id; the process exits with what the
/// closure returns. The caller must have one thread, as with [`spawn`].
///
/// # Errors
/// `fork`'s: `EAGAIN` at a limit of processes.
pub fn fork(child: impl FnOnce() -> i32) -> Result<i32, SysError> {
    #[expect(unsafe_code, reason = "fork is unsafe for threaded callers")]
    // SAFETY: callers have one thread (see above), so no lock of the allocator or of the standard
    // library can be held by a thread that the child lacks.
    let pid = unsafe { libc::fork() };
    let pid = Errno::result(pid).call("fork")?;
    if pid == 0 {
        finish(child);
    }
    Ok(pid)
}

/// Ends the child. No destructor and no exit handler of the parent's copy may run here.
fn finish(child: impl FnOnce() -> i32) -> ! {
    let code = catch_unwind(AssertUnwindSafe(child)).unwrap_or(PANICKED);
    #[expect(unsafe_code, reason = "std has no exit that skips exit handlers")]
    // SAFETY: _exit(2) takes a number and does not return.
    unsafe {
        libc::_exit(code)
    }
}

/// `struct clone_args` of `linux/sched.h`, up to its third version.
#[repr(C)]
#[derive(Default)]
struct CloneArguments {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}
