//! Requests inside TLS that the proxy opens: how many, how much later, and whether a stream waits.
//!
//! Not for: tunnels that stay closed (`tunnel`).

use super::client::Seen;
use super::drive::{Drive, NAMES, Peer};
use super::figure::{Chapter, Target};
use super::proxy::Proxy;
use super::trust::Trust;
use super::{Context, server};
use crate::error::Error;

/// Who opens TLS as well.
pub(super) const PEERS: [Peer; 2] = [
    ("mitmproxy", Proxy::mitmproxy),
    ("squid ssl-bump", Proxy::squid_with_tls),
];

/// Most that the first byte of a stream may come later than without a proxy: what a busy host needs to
/// wake three processes, and far below the pause in the middle of the stream.
const FIRST_BYTE_US: f64 = 5000.0;

/// Measures ours and every peer in turn.
pub(crate) fn measure(context: &Context) -> Result<Chapter, Error> {
    let drive = drive(context)?;
    let seconds = context.seconds();
    let alone = drive.run(&["requests", "--seconds", seconds, "--at-once", "1"]);
    let crowd = drive.run(&["requests", "--seconds", seconds, "--at-once", "16"]);
    let fresh = drive.run(&[
        "requests",
        "--seconds",
        seconds,
        "--at-once",
        "4",
        "--fresh",
    ]);
    let times = if context.quick { "3" } else { "10" };
    let stream = drive.run(&["stream", "--times", times]);
    Ok(Chapter {
        name: "intercept",
        notes: notes(),
        figures: vec![
            alone.figure("requests, 1 connection", "1/s", Seen::rate),
            alone.added("added to one of them, p50", "us", |it| it.p50_us),
            alone.added("added to one of them, p99", "us", |it| it.p99_us),
            crowd
                .figure("requests, 16 connections", "1/s", Seen::rate)
                .reach(Target::RatioAtLeast(5.0, "mitmproxy")),
            crowd.figure("one of them, p50", "us", |it| it.p50_us),
            crowd.figure("one of them, p99", "us", |it| it.p99_us),
            crowd.figure("the proxy's processor time for one", "us", |it| it.proxy_us),
            fresh.figure("connections with a request, 4 at once", "1/s", Seen::rate),
            fresh.figure("one of them, p50", "us", |it| it.p50_us),
            stream
                .added("added to a stream's first byte, p50", "us", |it| it.p50_us)
                .reach(Target::AtMost(FIRST_BYTE_US)),
            stream
                .added("added to a stream's first byte, most", "us", |it| it.p99_us)
                .reach(Target::AtMost(FIRST_BYTE_US)),
        ],
    })
}

/// All ways to a small server with TLS.
pub(super) fn drive(context: &Context) -> Result<Drive, Error> {
    let trust = Trust::new(context.folder(), &NAMES)?;
    let target = server::web_with_tls(trust.server())?;
    Ok(Drive::inside(context, target, trust, &PEERS))
}

fn notes() -> Vec<String> {
    vec![
        super::PATHS.to_owned(),
        "HTTP/1.1 inside TLS 1.3 on both sides; every proxy checks the server's certificate.".into(),
        "Ours judges each request by a rule on methods and writes two audit entries for it.".into(),
        "A stream's second part comes half a second after its first. mitmproxy waits for the whole answer unless told otherwise.".into(),
    ]
}
