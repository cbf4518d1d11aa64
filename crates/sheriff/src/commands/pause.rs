//! `sheriff pause`: freezes every process of a jail.
//!
//! Not for: taking its network away only.

use model::SessionId;

use super::governed;
use crate::control::Control;
use crate::failure::Failure;
use crate::sockets::Sockets;

/// Options of `pause`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// The session, as `sheriff ps` lists it
    #[arg(value_name = "ID")]
    session: SessionId,
}

/// Freezes the jail.
pub(crate) fn run(args: &Args, sockets: &Sockets) -> Result<u8, Failure> {
    let path = format!("/v1/sessions/{}/pause", args.session);
    Control::new(sockets).post(&path)?;
    governed::say(&args.session, "paused", args.json)
}
