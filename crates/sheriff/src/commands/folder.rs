//! Where the host's own profiles are, as an option of each command that reads some.
//!
//! Not for: finding one (`shelf`).

use std::path::PathBuf;

use crate::shelf::Shelf;

/// The folder, by default where an installed daemon looks.
#[derive(Debug, clap::Args)]
pub(super) struct Folder {
    /// Folder with the host's own profiles
    #[arg(
        long = "profiles",
        value_name = "DIR",
        default_value = "/etc/sheriff/profiles"
    )]
    folder: PathBuf,
}

impl Folder {
    /// The host's profiles, and behind them the shipped ones.
    pub(super) fn shelf(&self) -> Shelf {
        Shelf::new(self.folder.clone())
    }
}
