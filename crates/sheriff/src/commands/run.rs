//! `sheriff run`: a command in a new jail, from its start to its exit code.
//!
//! Not for: goals with budgets and states.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::jailed::{Jailed, Watched};
use crate::attach::Ending;
use crate::failure::Failure;
use crate::render;
use crate::sockets::Sockets;

/// Options of `run`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) jailed: Jailed,
    /// Write the session's account to this file as JSON
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

/// Runs the command; its exit code is ours.
pub(crate) fn run(args: Args, sockets: &Sockets) -> Result<u8, Failure> {
    let ready = args.jailed.prepare()?;
    let report = args.report.as_deref().map(open_report).transpose()?;
    let ending = ready.follow(sockets, Watched::Nothing)?;
    finish(&ending, report)
}

fn open_report(path: &Path) -> Result<File, Failure> {
    File::create(path).map_err(|source| Failure::Report {
        path: path.to_owned(),
        source,
    })
}

/// Writes the report. A command that succeeded without its report written has not succeeded.
fn finish(ending: &Ending, report: Option<File>) -> Result<u8, Failure> {
    let code = ending.record.code;
    let Some(file) = report else {
        return Ok(code);
    };
    match write_report(ending, file) {
        Err(failure) if code != 0 => {
            render::failure(&failure);
            Ok(code)
        }
        other => other.map(|()| code),
    }
}

fn write_report(ending: &Ending, mut file: File) -> Result<(), Failure> {
    let error = |source| Failure::ReportWrite { source };
    let text = render::pretty(&ending.report).map_err(|source| error(source.into()))?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.write_all(b"\n"))
        .map_err(error)
}
