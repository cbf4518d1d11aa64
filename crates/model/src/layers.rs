//! Which layers of a jail the kernel confirmed, read back after construction.
//!
//! Not for: what was asked for. Each field was read from the kernel after construction, but for the
//! three whose documentation says how else they are established: the kernel shows them to nobody
//! outside the jail, or not before the command is there.

use serde::{Deserialize, Serialize};

/// The kernel's own account of a jail, taken from outside before its command starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layers {
    /// Inode numbers of the jail's namespaces, each different from the host's.
    pub namespaces: Namespaces,
    /// `NoNewPrivs` of PID 1's status is 1.
    pub no_new_privs: bool,
    /// `Seccomp` of PID 1's status: 2 is filter mode.
    pub seccomp_mode: u8,
    /// Number of filters installed on PID 1.
    pub seccomp_filters: u32,
    /// SHA-256 of the seccomp program that was handed to the kernel, hexadecimal; `seccomp_mode` and
    /// `seccomp_filters` are the kernel's word that one is in force.
    pub seccomp_hash: String,
    /// Hash of the program that enforces the same profile without reporting its denials, where
    /// that is another one than was handed to the kernel. `None`: denials are not reported.
    #[serde(default)]
    pub seccomp_enforce_hash: Option<String>,
    /// Landlock ABI of the running kernel.
    pub landlock_abi: u32,
    /// Landlock enforcement status as PID 1 reported it: `fully_enforced`. It says so only when a file
    /// that it could read before is refused afterwards.
    pub landlock_status: String,
    /// Capability bounding set that the agent inherits, hexadecimal as in `/proc/PID/status`.
    pub cap_bounding: String,
    /// Effective capabilities of the agent, hexadecimal: zeros. Not read at construction, when there
    /// is no agent yet: each program's process reads its own sets back before exec, and does not start
    /// with any.
    pub cap_effective: String,
    /// Mount points in the jail, in order, as its own mountinfo lists them.
    pub mounts: Vec<String>,
    /// True when the host's root is not among the jail's mounts (`pivot_root` took).
    pub pivoted: bool,
    /// Cgroup limits as read back.
    pub cgroup: CgroupLayer,
    /// Host user ids of the jail's root (PID 1) and of the agent.
    pub uids: [u32; 2],
}

/// Inode numbers of namespaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Namespaces {
    /// User.
    pub user: u64,
    /// Mount.
    pub mnt: u64,
    /// Process ids.
    pub pid: u64,
    /// Network.
    pub net: u64,
    /// System V IPC and POSIX message queues.
    pub ipc: u64,
    /// Hostname.
    pub uts: u64,
    /// Cgroup root.
    pub cgroup: u64,
}

/// Cgroup limits read back from the kernel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CgroupLayer {
    /// `v2`, or `hybrid` (v1 controllers for limits, v2 for kill and freeze).
    pub mode: String,
    /// Bytes.
    pub memory_max: u64,
    /// Bytes of swap beyond memory; 0.
    pub swap_max: u64,
    /// Tasks.
    pub pids_max: u64,
    /// Thousandths of a core.
    pub cpu_millis: u64,
}
