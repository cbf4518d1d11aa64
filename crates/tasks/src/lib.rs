//! Spawn, name, watch and end background tasks, so that every task has an owner and an end.
//!
//! Not for: processes (`jail`), nor for what the tasks do.
#![forbid(unsafe_code)]

pub mod group;

pub use group::{Group, Stop, thread};
