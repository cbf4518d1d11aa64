//! `sheriff egress tail`: egress events as they happen.
//!
//! Not for: other events (`logs`, `audit tail`).

use std::time::SystemTime;

use clap::ValueEnum;
use model::{EgressEvent, SessionId, Span, Verdict};

use crate::control::{Control, ControlError};
use crate::failure::Failure;
use crate::render::{Output, egress};
use crate::sockets::Sockets;

/// Options of `egress tail`.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "switches of a command line")]
pub(crate) struct Args {
    /// Only events of this session
    #[arg(long, value_name = "ID")]
    session: Option<SessionId>,
    /// Only events of this host, or of all hosts below it with `*.example.com`
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
    /// Only events with this verdict
    #[arg(long, value_name = "VERDICT")]
    verdict: Option<Wanted>,
    /// Only denials
    #[arg(long, conflicts_with = "verdict")]
    denied: bool,
    /// Only events of the last so many minutes, hours or days, such as 30m
    #[arg(long, value_name = "TIME")]
    since: Option<Span>,
    /// Stay, and show new events
    #[arg(short = 'f', long)]
    follow: bool,
    /// Print JSON lines
    #[arg(long)]
    json: bool,
}

/// A verdict as an option names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Wanted {
    Allow,
    Deny,
}

/// Which events are shown.
#[derive(Debug)]
struct Choice {
    host: Option<String>,
    verdict: Option<Verdict>,
    /// RFC 3339 UTC with milliseconds, as events have it, so that texts compare like times.
    since: Option<String>,
}

/// Shows the events.
pub(crate) fn run(args: &Args, sockets: &Sockets) -> Result<u8, Failure> {
    let mut path = format!("/v1/egress/events?follow={}", args.follow);
    if let Some(session) = &args.session {
        path.push_str(&format!("&session={session}"));
    }
    let choice = Choice::of(args, SystemTime::now());
    let mut output = Output::new();
    Control::new(sockets).follow(&path, |line| {
        let event: EgressEvent =
            serde_json::from_slice(line).map_err(|source| ControlError::Malformed { source })?;
        if !choice.admits(&event) {
            return Ok(());
        }
        if args.json {
            return output.json_line(line);
        }
        output.live(&egress::line(&event, output.style))
    })?;
    output.finish().map(|()| 0)
}

impl Choice {
    fn of(args: &Args, now: SystemTime) -> Self {
        let verdict = match (args.denied, args.verdict) {
            (true, _) | (false, Some(Wanted::Deny)) => Some(Verdict::Deny),
            (false, Some(Wanted::Allow)) => Some(Verdict::Allow),
            (false, None) => None,
        };
        let since = args
            .since
            .and_then(|span| now.checked_sub(span.as_duration()));
        Self {
            host: args.host.as_deref().map(str::to_ascii_lowercase),
            verdict,
            since: since.and_then(audit::rfc3339),
        }
    }

    fn admits(&self, event: &EgressEvent) -> bool {
        let is_host = |wanted: &String| match wanted.strip_prefix('*') {
            Some(below) if below.starts_with('.') => event.host.ends_with(below),
            _ => event.host == *wanted,
        };
        self.host.as_ref().is_none_or(is_host)
            && self.verdict.is_none_or(|verdict| event.verdict == verdict)
            && self.since.as_ref().is_none_or(|since| event.time >= *since)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn admits(options: &[&str]) -> bool {
        let words = ["tail"].iter().chain(options);
        let args = Line::try_parse_from(words).unwrap().args;
        let event: EgressEvent = serde_json::from_value(serde_json::json!({
            "id": "e-0000000000000001", "time": "2025-01-01T00:00:00.000Z",
            "session": "s-0000000000000001", "run": null, "phase": "decision", "method": "CONNECT",
            "host": "api.example.com", "port": 443, "path": null, "via": "explicit",
            "tls": "tunnel", "verdict": "deny", "reason": "no_rule", "rule": null, "secret": null,
            "status": null, "bytes_up": 0, "bytes_down": 0, "duration_ms": 0,
            "policy_generation": 1
        }))
        .unwrap();
        let now = UNIX_EPOCH + Duration::from_secs(1_735_689_600 + 1800);
        Choice::of(&args, now).admits(&event)
    }

    #[test]
    fn shows_what_every_option_admits_and_nothing_else() {
        for options in [
            &[][..],
            &["--denied"],
            &["--verdict", "deny"],
            &["--host", "API.example.com"],
            &["--host", "*.example.com", "--since", "30m"],
        ] {
            assert!(admits(options), "{options:?}");
        }
        for options in [
            &["--verdict", "allow"][..],
            &["--host", "example.com"],
            &["--host", "*.ple.com"],
            &["--host", "*example.com"],
            &["--since", "29m"],
            &["--denied", "--host", "b.com"],
        ] {
            assert!(!admits(options), "{options:?}");
        }
        assert!(Line::try_parse_from(["tail", "--denied", "--verdict", "deny"]).is_err());
    }
}
