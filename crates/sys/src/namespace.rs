//! Namespaces of the calling process: leave, enter, name; and its session keyring.
//!
//! Not for: network namespaces of the warden's own thread (`netns`).

use std::os::fd::BorrowedFd;

use nix::errno::Errno;
use nix::sched::{CloneFlags, setns, unshare};

use crate::error::{Context, SysError};

/// A set of kinds of namespaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Namespaces(CloneFlags);

impl Namespaces {
    /// No new namespace.
    pub const NONE: Self = Self(CloneFlags::empty());
    /// User and group ids, and capabilities.
    pub const USER: Self = Self(CloneFlags::CLONE_NEWUSER);
    /// Mounts.
    pub const MOUNT: Self = Self(CloneFlags::CLONE_NEWNS);
    /// Process ids.
    pub const PID: Self = Self(CloneFlags::CLONE_NEWPID);
    /// Hostname.
    pub const UTS: Self = Self(CloneFlags::CLONE_NEWUTS);
    /// System V IPC and POSIX message queues.
    pub const IPC: Self = Self(CloneFlags::CLONE_NEWIPC);
    /// Root of the visible cgroup trees.
    pub const CGROUP: Self = Self(CloneFlags::CLONE_NEWCGROUP);

    /// Both sets.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0.union(other.0))
    }

    pub(crate) fn bits(self) -> u64 {
        u64::from(self.0.bits().cast_unsigned())
    }
}

/// Moves the caller into new namespaces of these kinds (for `PID`: its next children).
///
/// # Errors
/// `unshare`'s: `EPERM`; `ENOSPC` at a limit of `user.max_*_namespaces`.
pub fn leave(namespaces: Namespaces) -> Result<(), SysError> {
    unshare(namespaces.0).call("unshare")
}

/// Moves the caller into an existing network namespace, for good.
///
/// # Errors
/// `setns`'s.
pub fn enter_network(namespace: BorrowedFd<'_>) -> Result<(), SysError> {
    setns(namespace, CloneFlags::CLONE_NEWNET).call_on("setns", "network namespace")
}

/// Moves the caller into an existing user namespace, for good. It has all capabilities there, and
/// none in the one it came from.
///
/// # Errors
/// `setns`'s: `EINVAL` with more than one thread.
pub fn enter_users(namespace: BorrowedFd<'_>) -> Result<(), SysError> {
    setns(namespace, CloneFlags::CLONE_NEWUSER).call_on("setns", "user namespace")
}

/// Sets the hostname of the UTS namespace.
///
/// # Errors
/// `sethostname`'s: `EINVAL` over 64 bytes.
pub fn set_hostname(name: &str) -> Result<(), SysError> {
    nix::unistd::sethostname(name).call_on("sethostname", name)
}

/// Joins a new, empty session keyring, so that no key of the daemon's session can be found.
///
/// # Errors
/// `keyctl`'s; `ENOSYS` where the kernel has no keys, and so none to find.
pub fn join_new_keyring() -> Result<(), SysError> {
    #[expect(unsafe_code, reason = "keyctl has no safe wrapper")]
    // SAFETY: a null name asks for an anonymous keyring; nothing is written to our memory.
    let code = unsafe {
        libc::syscall(
            libc::SYS_keyctl,
            libc::KEYCTL_JOIN_SESSION_KEYRING,
            std::ptr::null::<libc::c_char>(),
        )
    };
    Errno::result(code).call_on("keyctl", "KEYCTL_JOIN_SESSION_KEYRING")?;
    Ok(())
}
