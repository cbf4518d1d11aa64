//! `sheriff ps`: living jails.
//!
//! Not for: sessions that are over (`logs`, `audit tail`).

use api::control::SessionList;

use crate::control::Control;
use crate::failure::Failure;
use crate::render::{Output, session};
use crate::sockets::Sockets;

/// Options of `ps`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Lists the jails.
pub(crate) fn run(args: &Args, sockets: &Sockets) -> Result<u8, Failure> {
    let list: SessionList = Control::new(sockets).get("/v1/sessions")?;
    let mut output = Output::new();
    if args.json {
        output.json(&list)?;
    } else {
        session::list(&list.sessions, &mut output)?;
    }
    output.finish().map(|()| 0)
}
