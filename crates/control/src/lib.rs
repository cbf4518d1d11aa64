//! Sessions from request to report: the office's side of the warrant, without any HTTP.
//!
//! Not for: sockets that operators and agents talk to (`gateway`), nor for judging and carrying
//! their traffic (`egress`).
#![forbid(unsafe_code)]

pub mod actions;
pub mod adoption;
mod command;
pub mod denials;
pub mod ending;
mod environment;
pub mod exec;
pub mod granted;
pub mod hop;
pub mod launch;
pub mod learning;
pub mod office;
mod place;
pub mod policies;
mod ports;
pub mod recorder;
pub mod recording;
pub mod registry;
pub mod reload;
pub mod renewal;
mod report;
pub mod saved;
pub mod secrets;
pub mod session;
pub mod state;
pub mod syscalls;
pub mod token;
pub mod trust;
pub mod warden;
pub mod watch;

pub use actions::{ActionError, Killer};
pub use exec::{ExecError, ExecRequest, Process};
pub use granted::SecretError;
pub use launch::{LaunchError, LaunchRequest, Launched};
pub use learning::LearningError;
pub use office::{Door, Office, Outcome, Parts};
pub use policies::{Policies, PolicyError};
pub use recorder::Recorder;
pub use registry::Registry;
pub use saved::SavedFolder;
pub use secrets::SecretChangeError;
pub use session::Session;
pub use state::State;
pub use trust::TrustError;
pub use warden::{Warden, WardenError};
pub use watch::watch;

/// Eight random bytes, as an id takes them.
fn random() -> Result<[u8; 8], token::RandomError> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(token::RandomError)?;
    Ok(bytes)
}
