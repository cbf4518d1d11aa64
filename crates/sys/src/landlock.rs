//! What the kernel's Landlock offers.
//!
//! Not for: building rulesets (`jail`, through the `landlock` crate).

use nix::errno::Errno;

use crate::error::{Context, SysError};

/// `LANDLOCK_CREATE_RULESET_VERSION` (`linux/landlock.h`).
const VERSION: libc::c_uint = 1;

/// Landlock ABI of the running kernel.
///
/// # Errors
/// `ENOSYS` without Landlock, `EOPNOTSUPP` when it is off at boot.
pub fn landlock_abi() -> Result<u32, SysError> {
    #[expect(unsafe_code, reason = "landlock_create_ruleset has no safe wrapper")]
    // SAFETY: with the version flag the attribute pointer must be null and is not read.
    let code = unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            std::ptr::null::<u8>(),
            0usize,
            VERSION,
        )
    };
    let version = Errno::result(code).call("landlock_create_ruleset")?;
    Ok(u32::try_from(version).unwrap_or(0))
}
