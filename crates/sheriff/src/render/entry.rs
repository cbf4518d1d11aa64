//! Entries of the audit log as lines for a reader.
//!
//! Not for: judging them (`audit verify`).

use audit::{Entry, Kind};
use model::EgressEvent;

use super::syscall::Denied;
use super::{Style, egress, text};

/// Most of an entry's details shown on its line; `--json` has all.
const DATA_CHARS_MAX: usize = 240;
/// Longest time, run or step shown.
const WORD_CHARS_MAX: usize = 64;

/// One line: `seq time kind principal session details`; an egress event
/// and a refused system call in forms of their own.
pub(crate) fn line(entry: &Entry, style: Style) -> String {
    let seq = entry.seq;
    if matches!(entry.kind, Kind::EgressDecision | Kind::EgressClose)
        && let Ok(event) = serde_json::from_value::<EgressEvent>(entry.data.clone())
    {
        return format!("{seq:>6} {}", egress::line(&event, style));
    }
    let time = text::brief(&entry.time, WORD_CHARS_MAX);
    if entry.kind == Kind::SyscallDenied
        && let Ok(denied) = serde_json::from_value::<Denied>(entry.data.clone())
    {
        return format!("{seq:>6} {time} {}", denied.line(style));
    }
    let session = entry
        .session
        .as_ref()
        .map_or("-", |session| session.as_str());
    let details = match &entry.data {
        serde_json::Value::Null => String::new(),
        data => text::brief(&data.to_string(), DATA_CHARS_MAX),
    };
    let line = format!(
        "{seq:>6} {time} {} {} {session} {details}",
        entry.kind.as_str(),
        entry.principal,
    );
    line.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn entry(data: &serde_json::Value) -> Entry {
        let zeros = "0".repeat(64);
        serde_json::from_value(json!({
            "seq": 7, "time": "2025-01-01T00:00:00.000Z", "kind": "alert",
            "session": "s-0000000000000001", "run": null, "step": null, "principal": "sheriff",
            "data": data, "prev": zeros, "hash": zeros
        }))
        .unwrap()
    }

    #[test]
    fn an_entry_is_one_line_whatever_it_holds() {
        let shown = line(&entry(&json!({ "why": "x" })), Style::plain());
        assert_eq!(
            shown,
            "     7 2025-01-01T00:00:00.000Z alert sheriff s-0000000000000001 {\"why\":\"x\"}"
        );
        let hostile = "\u{9b}31m\u{202e}".repeat(10_000);
        let shown = line(&entry(&json!({ "argv": hostile })), Style::plain());
        assert!(
            !shown.contains(text::is_unsafe) && shown.chars().count() < 400,
            "{shown}"
        );
    }
}
