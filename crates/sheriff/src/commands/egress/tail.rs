//! `sheriff egress tail`: egress events as they happen.
//!
//! Not for: other events (`logs`, `audit tail`).

use model::{EgressEvent, SessionId};

use crate::control::{Control, ControlError};
use crate::failure::Failure;
use crate::render::{Output, egress};
use crate::sockets::Sockets;

/// Options of `egress tail`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only events of this session
    #[arg(long, value_name = "ID")]
    session: Option<SessionId>,
    /// Stay, and show new events
    #[arg(short = 'f', long)]
    follow: bool,
    /// Print JSON lines
    #[arg(long)]
    json: bool,
}

/// Shows the events.
pub(crate) fn run(args: &Args, sockets: &Sockets) -> Result<u8, Failure> {
    let mut path = format!("/v1/egress/events?follow={}", args.follow);
    if let Some(session) = &args.session {
        path.push_str(&format!("&session={session}"));
    }
    let mut output = Output::new();
    Control::new(sockets).follow(&path, |line| {
        let event: EgressEvent =
            serde_json::from_slice(line).map_err(|source| ControlError::Malformed { source })?;
        if args.json {
            return output.json_line(line);
        }
        output.live(&egress::line(&event, output.style))
    })?;
    output.finish().map(|()| 0)
}
