//! `sheriff exec`: a further command in a living jail.
//!
//! Not for: commands outside of jails, nor for starting one.

use std::ffi::OsString;

use api::attach::Hello;
use clap::builder::{OsStringValueParser, TypedValueParser};
use model::SessionId;

use super::words;
use crate::attach::{AttachError, Attachment, Streams, reason};
use crate::failure::Failure;
use crate::render;
use crate::sockets::Sockets;

/// Options of `exec`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Give the command a terminal
    #[arg(short = 't', long)]
    terminal: bool,
    /// Set an environment variable of the command
    #[arg(long, value_name = "K=V", value_parser = OsStringValueParser::new().try_map(words::env))]
    env: Vec<Vec<u8>>,
    /// The session, as `sheriff ps` lists it
    #[arg(value_name = "ID")]
    session: SessionId,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
}

/// Runs the command; its exit code is ours.
pub(crate) fn run(args: Args, sockets: &Sockets) -> Result<u8, Failure> {
    let program = words::program(&args.command);
    let streams = Streams::choose(args.terminal).map_err(AttachError::from)?;
    let attachment = Attachment::existing(sockets)?;
    let hello = Hello::Exec(Box::new(api::attach::Exec {
        session: args.session,
        argv: words::bytes(args.command),
        env: args.env,
        terminal: streams.window(),
    }));
    let ending = attachment.follow(&hello, streams, None)?;
    if let Some(text) = reason(&ending.record, &program) {
        render::note(&text);
    }
    Ok(ending.record.code)
}
