//! The built command line against a fake office, a fake control server and real files.
//!
//! Not for: real jails; those are tested with the daemon.
#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    reason = "a helper that fails must fail its test; the lint spares test functions only"
)]

mod audit;
mod control;
mod docs;
mod doctor;
mod egress;
mod ephemeral;
mod exec;
mod office;
mod profile;
mod run;
mod samples;
mod seccomp;
mod secret;
mod terminal;
