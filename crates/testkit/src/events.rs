//! An event stream (`text/event-stream`) that keeps the shape of a long session in a short time.
//!
//! Not for: reconnecting clients; there are no event ids.

use std::thread;
use std::time::Duration;

use crate::authority::Identity;
use crate::http::{Body, Http, Response};

/// Serves `count` events on every path: the first at once, each further one after `pause`.
///
/// Event `n` is `data: n SECONDS`, where the second number is the server's clock in seconds since
/// the epoch with a fraction, so that a client on the same machine can tell how late an event is.
#[must_use]
pub fn serve(identity: Option<&Identity>, count: u32, pause: Duration) -> Http {
    Http::start(identity, move |_request| {
        let body = Body::Stream(Box::new(move |output| {
            for number in 0..count {
                if number > 0 {
                    // The pause is the thing that is served; nothing is waited for.
                    thread::sleep(pause);
                }
                let clock = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
                let event = format!("data: {number} {:.6}\n\n", clock.as_secs_f64());
                output.write_all(event.as_bytes())?;
                output.flush()?;
            }
            Ok(())
        }));
        Response::new(200, body).header("Content-Type", "text/event-stream")
    })
}
