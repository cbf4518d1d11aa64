//! `sheriff audit verify`: whether the log is whole, from its files and a public key.
//!
//! Not for: repair; a log that fails is evidence.

use std::path::PathBuf;

use audit::{PublicKey, Report};

use crate::failure::Failure;
use crate::render::{Output, verdict};

/// Options of `audit verify`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folder of the log
    #[arg(long, value_name = "DIR", default_value = super::DEFAULT_DIR)]
    dir: PathBuf,
    /// Public key file, kept where the log's writer can't change it; without it a log that was made
    /// anew with another key does not show
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Checks the log; 1 when anything is wrong with it.
pub(crate) fn run(args: &Args) -> Result<u8, Failure> {
    let key = args.key.as_deref().map(PublicKey::read).transpose()?;
    let report: Report = audit::verify(&args.dir, key.as_ref())?;
    let mut output = Output::new();
    if args.json {
        output.json(&report)?;
    } else {
        verdict::log(&report, key.is_some(), &mut output)?;
    }
    output.finish()?;
    Ok(u8::from(!report.is_intact()))
}
