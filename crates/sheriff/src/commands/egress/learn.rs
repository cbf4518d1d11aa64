//! `sheriff egress learn`: runs a command in a jail that lets everything through that is not forbidden,
//! records it, and proposes the smallest egress list for it.
//!
//! Dangerous by design, for a command that one trusts at least this once: it reaches every public host.
//! Deny rules, the operator's ceiling, address classes and budgets hold; there are no secrets.
//!
//! Not for: making the list (`policy::proposal`).

use std::path::PathBuf;

use model::ProfileName;
use policy::proposal::{Observed, Proposal, propose};

use super::written::Written;
use crate::attach::Ending;
use crate::commands::jailed::{Jailed, Watched};
use crate::control::{Control, ControlError};
use crate::deposit;
use crate::failure::Failure;
use crate::render;
use crate::sockets::Sockets;

/// Options of `egress learn`: the jail, whose profile's deny rules and budget hold, and where the
/// proposal goes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    jailed: Jailed,
    /// Name of the proposed list
    #[arg(long, value_name = "NEW", default_value = "learned")]
    name: ProfileName,
    /// Write the proposal to this file instead of standard output
    #[arg(short, long = "output", value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write JSON: the list's text, its rules, and what was refused
    #[arg(long)]
    json: bool,
}

/// What a session did.
#[derive(Debug, Default)]
struct Lesson {
    observed: Observed,
    suppressed: u64,
}

/// Runs the command; its exit code is ours.
pub(crate) fn run(args: Args, sockets: &Sockets) -> Result<u8, Failure> {
    let Args {
        jailed,
        name,
        output,
        json,
    } = args;
    let observed = Observed::under(jailed.connections()?);
    let ready = jailed.prepare()?;
    output.as_deref().map(deposit::check).transpose()?;
    render::note("learning: whatever is not forbidden is let through, to any host, and recorded");
    let (ending, lesson) = ready.follow_with(sockets, Watched::Egress, |ending, daemon| {
        gather(ending, daemon, observed)
    })?;
    let code = ending.record.code;
    let written = lesson.and_then(|lesson| {
        let proposal = propose(&name, &lesson.observed)?;
        deposit::text(output.as_deref(), &document(&proposal, json)?)?;
        remark(&proposal, &lesson, code);
        Ok(())
    });
    match written {
        Err(failure) if code != 0 => {
            render::failure(&failure);
            Ok(code)
        }
        other => other.map(|()| code),
    }
}

/// Asks the daemon for all that it recorded of the session, while it is still there.
fn gather(ending: &Ending, daemon: &Sockets, observed: Observed) -> Result<Lesson, Failure> {
    let mut lesson = Lesson {
        observed,
        suppressed: 0,
    };
    let Some(report) = &ending.report else {
        return Ok(lesson);
    };
    let path = format!("/v1/audit?session={}", report.session);
    Control::new(daemon).follow(&path, |line| {
        let written = Written::read(line).map_err(|source| ControlError::Record { source })?;
        match written {
            // What is not taken in is counted by it, and the proposal says so.
            Written::Event(event) => lesson.observed.take(&event).unwrap_or(()),
            Written::Suppressed(count) => {
                lesson.suppressed = lesson.suppressed.saturating_add(count);
            }
            Written::Other => {}
        }
        Ok(())
    })?;
    Ok(lesson)
}

fn document(proposal: &Proposal, json: bool) -> Result<String, Failure> {
    if !json {
        return Ok(proposal.text.clone());
    }
    let text = render::pretty(proposal).map_err(|source| Failure::Output {
        source: source.into(),
    })?;
    Ok(text + "\n")
}

/// What a reader of the proposal should know.
fn remark(proposal: &Proposal, lesson: &Lesson, code: u8) {
    let rules = proposal.rules.len();
    let tunnels = proposal.rules.iter().filter(|rule| rule.tunnel.is_some());
    let tunnels = tunnels.count();
    render::note(&format!(
        "{} requests were let through; {rules} rules allow them, {tunnels} of these as tunnels",
        proposal.requests
    ));
    let refused: u64 = proposal.refused.iter().map(|refused| refused.count).sum();
    if refused > 0 {
        render::note(&format!(
            "{refused} were refused all the same: the comments say which"
        ));
    }
    if lesson.suppressed > 0 {
        let count = lesson.suppressed;
        render::note(&format!(
            "{count} denials more were counted and not recorded one by one"
        ));
    }
    if code != 0 {
        render::note(&format!(
            "the command ended with {code}: it may have ended before it asked for all that it needs"
        ));
    }
}
