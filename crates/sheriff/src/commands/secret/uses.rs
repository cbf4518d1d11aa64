//! `sheriff secret uses`: the requests that took a secret: where to, when, in which session and call.
//!
//! Not for: requests that were refused one; those are denials (`egress tail --denied`).

use model::{EgressEvent, SecretName, SessionId};

use crate::control::{Control, ControlError};
use crate::failure::Failure;
use crate::render::{Output, egress};
use crate::sockets::Sockets;

/// Options of `secret uses`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only by this session
    #[arg(long, value_name = "ID")]
    session: Option<SessionId>,
    /// Stay, and show new ones
    #[arg(short = 'f', long)]
    follow: bool,
    /// Print JSON lines
    #[arg(long)]
    json: bool,
    /// The secret's name
    #[arg(value_name = "NAME")]
    name: SecretName,
}

/// Shows them.
pub(crate) fn run(args: &Args, sockets: &Sockets) -> Result<u8, Failure> {
    let mut path = format!("/v1/secrets/{}/uses?follow={}", args.name, args.follow);
    if let Some(session) = &args.session {
        path.push_str(&format!("&session={session}"));
    }
    let mut output = Output::new();
    Control::new(sockets).follow(&path, |line| {
        let event: EgressEvent =
            serde_json::from_slice(line).map_err(|source| ControlError::Malformed { source })?;
        match args.json {
            true => output.json_line(line),
            false => output.live(&egress::line(&event, output.style)),
        }
    })?;
    output.finish().map(|()| 0)
}
