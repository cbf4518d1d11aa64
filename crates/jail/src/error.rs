//! Why a jail did not start: the step, the object, the errno, and what the owner can do.
//!
//! Not for: failures of a jail that runs (`handle`).

use std::fmt;

use sys::{Errno, SysError};

use crate::step::Step;

/// A jail did not start, and nothing of it is left.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct LaunchError {
    /// The step that failed.
    pub step: Step,
    /// The call, path or value it failed on.
    pub object: String,
    /// The kernel's answer; `None` when the failure is a judgement of ours.
    pub errno: Option<Errno>,
    /// What to do about it; may be empty.
    pub remedy: String,
}

impl LaunchError {
    /// A failure of ours, without an errno.
    pub(crate) fn judged(step: Step, object: impl Into<String>, remedy: &str) -> Self {
        Self {
            step,
            object: object.into(),
            errno: None,
            remedy: remedy.into(),
        }
    }

    /// A failed system call in `step`.
    pub(crate) fn failed(step: Step, error: &SysError) -> Self {
        let object = format!("{} {}", error.call, error.object);
        Self::from_parts(step, object.trim_end().into(), error.errno)
    }

    /// A failure that PID 1 reported.
    pub(crate) fn from_parts(step: Step, object: String, errno: Errno) -> Self {
        Self {
            step,
            object,
            errno: Some(errno),
            remedy: remedy(step, errno).into(),
        }
    }

    /// Adds that memory ran out while the jail was being built.
    pub(crate) fn note_memory(mut self) -> Self {
        if !self.remedy.is_empty() {
            self.remedy.push_str("; ");
        }
        self.remedy
            .push_str("possibly out of memory: raise limits.memory");
        self
    }
}

impl fmt::Display for LaunchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "could not {}: {}", self.step, self.object)?;
        if let Some(errno) = self.errno {
            write!(f, ": {errno}")?;
        }
        if !self.remedy.is_empty() {
            write!(f, " ({})", self.remedy)?;
        }
        Ok(())
    }
}

/// Puts a failed call into its step.
pub(crate) trait InStep<T> {
    /// Names the step.
    fn step(self, step: Step) -> Result<T, LaunchError>;
}

impl<T> InStep<T> for Result<T, SysError> {
    fn step(self, step: Step) -> Result<T, LaunchError> {
        self.map_err(|error| LaunchError::failed(step, &error))
    }
}

/// What usually causes this errno in this step, and the way out.
const fn remedy(step: Step, errno: Errno) -> &'static str {
    match (step, errno) {
        (Step::Clone | Step::IdMaps | Step::UserNamespace, Errno::EPERM) => {
            "namespaces are forbidden here: run as root outside a container, or allow them there \
             (CAP_SYS_ADMIN, the outer seccomp profile, kernel.apparmor_restrict_unprivileged_userns)"
        }
        (Step::Clone | Step::IdMaps | Step::UserNamespace, Errno::ENOSPC) => {
            "a limit of user.max_*_namespaces is reached; raise it with sysctl"
        }
        (Step::Clone, Errno::EBUSY | Errno::EOPNOTSUPP | Errno::EBADF) => {
            "the cgroup is not a v2 leaf: set Delegate=yes on the unit"
        }
        (Step::Clone | Step::Join, Errno::EAGAIN) => "a limit of processes is reached on the host",
        (Step::IdMaps, _) => "the uid range is not free, or overlaps another",
        (Step::Bind, Errno::ENOENT | Errno::ENOTDIR) => {
            "the profile names a path that this host does not have"
        }
        (Step::Bind | Step::Attach, Errno::ELOOP | Errno::EXDEV) => {
            "a symbolic link is in the way; name the real path in the profile"
        }
        (Step::Attach, Errno::EROFS) => {
            "the target folder does not exist in a read-only tree; create it on the host"
        }
        (Step::Bind | Step::Workspace, Errno::EINVAL) => {
            "the file system cannot map owners, or the folder is from another mount namespace; \
             move the workspace to ext4, xfs, btrfs or tmpfs"
        }
        (Step::Cgroup, Errno::EROFS | Errno::EACCES | Errno::EPERM) => {
            "cgroups are not writable here: set Delegate=yes on the unit, or mount them read-write"
        }
        (Step::Cgroup, Errno::EEXIST) => "a jail of that session exists already",
        (Step::Devices, Errno::EPERM) => {
            "the daemon lacks CAP_MKNOD, or its device cgroup forbids it"
        }
        (Step::Proc, Errno::EPERM) => {
            "the daemon's own /proc is masked; run it outside that container"
        }
        (Step::Token, Errno::EEXIST) => {
            "the gateway folder was used before; give each jail its own"
        }
        (Step::Pivot, Errno::EINVAL) => "the host's root is an initramfs, or mounts are shared",
        (Step::Rlimits, Errno::EPERM) => {
            "the daemon's own hard limit of open files is lower, and it lacks CAP_SYS_RESOURCE: raise \
             LimitNOFILE of the unit"
        }
        (Step::FirstPage, Errno::EPERM | Errno::EACCES) => {
            "the seccomp profile starts one program only, for which the daemon needs CAP_SYS_RAWIO \
             (and under SELinux mmap_zero): grant it, or choose another profile"
        }
        (Step::Landlock, Errno::ENOSYS) => "this kernel has no Landlock; use Linux 5.19 or newer",
        (Step::Landlock, Errno::EOPNOTSUPP) => "add landlock to the lsm= boot parameter",
        (Step::Seccomp, Errno::EINVAL) => "the kernel refused the seccomp program",
        (Step::Seccomp, Errno::EACCES) => "no_new_privs is missing",
        (Step::Ready, Errno::ETIMEDOUT) => "the host is overloaded, or a file system hangs",
        _ => "",
    }
}
