//! Forwarded plain HTTP: requests a second for a small body on connections that stay open.
//!
//! Not for: tunnels (`tunnel`).

use super::client::Seen;
use super::drive::{Drive, Peer};
use super::figure::{Chapter, Target};
use super::proxy::Proxy;
use super::{Context, server};
use crate::error::Error;

/// Who forwards requests as well.
const PEERS: [Peer; 2] = [("squid", Proxy::squid), ("tinyproxy", Proxy::tinyproxy)];

/// Measures ours and every peer in turn.
pub(crate) fn measure(context: &Context) -> Result<Chapter, Error> {
    let drive = Drive::new(context, server::web()?, &PEERS);
    let seconds = context.seconds();
    let alone = drive.run(&["requests", "--seconds", seconds, "--at-once", "1"]);
    let crowd = drive.run(&["requests", "--seconds", seconds, "--at-once", "16"]);
    Ok(Chapter {
        name: "forward",
        notes: vec![
            super::PATHS.to_owned(),
            "Ours writes two audit entries for each request; the peers log nothing.".to_owned(),
            "tinyproxy closes after each answer; the client connects again, and that counts."
                .to_owned(),
        ],
        figures: vec![
            alone.figure("requests, 1 connection", "1/s", Seen::rate),
            alone.figure("one of them, p50", "us", |it| it.p50_us),
            alone.figure("one of them, p99", "us", |it| it.p99_us),
            crowd
                .figure("requests, 16 connections", "1/s", Seen::rate)
                .reach(Target::RatioAtLeast(2.0, "squid")),
            crowd.figure("one of them, p50", "us", |it| it.p50_us),
            crowd
                .figure("one of them, p99", "us", |it| it.p99_us)
                .reach(Target::RatioAtMost(1.0, "squid")),
            crowd.figure("the proxy's processor time for one", "us", |it| it.proxy_us),
        ],
    })
}
