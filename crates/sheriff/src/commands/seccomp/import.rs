//! `sheriff seccomp import`: a profile of ours from another program's.
//!
//! Not for: reading the form (crate `seccomp`).

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use model::ProfileName;
use seccomp::import::{self, Difference, INPUT_BYTES_MAX, Imported, Request, Sets};

use super::{Machine, SeccompError};
use crate::failure::Failure;
use crate::{deposit, intake, render};

/// Options of `seccomp import`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What the file is
    #[arg(long, value_name = "FORMAT")]
    format: Format,
    /// Name of the new profile
    #[arg(long, value_name = "NAME")]
    name: ProfileName,
    #[command(flatten)]
    machine: Machine,
    /// A capability that the process would have, such as `CAP_SYS_ADMIN`: Docker's format has rules
    /// that hold only with or without one
    #[arg(long = "cap", value_name = "CAP")]
    capabilities: Vec<String>,
    /// Write to this file instead of standard output
    #[arg(short, long = "output", value_name = "FILE")]
    output: Option<PathBuf>,
    /// The file; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// A form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// The `linux.seccomp` object of the OCI runtime specification
    Oci,
    /// A profile of Docker or Podman
    Docker,
    /// A unit of systemd with `SystemCallFilter=`, or a bare list such as `@system-service`
    Systemd,
}

/// Writes the profile; what it says differently from its source goes to standard error.
pub(crate) fn run(args: &Args) -> Result<u8, Failure> {
    let made = import(args)?;
    deposit::text(args.output.as_deref(), &made.text)?;
    remark(&args.file.display().to_string(), &made);
    Ok(0)
}

/// Where the profile is not what the source says.
fn remark(file: &str, made: &Imported) {
    let mut unknown: BTreeMap<Option<usize>, Vec<&str>> = BTreeMap::new();
    for note in &made.notes {
        match &note.what {
            Difference::UnknownCall { call } => unknown.entry(note.line).or_default().push(call),
            _ => render::note(&format!("{file}: {note}")),
        }
    }
    // Lists for many architectures name dozens of calls that these two lack.
    for (line, calls) in unknown {
        let line = line.map_or_else(String::new, |line| format!(":{line}"));
        render::note(&format!(
            "{file}{line}: {} names are no calls of x86_64 or aarch64, so the profile leaves them out: {}",
            calls.len(),
            calls.join(" ")
        ));
    }
    if !made.skipped.is_empty() {
        let lines: Vec<String> = made.skipped.iter().map(usize::to_string).collect();
        render::note(&format!(
            "{file}: {} rules do not hold here and were left out: lines {}",
            lines.len(),
            lines.join(", ")
        ));
    }
}

fn import(args: &Args) -> Result<Imported, SeccompError> {
    let text = intake::text(&args.file, INPUT_BYTES_MAX)?;
    let file = args.file.display().to_string();
    let mut request = Request::new(args.name.clone(), args.machine.arch()?);
    request.capabilities = args.capabilities.iter().cloned().collect::<BTreeSet<_>>();
    Ok(match args.format {
        Format::Oci | Format::Docker => import::oci(&file, &text, &request)?,
        Format::Systemd => import::systemd(&file, &text, &Sets::shipped(), &request)?,
    })
}
