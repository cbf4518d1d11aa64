//! `sheriff audit`: the audit log's files, without the daemon.
//!
//! Not for: writing; only the office does.

mod export;
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
    /// Write the log in the form of other systems
    Export(export::Args),
    /// Show entries, one line each
    Tail(tail::Args),
}

/// Runs one of them.
pub(crate) fn run(command: Command) -> Result<u8, Failure> {
    match command {
        Command::Verify(args) => verify::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Tail(args) => tail::run(&args),
    }
}
