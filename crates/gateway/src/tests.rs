//! The doors from outside: a real office with a real log and proxy, and a warden that is played.
//!
//! Not for: jails; nothing runs in these tests.

mod agent_api;
mod attach_life;
mod bench;
mod operator_api;
mod recorded;
mod reload;
mod restart;
mod secrets;
mod usage;
mod warden;
mod web;
