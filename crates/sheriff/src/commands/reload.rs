//! `sheriff reload`: has the daemon read its profiles and its configuration anew.
//!
//! Not for: checking profiles without putting them in force (`profile check`).

use api::control::Reloaded;

use crate::control::Control;
use crate::failure::Failure;
use crate::render::{self, Output};
use crate::sockets::Sockets;

/// Options of `reload`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Asks, and says what came of it.
pub(crate) fn run(args: &Args, sockets: &Sockets) -> Result<u8, Failure> {
    let done: Reloaded = Control::new(sockets).post_for("/v1/reload")?;
    let mut output = Output::new();
    if args.json {
        output.json(&done)?;
        return output.finish().map(|()| 0);
    }
    let (generation, sessions) = (done.generation, done.sessions);
    let noun = if sessions == 1 { "session" } else { "sessions" };
    output.line(&format!(
        "generation {generation} is in force; {sessions} living {noun} judged anew"
    ))?;
    for trouble in &done.troubles {
        render::note(&format!("{}: {}", trouble.session, trouble.problem));
    }
    if !done.restart_needed.is_empty() {
        let keys = done.restart_needed.join(", ");
        render::note(&format!(
            "changed, but only read at the daemon's start: {keys}"
        ));
    }
    output.finish().map(|()| 0)
}
