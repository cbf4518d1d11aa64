//! What a jail may use of the host, fully resolved: no field is optional by the time it is here.
//!
//! Not for: the policy file's optional fields (`policy`), nor for writing cgroup files (`jail`).

use serde::{Deserialize, Serialize};

use crate::{ByteSize, Span};

/// Resource limits of one jail. All are enforced by the kernel except `wall_clock` (the warden).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Memory of all processes, page cache and tmpfs together; no swap beyond it.
    pub memory: ByteSize,
    /// Processes and threads in the jail at once, PID 1 included.
    pub pids: u32,
    /// Processor time as thousandths of one core: 1500 is one core and a half.
    pub cpu_millis: u32,
    /// Open files per process (`RLIMIT_NOFILE`).
    pub open_files: u32,
    /// Largest file that a process may write (`RLIMIT_FSIZE`).
    pub file_size: ByteSize,
    /// Time from start to a forced end of the jail. `None`: unlimited.
    pub wall_clock: Option<Span>,
}
