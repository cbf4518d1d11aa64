//! `sheriff seccomp coverage`: what programs really called, held against a profile, and the smallest
//! profile that would do.
//!
//! Not for: tracing them: strace or the audit log did.

use std::path::{Path, PathBuf};

use audit::{Filter, Kind, Reader};
use model::{ProfileName, SessionId};
use seccomp::Arch;
use seccomp::coverage::{self, INPUT_BYTES_MAX, Observed};
use seccomp::proposal::{Proposal, propose};

use super::{Machine, Named, SeccompError};
use crate::commands::AUDIT_DIR;
use crate::failure::Failure;
use crate::render::{self, Output};
use crate::{deposit, intake};

/// Options of `seccomp coverage`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    profile: Named,
    #[command(flatten)]
    machine: Machine,
    /// What `strace -f` wrote; may be given again, `-` is standard input
    #[arg(long, value_name = "FILE", required_unless_present = "audit")]
    strace: Vec<PathBuf>,
    /// The denials in an audit log, by default the installed daemon's
    #[arg(long, value_name = "DIR", num_args = 0..=1, default_missing_value = AUDIT_DIR)]
    audit: Option<PathBuf>,
    /// Of the audit log only this session
    #[arg(long, value_name = "ID", requires = "audit")]
    session: Option<SessionId>,
    /// Print the smallest profile of this name that extends NAME and allows what was called
    #[arg(long, value_name = "NEWNAME", conflicts_with = "json")]
    propose: Option<ProfileName>,
    /// Write that profile to this file instead of standard output
    #[arg(short, long = "output", value_name = "FILE", requires = "propose")]
    output: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Compares, or proposes.
pub(crate) fn run(args: &Args) -> Result<u8, Failure> {
    let profile = args.profile.profile()?;
    let arch = args.machine.arch()?;
    let observed = observed(args, arch)?;
    if observed.garbage.lines > 0 {
        let garbage = observed.garbage;
        render::note(&format!(
            "{} lines could not be read, the first is line {}",
            garbage.lines, garbage.first
        ));
    }
    if let Some(name) = &args.propose {
        let made = propose(&profile, name, arch, &observed);
        deposit::text(args.output.as_deref(), &made.text)?;
        remark(&made);
        return Ok(0);
    }
    let coverage = coverage::compare(&profile, arch, &observed);
    let mut output = Output::new();
    if args.json {
        output.json(&coverage)?;
    } else {
        output.text(&coverage.to_string())?;
    }
    output.finish().map(|()| 0)
}

/// What was called, from all sources.
fn observed(args: &Args, arch: Arch) -> Result<Observed, Failure> {
    let mut observed = Observed::default();
    for path in &args.strace {
        let traced = traced(path, arch)?;
        observed.merge(traced);
    }
    if let Some(dir) = &args.audit {
        let mut refused = Observed::default();
        denied(dir, args.session.as_ref(), &mut refused)?;
        remark_on_log(args, &refused);
        observed.merge(refused);
    }
    Ok(observed)
}

/// What an audit log alone can't tell.
fn remark_on_log(args: &Args, refused: &Observed) {
    if let Some(session) = args.session.as_ref().filter(|_| refused.calls.is_empty()) {
        render::note(&format!(
            "the audit log has no refused call of session {session}"
        ));
    }
    if args.strace.is_empty() {
        render::note("the audit log has refused calls only: add --strace for what took place");
    }
}

fn traced(path: &Path, arch: Arch) -> Result<Observed, SeccompError> {
    let bytes = intake::bytes(path, INPUT_BYTES_MAX)?;
    // A trace repeats what programs wrote, which need not be text.
    let text = String::from_utf8_lossy(&bytes);
    let file = path.display().to_string();
    Ok(coverage::strace(&file, &text, arch)?)
}

fn denied(dir: &Path, session: Option<&SessionId>, into: &mut Observed) -> Result<(), Failure> {
    let filter = Filter {
        session: session.cloned(),
        kinds: vec![Kind::SyscallDenied],
        ..Filter::default()
    };
    for entry in Reader::open(dir, filter)? {
        let line = serde_json::to_string(&entry?).map_err(|source| Failure::Output {
            source: source.into(),
        })?;
        let file = dir.display().to_string();
        into.merge(coverage::log(&file, &line, None).map_err(SeccompError::from)?);
    }
    Ok(())
}

/// What a reader of the proposal should know.
fn remark(made: &Proposal) {
    let mut words = format!("{} calls are kept", made.kept);
    if !made.enabled.is_empty() {
        words += &format!("; it switches on {}", made.enabled.join(", "));
    }
    render::note(&words);
    for refused in &made.refused {
        let answer = refused.decision.action;
        render::note(&format!(
            "stays refused: {} ({} times, {answer})",
            refused.call, refused.count
        ));
    }
}
