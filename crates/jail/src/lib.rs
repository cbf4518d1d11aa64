//! Builds a jail around one process tree, in one fixed order, and confirms it from outside.
//!
//! Not for: networks (a namespace arrives as a descriptor), making seccomp programs, or policy.
//! Start reading at `park` and `parked` (the warden's half of the order), `interior` and `finish`
//! (the jail's half).
#![forbid(unsafe_code)]

pub mod cgroup;
pub mod error;
pub mod event;
pub mod filter;
pub mod handle;
pub mod probe;
pub mod spec;
pub mod step;

mod bucket;
mod confirm;
mod etc;
mod fault;
mod finish;
mod ids;
mod init;
mod interior;
mod landlock;
mod launch;
mod mounting;
mod park;
mod parked;
mod plan;
mod procfs;
mod program;
mod programs;
mod ration;
mod recording;
mod refusals;
mod talk;
mod trust;
mod wire;
mod workspace;

pub use cgroup::Cgroups;
pub use error::LaunchError;
pub use event::JailEvent;
pub use filter::{Filter, Start};
pub use handle::{Jail, JailError, Stats};
pub use launch::launch;
pub use park::park;
pub use parked::{Parked, Unfurnished};
pub use plan::outline;
pub use spec::{Command, Furniture, Root, Site, Spec, Stdio, Tmpfs, Trust, View, Workspace};
pub use step::Step;
