//! `sheriff seccomp matrix`: every system call by every profile, on one page.
//!
//! Not for: two profiles in detail (`seccomp diff`).

use std::path::PathBuf;

use seccomp::Profile;
use seccomp::matrix::matrix;

use super::SeccompError;
use crate::commands::folder::Folder;
use crate::deposit;
use crate::failure::Failure;
use crate::render::{self, Output};

/// Options of `seccomp matrix`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    folder: Folder,
    /// Make a page for a browser
    #[arg(long, conflicts_with = "json")]
    html: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Write to this file instead of standard output
    #[arg(short, long = "output", value_name = "FILE")]
    output: Option<PathBuf>,
    /// Profiles, by name or file; all there are if none is named
    #[arg(value_name = "NAME|FILE")]
    profiles: Vec<String>,
}

/// Makes the page.
pub(crate) fn run(args: &Args) -> Result<u8, Failure> {
    let matrix = matrix(&profiles(args)?).map_err(SeccompError::from)?;
    let to = args.output.as_deref();
    match to {
        None if !args.html && !args.json => {
            let mut output = Output::new();
            output.text(&matrix.to_string())?;
            output.finish()?;
        }
        _ if args.html => deposit::text(to, &matrix.page().to_string())?,
        _ if args.json => {
            let json = render::pretty(&matrix).map_err(|source| Failure::Output {
                source: source.into(),
            })?;
            deposit::text(to, &(json + "\n"))?;
        }
        _ => deposit::text(to, &matrix.to_string())?,
    }
    Ok(0)
}

fn profiles(args: &Args) -> Result<Vec<Profile>, Failure> {
    let shelf = args.folder.shelf();
    let mut names = args.profiles.clone();
    if names.is_empty() {
        let all = shelf.filter_names()?;
        names = all.iter().map(ToString::to_string).collect();
    }
    let read = |name: &String| Ok(shelf.filter(name).map_err(SeccompError::from)?);
    names.iter().map(read).collect()
}
