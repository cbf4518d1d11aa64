//! Resource limits of the calling process.
//!
//! Not for: limits of a jail as a whole; those are cgroups (`jail`).

use nix::sys::resource::{Resource, setrlimit};

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

/// Sets the soft and the hard limit.
///
/// # Errors
/// `setrlimit`'s: `EPERM` above the hard limit without `CAP_SYS_RESOURCE`.
pub fn set(limit: Limit, value: u64) -> Result<(), SysError> {
    let (resource, name) = match limit {
        Limit::Core => (Resource::RLIMIT_CORE, "RLIMIT_CORE"),
        Limit::OpenFiles => (Resource::RLIMIT_NOFILE, "RLIMIT_NOFILE"),
        Limit::FileSize => (Resource::RLIMIT_FSIZE, "RLIMIT_FSIZE"),
        Limit::LockedMemory => (Resource::RLIMIT_MEMLOCK, "RLIMIT_MEMLOCK"),
    };
    setrlimit(resource, value, value).call_on("setrlimit", name)
}
