//! `sheriff inspect`: all about a living jail.
//!
//! Not for: what it did (`logs`).

use api::control::SessionDetail;
use model::SessionId;

use crate::control::Control;
use crate::failure::Failure;
use crate::render::{Output, session};
use crate::sockets::Sockets;

/// Options of `inspect`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// The session, as `sheriff ps` lists it
    #[arg(value_name = "ID")]
    session: SessionId,
}

/// Shows the jail.
pub(crate) fn run(args: &Args, sockets: &Sockets) -> Result<u8, Failure> {
    let path = format!("/v1/sessions/{}", args.session);
    let detail: SessionDetail = Control::new(sockets).get(&path)?;
    let mut output = Output::new();
    if args.json {
        output.json(&detail)?;
    } else {
        session::detail(&detail, &mut output)?;
    }
    output.finish().map(|()| 0)
}
