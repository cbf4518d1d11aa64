//! Keeping the memory of this process out of swap.
//!
//! Not for: limits on memory (`rlimit`, and cgroups in `jail`).

use nix::sys::mman::{MlockAllFlags, mlockall};

use crate::error::{Context, SysError};
use crate::rlimit::{self, Limit};

/// Locks every page that the process touches from now on, if its limit of locked memory is
/// unlimited; says whether it is. Under a limit nothing is locked: the allocation that meets it would
/// fail.
///
/// # Errors
/// `mlockall`'s.
pub fn lock_all() -> Result<bool, SysError> {
    let (soft, _hard) = rlimit::get(Limit::LockedMemory)?;
    if soft != libc::RLIM_INFINITY {
        return Ok(false);
    }
    // A stack or a heap that is merely reserved must not be filled for this.
    let flags = MlockAllFlags::MCL_CURRENT | MlockAllFlags::MCL_FUTURE;
    let on_fault = MlockAllFlags::from_bits_retain(libc::MCL_ONFAULT);
    mlockall(flags | on_fault).call("mlockall")?;
    Ok(true)
}
