//! `sheriff secret`: what the proxy puts into requests in place of what agents hold.
//!
//! Not for: showing a value; nothing does.

mod list;
mod rm;
mod set;
mod uses;
mod value;

use clap::Subcommand;

pub(crate) use self::value::ValueError;

use crate::failure::Failure;
use crate::sockets::Sockets;

/// Commands of `secret`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Set a secret, or another value of one; the value comes from standard input or a file
    Set(Box<set::Args>),
    /// List secrets: where they may go, never what they are
    List(list::Args),
    /// Remove a secret
    Rm(rm::Args),
    /// Show which requests took a secret
    Uses(uses::Args),
}

/// Runs one of them.
pub(crate) fn run(command: Command, sockets: &Sockets) -> Result<u8, Failure> {
    match command {
        Command::Set(args) => set::run(*args, sockets),
        Command::List(args) => list::run(&args, sockets),
        Command::Rm(args) => rm::run(&args, sockets),
        Command::Uses(args) => uses::run(&args, sockets),
    }
}
