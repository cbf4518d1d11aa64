//! The privileged suite: real programs in real jails, against servers of the test's own.
//!
//! Run it as root, after building the binaries:
//!
//! ```text
//! cargo build -p sheriffd -p sheriff-office -p sheriff
//! cargo test -p sheriff-integration
//! ```
//!
//! One module a story; [`harness`] is all that they share, and the place to start reading.
//!
//! Not for: what can be tested without privileges; that is in each crate and in `tests/`.
#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "in a test program every surprise is a failure that names its place"
)]

mod harness;

mod attacks;
mod audit;
mod clients;
mod compile;
mod control;
mod crash;
mod daemon;
mod denials;
mod download;
mod egress_learn;
mod exit_codes;
mod gateway;
mod git;
mod http2;
mod layers;
mod leftovers;
mod limits;
mod names;
mod node;
mod parked;
mod python;
mod reload;
mod report;
mod rust;
mod seccomp_record;
mod seccomp_runc;
mod secrets;
mod shell;
mod stream;
mod terminal;
mod trust;
mod usage;
mod websocket;
