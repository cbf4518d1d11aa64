//! `sheriff resume`: lets a frozen jail go on.
//!
//! Not for: runs that wait for an approval.

use model::SessionId;

use super::governed;
use crate::control::Control;
use crate::failure::Failure;
use crate::sockets::Sockets;

/// Options of `resume`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// The session, as `sheriff ps` lists it
    #[arg(value_name = "ID")]
    session: SessionId,
}

/// Thaws the jail.
pub(crate) fn run(args: &Args, sockets: &Sockets) -> Result<u8, Failure> {
    let path = format!("/v1/sessions/{}/resume", args.session);
    Control::new(sockets).post(&path)?;
    governed::say(&args.session, "running", args.json)
}
