//! Real jails on this kernel: what works in them, what must not, and what is left of them.
//!
//! Not for: the network of a jail, nor the shipped seccomp profiles. Needs root.
#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "helpers of tests fail by panicking, and say so when they cannot run"
)]

extern crate sheriff_jail as jail;

mod support;
mod trust;

mod adversary;
mod boundary;
mod denials;
mod ends;
#[cfg(feature = "fault-injection")]
mod faults;
mod parked;
mod programs;
mod readback;
mod recording;
