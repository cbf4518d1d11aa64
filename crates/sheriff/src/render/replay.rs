//! What would change under another policy, for a reader.
//!
//! Not for: finding it out (`commands::egress`).

use super::{Output, Paint, Table, text};
use crate::commands::{ReplayChange, ReplayKind, ReplayOutcome, ReplayTold};
use crate::failure::Failure;

/// Prints the changes and their sum.
pub(crate) fn print(told: &ReplayTold, output: &mut Output) -> Result<(), Failure> {
    if !told.changes.is_empty() {
        let mut table = Table::new(["CHANGE", "TIMES", "REQUEST", "WAS", "WOULD BE"]);
        for change in &told.changes {
            table.row([
                word(change.change),
                &change.count.to_string(),
                &request(change),
                &outcome(&change.was),
                &outcome(&change.would_be),
            ]);
        }
        table.print(output)?;
        output.line("")?;
    }
    let paint = if told.changed == 0 {
        Paint::Good
    } else {
        Paint::Bad
    };
    let changed = output
        .style
        .paint(paint, &format!("{} would change", told.changed));
    output.line(&format!(
        "{} decisions: {changed} ({} newly denied, {} newly allowed, {} tunnels opened, {} left closed)",
        told.judged, told.newly_denied, told.newly_allowed, told.opened, told.left_closed
    ))?;
    remarks(told, output)
}

fn remarks(told: &ReplayTold, output: &mut Output) -> Result<(), Failure> {
    let remarks = [
        (told.beyond, "changes more are in the sum alone"),
        (
            told.unjudged,
            "were refused before any policy was asked, and are left out",
        ),
        (
            told.suppressed,
            "denials were counted and not recorded one by one: nothing is known of them",
        ),
    ];
    let remarks = remarks.iter().filter(|(count, _)| *count > 0);
    remarks
        .into_iter()
        .try_for_each(|(count, what)| output.line(&format!("{count} {what}")))
}

fn request(change: &ReplayChange) -> String {
    let path = change.path.as_deref().unwrap_or_default();
    let request = format!("{} {}:{}{path}", change.method, change.host, change.port);
    text::escape(&request).into_owned()
}

fn outcome(outcome: &ReplayOutcome) -> String {
    match &outcome.rule {
        Some(rule) => format!("{} ({rule})", outcome.reason),
        None => outcome.reason.clone(),
    }
}

const fn word(kind: ReplayKind) -> &'static str {
    match kind {
        ReplayKind::NewlyDenied => "newly denied",
        ReplayKind::NewlyAllowed => "newly allowed",
        ReplayKind::Opened => "opened",
        ReplayKind::LeftClosed => "left closed",
    }
}
