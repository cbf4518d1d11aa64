//! `sheriff seccomp lint`: what a reviewer would object to in profiles.
//!
//! Not for: whether a jail can run under them (`profile check`).

use seccomp::lint::{Finding, Severity, lint};
use serde::Serialize;

use super::SeccompError;
use crate::commands::folder::Folder;
use crate::failure::Failure;
use crate::render::{Output, filter};
use crate::shelf::{FilterError, Shelf};

/// Options of `seccomp lint`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    folder: Folder,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Profiles, by name or file
    #[arg(required = true, value_name = "NAME|FILE")]
    profiles: Vec<String>,
}

/// What was found in one profile.
#[derive(Debug, Serialize)]
pub(crate) struct Linted {
    /// The profile as it was given.
    pub(crate) profile: String,
    /// The defect that keeps it from being read at all, with file and line.
    pub(crate) error: Option<String>,
    /// The findings, the gravest first.
    pub(crate) findings: Vec<Finding>,
}

/// Checks the profiles; 1 when any has an error.
pub(crate) fn run(args: &Args) -> Result<u8, Failure> {
    let shelf = args.folder.shelf();
    let linted = args
        .profiles
        .iter()
        .map(|given| lint_one(given, &shelf))
        .collect::<Result<Vec<_>, _>>()?;
    let mut output = Output::new();
    if args.json {
        output.json(&linted)?;
    } else {
        filter::linted(&linted, &mut output)?;
    }
    output.finish()?;
    Ok(u8::from(linted.iter().any(Linted::has_errors)))
}

fn lint_one(given: &str, shelf: &Shelf) -> Result<Linted, SeccompError> {
    let (error, findings) = match shelf.filter(given) {
        Ok(profile) => (None, lint(&profile)?),
        Err(FilterError::Profile(error)) => (Some(error.to_string()), Vec::new()),
        Err(unread) => return Err(unread.into()),
    };
    Ok(Linted {
        profile: given.to_owned(),
        error,
        findings,
    })
}

impl Linted {
    /// Whether the profile must not be used as it is.
    pub(crate) fn has_errors(&self) -> bool {
        let mut findings = self.findings.iter();
        self.error.is_some() || findings.any(|finding| finding.severity == Severity::Error)
    }
}
