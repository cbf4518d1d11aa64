//! Egress events and their explanations for a reader.
//!
//! Not for: fetching them (`control`).

use api::control::Why;
use model::{EgressEvent, Phase, Verdict};

use super::{Output, Paint, Style, ruling, text};
use crate::failure::Failure;

/// Longest host shown, as DNS allows (RFC 1035 section 2.3.4).
const HOST_CHARS_MAX: usize = 255;
/// Longest path shown on a line.
const PATH_CHARS_MAX: usize = 120;
/// Longest method, reason or other word shown.
const WORD_CHARS_MAX: usize = 40;

/// One line: `time VERDICT host:port method path bytes reason id`.
pub(crate) fn line(event: &EgressEvent, style: Style) -> String {
    let (paint, verdict) = match event.verdict {
        Verdict::Allow => (Paint::Good, "ALLOW"),
        Verdict::Deny => (Paint::Bad, "DENY "),
    };
    let path = event.path.as_deref().unwrap_or("-");
    format!(
        "{} {} {}:{} {} {} {} {} {}{}",
        text::brief(&event.time, WORD_CHARS_MAX),
        style.paint(paint, verdict),
        text::brief(&event.host, HOST_CHARS_MAX),
        event.port,
        text::brief(&event.method, WORD_CHARS_MAX),
        text::brief(path, PATH_CHARS_MAX),
        transfer(event.bytes_up, event.bytes_down),
        text::brief(&event.reason, WORD_CHARS_MAX),
        event.id,
        closing(event),
    )
}

/// Prints the explanation of one decision.
pub(crate) fn why(why: &Why, output: &mut Output) -> Result<(), Failure> {
    let style = output.style;
    output.line(&line(&why.decision, style))?;
    if let Some(close) = &why.close {
        output.line(&line(close, style))?;
    }
    output.line("")?;
    output.line(&text::escape(&why.explanation))?;
    let rule = why.decision.rule.as_deref().unwrap_or("none");
    output.line(&format!("rule: {}", text::escape(rule)))?;
    if let Some(place) = &why.place {
        ruling::place(place, output)?;
    }
    output.line(&format!("session: {}", why.decision.session))?;
    for step in &why.next_steps {
        output.line(&format!("next: {}", text::escape(step)))?;
    }
    Ok(())
}

fn transfer(up: u64, down: u64) -> String {
    format!("up={} down={}", text::bytes(up), text::bytes(down))
}

fn closing(event: &EgressEvent) -> String {
    if event.phase == Phase::Decision {
        return String::new();
    }
    let status = event
        .status
        .map_or_else(String::new, |status| format!(" status={status}"));
    format!(" closed={}ms{status}", event.duration_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> EgressEvent {
        serde_json::from_value(serde_json::json!({
            "id": "e-0000000000000001", "time": "2025-01-01T00:00:00.000Z",
            "session": "s-0000000000000001", "run": null, "phase": "decision", "method": "CONNECT",
            "host": "api.example.com", "port": 443, "path": null, "via": "explicit",
            "tls": "tunnel", "verdict": "deny", "reason": "no_rule", "rule": null, "secret": null,
            "status": null, "bytes_up": 0, "bytes_down": 0, "duration_ms": 0,
            "policy_generation": 1
        }))
        .unwrap()
    }

    #[test]
    fn a_decision_is_one_readable_line() {
        let expected = "2025-01-01T00:00:00.000Z DENY  api.example.com:443 CONNECT - up=0B down=0B \
                        no_rule e-0000000000000001";
        assert_eq!(line(&event(), Style::plain()), expected);
    }

    #[test]
    fn a_close_adds_time_and_status() {
        let close = EgressEvent {
            phase: Phase::Close,
            verdict: Verdict::Allow,
            status: Some(200),
            bytes_down: 2048,
            duration_ms: 12,
            ..event()
        };
        let shown = line(&close, Style::plain());
        assert!(
            shown.contains(" ALLOW ") && shown.contains("down=2.0KiB"),
            "{shown}"
        );
        assert!(
            shown.ends_with("e-0000000000000001 closed=12ms status=200"),
            "{shown}"
        );
    }

    #[test]
    fn hostile_hosts_paths_and_methods_stay_on_their_line_and_short() {
        let hostile = format!("\u{1b}]0;x\u{7}\n{}", "h".repeat(64 * 1024));
        let event = EgressEvent {
            host: hostile.clone(),
            path: Some(hostile.clone()),
            method: hostile.clone(),
            reason: hostile.clone(),
            time: hostile,
            ..event()
        };
        let shown = line(&event, Style::plain());
        assert!(!shown.contains(text::is_unsafe), "{shown:?}");
        assert!(shown.chars().count() < 1000);
    }
}
