//! System calls that a recorded command made, as they travel from a jail's PID 1 to the report.
//!
//! Not for: calls that were refused (`denial`): a recording never hears of them.

use serde::{Deserialize, Serialize};

/// Numbers that are counted one by one are below this. The highest that any kernel has assigned is
/// under 500, so twice that leaves room, and a record has at most so many entries.
pub const NUMBERS_MAX: usize = 1024;

/// How often each system call was made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// Number and count, the numbers ascending; at most [`NUMBERS_MAX`].
    pub calls: Vec<(u32, u64)>,
    /// Calls with other numbers, or through another entry of the kernel than the native one.
    pub odd: u64,
}
