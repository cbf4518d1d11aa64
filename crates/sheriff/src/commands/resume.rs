//! `sheriff resume`: lets a frozen jail go on.
//!
//! Not for: runs that wait for an approval.

use model::SessionId;

use crate::control::Control;
use crate::failure::Failure;
use crate::sockets::Sockets;

/// Options of `resume`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The session, as `sheriff ps` lists it
    #[arg(value_name = "ID")]
    session: SessionId,
}

/// Thaws the jail.
pub(crate) fn run(args: &Args, sockets: &Sockets) -> Result<u8, Failure> {
    let path = format!("/v1/sessions/{}/resume", args.session);
    Control::new(sockets).post(&path)?;
    Ok(0)
}
