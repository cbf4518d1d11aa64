//! `sheriff kill`: ends a jail at once, with all its processes.
//!
//! Not for: a gentle end (`stop`).

use model::SessionId;

use super::governed;
use crate::control::Control;
use crate::failure::Failure;
use crate::sockets::Sockets;

/// Options of `kill`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// The session, as `sheriff ps` lists it
    #[arg(value_name = "ID")]
    session: SessionId,
}

/// Ends the jail.
pub(crate) fn run(args: &Args, sockets: &Sockets) -> Result<u8, Failure> {
    let path = format!("/v1/sessions/{}/kill", args.session);
    Control::new(sockets).post(&path)?;
    governed::say(&args.session, "killed", args.json)
}
