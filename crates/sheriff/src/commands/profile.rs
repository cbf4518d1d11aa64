//! `sheriff profile`: profiles as files, without the daemon.
//!
//! Not for: the profiles that a running daemon has read.

mod check;
mod explain;
mod list;
mod show;

use clap::Subcommand;

pub(crate) use self::check::Finding;
pub(crate) use self::explain::Page;

use crate::failure::Failure;

/// Commands of `profile`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Check profiles; errors name file, line and key
    Check(check::Args),
    /// Show a jail's profile with its parents merged in
    Show(show::Args),
    /// Show everything that a jail with this profile gets, on one page
    Explain(explain::Args),
    /// List profiles
    List(list::Args),
}

/// Runs one of them.
pub(crate) fn run(command: Command) -> Result<u8, Failure> {
    match command {
        Command::Check(args) => check::run(&args),
        Command::Show(args) => show::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::List(args) => list::run(&args),
    }
}
