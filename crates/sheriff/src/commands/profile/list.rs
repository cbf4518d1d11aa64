//! `sheriff profile list`: which profiles there are, and where.
//!
//! Not for: whether they are sound (`profile check`).

use crate::commands::folder::Folder;
use crate::failure::Failure;
use crate::render::{Output, Table};

/// Options of `profile list`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    folder: Folder,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Lists the profiles.
pub(crate) fn run(args: &Args) -> Result<u8, Failure> {
    let profiles = args.folder.shelf().list()?;
    let mut output = Output::new();
    if args.json {
        output.json(&profiles)?;
    } else {
        let mut table = Table::new(["KIND", "NAME", "SOURCE"]);
        profiles
            .iter()
            .for_each(|profile| table.row(profile.cells()));
        table.print(&mut output)?;
    }
    output.finish().map(|()| 0)
}
