//! Resource limits of the calling process.
//!
//! Not for: limits of a jail as a whole; those are cgroups (`jail`).

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::error::{Context, SysError};

/// A resource with a limit per process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Size of a core dump, bytes.
    Core,
    /// Open files.
    OpenFiles,
    /// Size of a written file, bytes.
    FileSize,
    /// Locked memory, bytes.
    LockedMemory,
}

/// The soft and the hard limit.
///
/// # Errors
/// `getrlimit`'s.
pub fn get(limit: Limit) -> Result<(u64, u64), SysError> {
    let (resource, name) = limit.named();
    getrlimit(resource).call_on("getrlimit", name)
}

/// Sets the soft and the hard limit.
///
/// # Errors
/// `setrlimit`'s: `EPERM` above the hard limit without `CAP_SYS_RESOURCE`.
pub fn set(limit: Limit, value: u64) -> Result<(), SysError> {
    let (resource, name) = limit.named();
    setrlimit(resource, value, value).call_on("setrlimit", name)
}

/// Sets the soft limit to one value and the hard limit to another.
///
/// # Errors
/// `setrlimit`'s: `EINVAL` for a soft limit above the hard one, `EPERM` for a hard limit above the
/// present one without `CAP_SYS_RESOURCE`.
pub fn set_apart(limit: Limit, soft: u64, hard: u64) -> Result<(), SysError> {
    let (resource, name) = limit.named();
    setrlimit(resource, soft, hard).call_on("setrlimit", name)
}

/// Raises both limits to at least `value`, and leaves higher ones as they are.
///
/// # Errors
/// `setrlimit`'s: `EPERM` above the hard limit without `CAP_SYS_RESOURCE`.
pub fn raise(limit: Limit, value: u64) -> Result<(), SysError> {
    let (resource, name) = limit.named();
    let (soft, hard) = getrlimit(resource).call_on("getrlimit", name)?;
    if soft >= value {
        return Ok(());
    }
    setrlimit(resource, value, hard.max(value)).call_on("setrlimit", name)
}

/// Raises the soft limit to the hard one; returns that.
///
/// # Errors
/// `setrlimit`'s.
pub fn use_all(limit: Limit) -> Result<u64, SysError> {
    let (resource, name) = limit.named();
    let (_soft, hard) = getrlimit(resource).call_on("getrlimit", name)?;
    setrlimit(resource, hard, hard).call_on("setrlimit", name)?;
    Ok(hard)
}

impl Limit {
    const fn named(self) -> (Resource, &'static str) {
        match self {
            Self::Core => (Resource::RLIMIT_CORE, "RLIMIT_CORE"),
            Self::OpenFiles => (Resource::RLIMIT_NOFILE, "RLIMIT_NOFILE"),
            Self::FileSize => (Resource::RLIMIT_FSIZE, "RLIMIT_FSIZE"),
            Self::LockedMemory => (Resource::RLIMIT_MEMLOCK, "RLIMIT_MEMLOCK"),
        }
    }
}
