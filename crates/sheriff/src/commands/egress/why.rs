//! `sheriff egress why`: one decision in a sentence, and what would change it.
//!
//! Not for: requests that were not made.

use api::control::Why;
use model::EventId;

use crate::control::Control;
use crate::failure::Failure;
use crate::render::{Output, egress};
use crate::sockets::Sockets;

/// Options of `egress why`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// The event, as the denial or `egress tail` names it
    #[arg(value_name = "ID")]
    event: EventId,
}

/// Explains the decision.
pub(crate) fn run(args: &Args, sockets: &Sockets) -> Result<u8, Failure> {
    let why: Why = Control::new(sockets).get(&format!("/v1/egress/why/{}", args.event))?;
    let mut output = Output::new();
    if args.json {
        output.json(&why)?;
    } else {
        egress::why(&why, &mut output)?;
    }
    output.finish().map(|()| 0)
}
