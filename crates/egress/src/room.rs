//! Memory for content that has to be had in large parts: whole, to be signed, or in a coding that reaches
//! far back. One session has so much of it; what finds no room waits for its own.
//!
//! Not for: content that passes in small pieces, which is nearly all.

use tokio::sync::{Semaphore, SemaphorePermit};
use vault::Coding;

use crate::fields::{Fields, Framing};
use crate::limits::{HELD_MAX, ROOM};
use crate::reason::Cause;

const MIB: usize = 1024 * 1024;

/// The room of a session, for each direction its own: a request keeps some until its answer has passed.
#[derive(Debug)]
pub(crate) struct Rooms {
    up: Semaphore,
    down: Semaphore,
}

impl Default for Rooms {
    fn default() -> Self {
        let [up, down] = [(); 2].map(|()| Semaphore::new(ROOM / MIB));
        Self { up, down }
    }
}

impl Rooms {
    /// For a request's content, which may have to be held.
    pub(crate) async fn up(
        &self,
        fields: &Fields,
        (framing, held): (Framing, bool),
    ) -> Result<SemaphorePermit<'_>, Cause> {
        let held = if held { HELD_MAX } else { 0 };
        take(&self.up, framing, held + window(fields)).await
    }

    /// For an answer's content, where somebody looks into it.
    pub(crate) async fn down(
        &self,
        fields: &Fields,
        framing: Framing,
    ) -> Result<SemaphorePermit<'_>, Cause> {
        take(&self.down, framing, window(fields)).await
    }
}

async fn take(
    room: &Semaphore,
    framing: Framing,
    bytes: usize,
) -> Result<SemaphorePermit<'_>, Cause> {
    let bytes = if framing == Framing::Length(0) {
        0
    } else {
        bytes
    };
    let parts = u32::try_from(bytes.div_ceil(MIB)).unwrap_or(u32::MAX);
    let taken = room.acquire_many(parts).await;
    taken.map_err(|_closed| Cause::SessionClosed)
}

/// Memory that a decoder of the content's coding takes.
fn window(fields: &Fields) -> usize {
    Coding::of(fields.all("content-encoding")).map_or(0, Coding::window)
}
