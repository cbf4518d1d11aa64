//! `sheriff audit`: the audit log's files, without the daemon.
//!
//! Not for: writing; only the office does.

mod tail;
mod verify;

use clap::Subcommand;

use crate::failure::Failure;

/// Where the daemon keeps the log unless it is configured otherwise.
pub(crate) const DEFAULT_DIR: &str = "/var/lib/sheriff/office/audit";

/// Commands of `audit`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Check that the log is whole and signed
    Verify(verify::Args),
    /// Show entries, one line each
    Tail(tail::Args),
}

/// Runs one of them.
pub(crate) fn run(command: Command) -> Result<u8, Failure> {
    match command {
        Command::Verify(args) => verify::run(&args),
        Command::Tail(args) => tail::run(&args),
    }
}
