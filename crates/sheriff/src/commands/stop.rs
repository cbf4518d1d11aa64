//! `sheriff stop`: asks a jail's command to end; the daemon ends the jail when it doesn't.
//!
//! Not for: an end without a word (`kill`).

use model::SessionId;

use super::governed;
use crate::control::Control;
use crate::failure::Failure;
use crate::sockets::Sockets;

/// Options of `stop`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// The session, as `sheriff ps` lists it
    #[arg(value_name = "ID")]
    session: SessionId,
}

/// Stops the jail.
pub(crate) fn run(args: &Args, sockets: &Sockets) -> Result<u8, Failure> {
    let path = format!("/v1/sessions/{}/stop", args.session);
    Control::new(sockets).post(&path)?;
    governed::say(&args.session, "stopping", args.json)
}
