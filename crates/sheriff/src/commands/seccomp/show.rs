//! `sheriff seccomp show`: a profile on its own, its parents merged in, as one file.
//!
//! Not for: explaining it (`seccomp explain`). A parent's and a child's denials of one call may overlap
//! as one file's may not: then the file says of itself that it is for reading only.

use std::path::PathBuf;

use seccomp::diff::diff;
use seccomp::{Profile, explain};

use super::{Named, SeccompError};
use crate::deposit;
use crate::failure::Failure;
use crate::render::{Output, toml};

/// First line of a text that is not the profile once more.
const FOR_READING: &str =
    "# For reading only: rules of several files overlap here, as those of one file may not.\n";

/// Options of `seccomp show`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    profile: Named,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Write to this file instead of standard output
    #[arg(short, long = "output", value_name = "FILE", conflicts_with = "json")]
    output: Option<PathBuf>,
}

/// Shows the profile.
pub(crate) fn run(args: &Args) -> Result<u8, Failure> {
    let profile = args.profile.profile()?;
    if args.json {
        let explanation = explain::explain(&profile).map_err(SeccompError::from)?;
        let mut output = Output::new();
        output.json(&explanation)?;
        output.finish()?;
    } else {
        let mut text = toml::profile(&profile);
        if !says_the_same(&text, &profile) {
            text = format!("{FOR_READING}{text}");
        }
        deposit::text(args.output.as_deref(), &text)?;
    }
    Ok(0)
}

fn says_the_same(text: &str, profile: &Profile) -> bool {
    let Ok(again) = Profile::parse("", text) else {
        return false;
    };
    diff(profile, &again).is_ok_and(|difference| difference.is_none())
}
