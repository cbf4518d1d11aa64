//! Builds a jail around one process tree, in one fixed order, and confirms it from outside.
//!
//! Not for: networks (a namespace arrives as a descriptor), making seccomp programs, or policy.
//! Start reading at `launch` (the warden's half of the order) and `interior` (the jail's half).
#![forbid(unsafe_code)]

pub mod cgroup;
pub mod error;
pub mod event;
pub mod handle;
pub mod probe;
pub mod spec;
pub mod step;

mod confirm;
mod etc;
mod fault;
mod ids;
mod init;
mod interior;
mod landlock;
mod launch;
mod mounting;
mod plan;
mod procfs;
mod program;
mod wire;

pub use cgroup::Cgroups;
pub use error::LaunchError;
pub use event::JailEvent;
pub use handle::{Jail, JailError, Stats};
pub use launch::launch;
pub use spec::{Command, Filter, Root, Spec, Stdio, Tmpfs, View, Workspace};
pub use step::Step;
