//! `sheriff seccomp diff`: where two profiles decide differently.
//!
//! Not for: differences in wording alone, which a text diff shows.

use seccomp::diff;

use super::SeccompError;
use crate::commands::folder::Folder;
use crate::failure::Failure;
use crate::render::Output;

/// Options of `seccomp diff`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    folder: Folder,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// The first profile, by name or file
    #[arg(value_name = "NAME|FILE")]
    left: String,
    /// The second one
    #[arg(value_name = "NAME|FILE")]
    right: String,
}

/// Compares; 1 when the profiles decide differently.
pub(crate) fn run(args: &Args) -> Result<u8, Failure> {
    let shelf = args.folder.shelf();
    let read = |given: &str| shelf.filter(given).map_err(SeccompError::from);
    let (left, right) = (read(&args.left)?, read(&args.right)?);
    let mut difference = diff::diff(&left, &right).map_err(SeccompError::from)?;
    if difference.left == difference.right {
        // Two versions of one profile: the files tell them apart.
        difference.left.clone_from(&args.left);
        difference.right.clone_from(&args.right);
    }
    let mut output = Output::new();
    if args.json {
        output.json(&difference)?;
    } else {
        output.text(&difference.to_string())?;
    }
    output.finish()?;
    Ok(u8::from(!difference.is_none()))
}
