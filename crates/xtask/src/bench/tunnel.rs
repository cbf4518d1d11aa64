//! CONNECT tunnels: throughput of one stream, and how many new ones a second.
//!
//! Not for: forwarded requests (`forward`).

use super::drive::{Drive, Peer};
use super::figure::{Chapter, Target};
use super::proxy::Proxy;
use super::{Context, server};
use crate::error::Error;

/// Bytes that warm a way up.
const WARM_UP: &str = "67108864";

/// Who carries tunnels as well.
pub(super) const PEERS: [Peer; 3] = [
    ("squid", Proxy::squid),
    ("tinyproxy", Proxy::tinyproxy),
    ("HAProxy", Proxy::haproxy),
];

/// Measures ours and every peer in turn.
pub(crate) fn measure(context: &Context) -> Result<Chapter, Error> {
    let drive = Drive::new(context, server::bulk()?, &PEERS);
    let gibibytes: u64 = if context.quick { 1 } else { 4 };
    let bytes = (gibibytes << 30).to_string();
    drop(drive.run(&["download", "--bytes", WARM_UP]));
    let bulk = drive.run(&["download", "--bytes", &bytes]);
    let seconds = context.seconds();
    let alone = drive.run(&["tunnels", "--seconds", seconds, "--at-once", "1"]);
    let crowd = drive.run(&["tunnels", "--seconds", seconds, "--at-once", "16"]);
    Ok(Chapter {
        name: "tunnel",
        notes: notes(gibibytes),
        figures: vec![
            bulk.figure("throughput of one stream", "GB/s", |it| it.rate() / 1e9)
                .reach(Target::RatioAtLeast(1.25, "squid"))
                .reach(Target::RatioAtLeast(2.5, "tinyproxy"))
                .reach(Target::RatioAtLeast(0.9, "HAProxy")),
            alone.figure(
                "new tunnels, one after the other",
                "1/s",
                super::client::Seen::rate,
            ),
            alone.figure("one of them, p50", "us", |it| it.p50_us),
            alone.figure("one of them, p99", "us", |it| it.p99_us),
            crowd.figure("new tunnels, 16 at once", "1/s", super::client::Seen::rate),
            crowd.figure("one of them, p50", "us", |it| it.p50_us),
            crowd.figure("one of them, p99", "us", |it| it.p99_us),
            crowd.figure("the proxy's processor time for one", "us", |it| it.proxy_us),
        ],
    })
}

fn notes(gibibytes: u64) -> Vec<String> {
    vec![
        super::PATHS.to_owned(),
        format!(
            "{gibibytes} GiB down one tunnel; a new tunnel counts once a byte has come back through it."
        ),
        "HAProxy leads to one server that it is told of at its start: it neither asks, judges nor answers.".to_owned(),
        "Ours writes two audit entries for each tunnel; the peers log nothing.".to_owned(),
    ]
}
