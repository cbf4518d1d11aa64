//! `sheriff seccomp list`: which seccomp profiles there are, how much they permit, and the hashes by
//! which their programs are known.
//!
//! Not for: what they permit in detail (`seccomp explain`).

use model::ProfileName;
use seccomp::explain::{self, Count};
use seccomp::{Profile, Purpose, compile_for};
use serde::Serialize;

use super::SeccompError;
use crate::commands::folder::Folder;
use crate::failure::Failure;
use crate::render::{Output, filter};
use crate::shelf::Shelf;

/// Options of `seccomp list`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    folder: Folder,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A profile on the list.
#[derive(Debug, Serialize)]
pub(crate) struct Listed {
    /// Its name.
    pub(crate) name: ProfileName,
    /// What it is, or why it can't be used.
    #[serde(flatten)]
    pub(crate) state: State,
}

/// Whether a listed profile can be used.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum State {
    /// It can.
    Usable(Box<Summary>),
    /// It can't.
    Broken {
        /// Why, with file and line.
        error: String,
    },
}

/// A profile in numbers.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    /// Its file.
    pub(crate) source: String,
    /// What it is for.
    pub(crate) description: String,
    /// It and its parents, nearest first.
    pub(crate) lineage: Vec<String>,
    /// Optional groups that are off.
    pub(crate) off: Vec<String>,
    /// Published vulnerabilities that it keeps out of reach.
    pub(crate) stopped: usize,
    /// How much it permits, for each architecture.
    pub(crate) counts: Vec<Count>,
    /// Its programs for enforcing and for reporting, for each architecture.
    pub(crate) programs: Vec<Made>,
}

/// One program in numbers.
#[derive(Debug, Serialize)]
pub(crate) struct Made {
    /// Its architecture.
    pub(crate) arch: String,
    /// What it is for.
    pub(crate) purpose: String,
    /// Its length.
    pub(crate) instructions: usize,
    /// SHA-256, hexadecimal.
    pub(crate) sha256: String,
}

/// Lists the profiles; 1 when any can't be used.
pub(crate) fn run(args: &Args) -> Result<u8, Failure> {
    let shelf = args.folder.shelf();
    let names = shelf.filter_names()?;
    let listed: Vec<Listed> = names.into_iter().map(|name| list(name, &shelf)).collect();
    let mut output = Output::new();
    if args.json {
        output.json(&listed)?;
    } else {
        filter::list(&listed, &mut output)?;
    }
    output.finish()?;
    let broken = |one: &Listed| matches!(one.state, State::Broken { .. });
    Ok(u8::from(listed.iter().any(broken)))
}

fn list(name: ProfileName, shelf: &Shelf) -> Listed {
    let profile = shelf.filter(name.as_str()).map_err(SeccompError::from);
    let state = match profile.and_then(|profile| Summary::of(&profile)) {
        Ok(summary) => State::Usable(Box::new(summary)),
        Err(error) => State::Broken {
            error: error.to_string(),
        },
    };
    Listed { name, state }
}

impl Summary {
    /// The numbers of a profile.
    pub(crate) fn of(profile: &Profile) -> Result<Self, SeccompError> {
        let explanation = explain::explain(profile)?;
        let source = profile.lineage().first();
        let groups = profile.optional().iter().filter_map(|rule| rule.group());
        let mut off: Vec<String> = groups.map(str::to_owned).collect();
        off.sort();
        off.dedup();
        let mut programs = Vec::new();
        for Count { arch, .. } in &explanation.counts {
            for purpose in [Purpose::Enforce, Purpose::Report] {
                let program = compile_for(profile, *arch, purpose)?;
                programs.push(Made {
                    arch: arch.to_string(),
                    purpose: purpose.to_string(),
                    instructions: program.instructions().len(),
                    sha256: program.hash(),
                });
            }
        }
        Ok(Self {
            source: source.map(|origin| origin.file.clone()).unwrap_or_default(),
            off,
            stopped: explain::stopped(profile).len(),
            description: explanation.description,
            lineage: explanation.lineage,
            counts: explanation.counts,
            programs,
        })
    }
}
