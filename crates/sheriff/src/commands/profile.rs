//! `sheriff profile`: profiles as files, without the daemon.
//!
//! Not for: the profiles that a running daemon has read.

mod check;
mod list;
mod show;

use std::path::PathBuf;

use clap::Subcommand;

pub(crate) use self::check::Finding;

use crate::failure::Failure;
use crate::shelf::Shelf;

/// Commands of `profile`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Check profiles; errors name file, line and key
    Check(check::Args),
    /// Show a jail's profile with its parents merged in
    Show(show::Args),
    /// List profiles
    List(list::Args),
}

/// Where the host's profiles are, as an option of each of them.
#[derive(Debug, clap::Args)]
struct Folder {
    /// Folder with the host's own profiles
    #[arg(
        long = "profiles",
        value_name = "DIR",
        default_value = "/etc/sheriff/profiles"
    )]
    folder: PathBuf,
}

impl Folder {
    fn shelf(&self) -> Shelf {
        Shelf::new(self.folder.clone())
    }
}

/// Runs one of them.
pub(crate) fn run(command: Command) -> Result<u8, Failure> {
    match command {
        Command::Check(args) => check::run(&args),
        Command::Show(args) => show::run(&args),
        Command::List(args) => list::run(&args),
    }
}
