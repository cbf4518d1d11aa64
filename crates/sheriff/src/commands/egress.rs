//! `sheriff egress`: what jails send and ask for, and why it was allowed or denied.
//!
//! Not for: changing rules.

mod candidate;
mod check;
mod learn;
mod question;
mod registries;
mod replay;
mod tail;
mod top;
mod usage;
mod why;
mod written;

use clap::Subcommand;

pub(crate) use self::question::{Bound, QuestionError, Ruling, Treatment};
pub(crate) use self::replay::{Change, Kind, Outcome, ReplayError, Told};
pub(crate) use self::written::WrittenError;

use crate::failure::Failure;
use crate::sockets::Sockets;

/// Commands of `egress`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show egress events, one line each
    Tail(tail::Args),
    /// Say what a profile would allow; 0: allowed, 1: denied
    Check(check::Args),
    /// Watch living jails: rates, hosts and budgets
    Top(top::Args),
    /// Tell how much went where, and whether that is all that left
    Usage(usage::Args),
    /// Write the egress list of the package registries that this host's settings name
    Registries(registries::Args),
    /// Run a command that may reach any host, record what it asks for, and propose the smallest list
    Learn(Box<learn::Args>),
    /// Say what a policy would have decided about a record; 0: the same, 1: something else
    Replay(replay::Args),
    /// Explain one decision
    Why(why::Args),
}

/// Runs one of them.
pub(crate) fn run(command: Command, sockets: &Sockets) -> Result<u8, Failure> {
    match command {
        Command::Tail(args) => tail::run(&args, sockets),
        Command::Check(args) => check::run(&args),
        Command::Top(args) => top::run(&args, sockets),
        Command::Usage(args) => usage::run(&args, sockets),
        Command::Registries(args) => registries::run(&args),
        Command::Learn(args) => learn::run(*args, sockets).map_err(Failure::unrecorded),
        Command::Replay(args) => replay::run(&args),
        Command::Why(args) => why::run(&args, sockets),
    }
}
