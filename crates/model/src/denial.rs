//! System calls that a jail's seccomp program refused, as they travel from its PID 1 to the log.
//!
//! Not for: the rule that refused them; whoever has the profile's text finds that.

use serde::{Deserialize, Serialize};

/// One refused call. All of it but `errno` is what the caller put into its registers; what a pointer
/// among them points at is nobody's to look at, since it may have changed meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeniedCall {
    /// The calling thread's number inside the jail; 0 when it is not of the jail's pid namespace.
    pub thread: u32,
    /// Number of the call.
    pub number: u32,
    /// `AUDIT_ARCH_*` of the entry that it used (`linux/audit.h`).
    pub arch: u32,
    /// The six argument registers, used or not.
    pub arguments: [u64; 6],
    /// The error number that it was answered with, 1 to 4095; none when its process was killed for it.
    pub errno: Option<u16>,
}

/// What a jail's PID 1 says of refused calls: one of them, how many were not told of, or both.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Denials {
    /// The last one.
    pub call: Option<DeniedCall>,
    /// Calls refused since the last word, and before this one, that are only counted: there were too
    /// many at once.
    pub untold: u64,
}

impl Denials {
    /// How many calls were refused.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.untold.saturating_add(self.call.is_some() as u64)
    }
}
