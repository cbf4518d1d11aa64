//! `sheriff version`: which version this is.
//!
//! Not for: the daemon's version.

use serde::Serialize;

use crate::failure::Failure;
use crate::render::Output;

/// Options of `version`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Version {
    version: &'static str,
}

/// Shows the version.
pub(crate) fn run(args: &Args) -> Result<u8, Failure> {
    let version = env!("CARGO_PKG_VERSION");
    let mut output = Output::new();
    if args.json {
        output.json(&Version { version })?;
    } else {
        output.line(&format!("sheriff {version}"))?;
    }
    output.finish().map(|()| 0)
}
