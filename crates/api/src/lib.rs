//! The wire contract: what operators' clients and jailed agents exchange with the office.
//!
//! Two doors. `attach.sock` (`SOCK_SEQPACKET`, JSON messages with descriptors) carries `run` and
//! `exec`; `control.sock` (operators) and `gateway.sock` (one per jail) speak HTTP/1.1 with JSON.
//!
//! Not for: serving or calling; types and paths only.
#![forbid(unsafe_code)]

pub mod attach;
pub mod control;
pub mod gateway;
pub mod problem;
pub mod recording;
pub mod report;
pub mod usage;

mod byte_strings;

pub use problem::Problem;
pub use report::Report;
