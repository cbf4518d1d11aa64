//! What `pause`, `resume`, `stop` and `kill` say once the daemon has done it.
//!
//! Not for: asking the daemon; each command does that.

use model::SessionId;
use serde::Serialize;

use crate::failure::Failure;
use crate::render::Output;

/// A session and what was done to it.
#[derive(Debug, Serialize)]
struct Governed<'a> {
    session: &'a SessionId,
    state: &'static str,
}

/// Says the session's new state as JSON; success needs no words for people.
pub(super) fn say(session: &SessionId, state: &'static str, json: bool) -> Result<u8, Failure> {
    let mut output = Output::new();
    if json {
        output.json(&Governed { session, state })?;
    }
    output.finish().map(|()| 0)
}
