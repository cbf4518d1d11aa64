//! Users and groups of the host by name, and who we are.
//!
//! Not for: changing them.

use nix::unistd::{Group, User, geteuid};

use crate::error::{Context, SysError};

/// User id and primary group of a user, `None` when there is no such user.
///
/// # Errors
/// `getpwnam_r`'s.
pub fn user(name: &str) -> Result<Option<(u32, u32)>, SysError> {
    let found = User::from_name(name).call_on("getpwnam_r", name)?;
    Ok(found.map(|user| (user.uid.as_raw(), user.gid.as_raw())))
}

/// Id of a group, `None` when there is no such group.
///
/// # Errors
/// `getgrnam_r`'s.
pub fn group(name: &str) -> Result<Option<u32>, SysError> {
    let found = Group::from_name(name).call_on("getgrnam_r", name)?;
    Ok(found.map(|group| group.gid.as_raw()))
}

/// The effective user id of this process.
#[must_use]
pub fn effective() -> u32 {
    geteuid().as_raw()
}
