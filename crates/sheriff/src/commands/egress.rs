//! `sheriff egress`: what jails send and ask for, and why it was allowed or denied.
//!
//! Not for: changing rules.

mod tail;
mod why;

use clap::Subcommand;

use crate::failure::Failure;
use crate::sockets::Sockets;

/// Commands of `egress`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show egress events, one line each
    Tail(tail::Args),
    /// Explain one decision
    Why(why::Args),
}

/// Runs one of them.
pub(crate) fn run(command: Command, sockets: &Sockets) -> Result<u8, Failure> {
    match command {
        Command::Tail(args) => tail::run(&args, sockets),
        Command::Why(args) => why::run(&args, sockets),
    }
}
