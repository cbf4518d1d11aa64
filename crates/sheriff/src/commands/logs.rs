//! `sheriff logs`: a session's story from the audit log, egress included.
//!
//! Not for: the output of its command; that went to whoever ran it.

use model::SessionId;

use crate::control::{Control, ControlError};
use crate::failure::Failure;
use crate::render::{Output, entry};
use crate::sockets::Sockets;

/// Options of `logs`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Stay, and show what is added
    #[arg(short = 'f', long)]
    follow: bool,
    /// Print JSON lines
    #[arg(long)]
    json: bool,
    /// The session; it may be over
    #[arg(value_name = "ID")]
    session: SessionId,
}

/// Shows the entries.
pub(crate) fn run(args: &Args, sockets: &Sockets) -> Result<u8, Failure> {
    let path = format!("/v1/audit?session={}&follow={}", args.session, args.follow);
    let mut output = Output::new();
    let mut is_known = false;
    Control::new(sockets).follow(&path, |line| {
        is_known = true;
        let entry =
            serde_json::from_slice(line).map_err(|source| ControlError::Malformed { source })?;
        if args.json {
            return output.json_line(line);
        }
        output.live(&entry::line(&entry, output.style))
    })?;
    output.finish()?;
    match is_known {
        true => Ok(0),
        false => Err(Failure::NoEntries {
            session: args.session.clone(),
        }),
    }
}
