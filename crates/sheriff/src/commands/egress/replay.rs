//! `sheriff egress replay`: what another policy would have said to the requests of a record.
//!
//! Nothing is asked of the daemon, resolved or dialled.
//!
//! Not for: one request that nobody made (`egress check`).

mod change;
mod log;

use std::path::PathBuf;

use model::{EgressEvent, Phase, SessionId};

use self::change::Changes;
pub(crate) use self::change::{Change, Kind, Outcome, Told};
use self::log::Log;
pub(crate) use self::log::ReplayError;
use super::candidate;
use super::written::Written;
use crate::failure::Failure;
use crate::render::{Output, replay};

/// Options of `egress replay`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    candidate: candidate::Options,
    /// Only requests of this session
    #[arg(long, value_name = "ID")]
    session: Option<SessionId>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// An audit log's folder, one of its files, or what `egress tail --json` printed; - for standard input
    #[arg(value_name = "LOG")]
    log: PathBuf,
}

/// Judges the record anew: 0 when nothing changes, 1 when something does.
pub(crate) fn run(args: &Args) -> Result<u8, Failure> {
    replay(args).map_err(Failure::undecided)
}

fn replay(args: &Args) -> Result<u8, Failure> {
    let candidate = args.candidate.read()?;
    let mut changes = Changes::default();
    Log::open(&args.log)?.each(|written| match written {
        Written::Event(event) if is_wanted(args, &event) => {
            changes.count(&event, &candidate.policy);
        }
        Written::Suppressed(count) => changes.suppressed(count),
        Written::Event(_) | Written::Other => {}
    })?;
    let told = changes.told();
    let mut output = Output::new();
    if args.json {
        output.json(&told)?;
    } else {
        replay::print(&told, &mut output)?;
    }
    output.finish()?;
    Ok(u8::from(told.changed > 0))
}

fn is_wanted(args: &Args, event: &EgressEvent) -> bool {
    let of_session = args.session.as_ref().is_none_or(|id| event.session == *id);
    of_session && event.phase == Phase::Decision
}
