//! The results as text for people and as JSON for programs.
//!
//! Not for: where they are written.

use serde_json::{Value as Json, json};

use super::figure::{Chapter, Figure, Target, Value};

/// Width of the column that says what was measured.
const WHAT: usize = 62;
/// Width of a column with a value.
const CELL: usize = 22;

impl Chapter {
    /// The chapter as lines: notes, a heading, a line for each figure, and why values are missing.
    pub(crate) fn text(&self) -> String {
        let mut lines = vec![format!("\n== {} ==", self.name)];
        lines.extend(self.notes.iter().map(|note| format!("   {note}")));
        let peers = self.peers();
        let mut heading = format!("{:<WHAT$}{:>CELL$}", "", "sheriff");
        peers
            .iter()
            .for_each(|name| heading.push_str(&format!("{name:>CELL$}")));
        lines.push(heading);
        lines.extend(self.figures.iter().map(|figure| line(figure, &peers)));
        let mut reasons: Vec<String> = self.figures.iter().flat_map(long_reasons).collect();
        reasons.sort_unstable();
        reasons.dedup();
        lines.extend(reasons);
        lines.join("\n")
    }

    /// The chapter as an object.
    pub(crate) fn json(&self) -> Json {
        let figures: Vec<Json> = self.figures.iter().map(object).collect();
        json!({"name": self.name, "notes": self.notes, "figures": figures})
    }

    /// Targets that were judged, as met and missed.
    pub(crate) fn score(&self) -> (usize, usize) {
        let judged = |figure: &Figure| {
            let verdicts = figure
                .targets
                .iter()
                .filter_map(|target| figure.meets(target));
            verdicts.collect::<Vec<_>>()
        };
        let all: Vec<bool> = self.figures.iter().flat_map(judged).collect();
        let met = all.iter().filter(|met| **met).count();
        (met, all.len() - met)
    }

    /// Every peer of the chapter once, in order.
    fn peers(&self) -> Vec<&'static str> {
        let mut names = Vec::new();
        for (name, _) in self.figures.iter().flat_map(|figure| &figure.peers) {
            if !names.contains(name) {
                names.push(*name);
            }
        }
        names
    }
}

fn line(figure: &Figure, peers: &[&'static str]) -> String {
    let mut text = format!("{:<WHAT$}", format!("{} ({})", figure.what, figure.unit));
    text.push_str(&format!("{:>CELL$}", cell(&figure.ours, None)));
    for name in peers {
        let found = figure.peers.iter().find(|(peer, _)| peer == name);
        let shown = found.map_or_else(String::new, |(_, value)| cell(value, figure.ratio(name)));
        text.push_str(&format!("{shown:>CELL$}"));
    }
    for target in &figure.targets {
        let verdict = match figure.meets(target) {
            Some(true) => "met",
            Some(false) => "MISSED",
            None => "not judged",
        };
        text.push_str(&format!("  [{}: {verdict}]", goal(target)));
    }
    text
}

/// A value, with ours as a multiple of it.
fn cell(value: &Value, ratio: Option<f64>) -> String {
    match (value, ratio) {
        (Value::Measured(value), Some(ratio)) => format!("{} (x{ratio:.2})", number(*value)),
        (Value::Measured(value), None) => number(*value),
        (Value::Missing(why), _) if why.len() < CELL => why.clone(),
        (Value::Missing(_), _) => "failed, see below".to_owned(),
    }
}

fn number(value: f64) -> String {
    match value {
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value => format!("{value:.3}"),
    }
}

fn goal(target: &Target) -> String {
    match target {
        Target::AtMost(most) => format!("at most {most}"),
        Target::AtLeast(least) => format!("at least {least}"),
        Target::RatioAtMost(most, peer) => format!("at most {most} x {peer}"),
        Target::RatioAtLeast(least, peer) => format!("at least {least} x {peer}"),
    }
}

/// Reasons that don't fit a cell.
fn long_reasons(figure: &Figure) -> Vec<String> {
    let ours = std::iter::once(("sheriff", &figure.ours));
    let peers = figure.peers.iter().map(|(name, value)| (*name, value));
    let long = |(name, value): (&str, &Value)| match value {
        Value::Missing(why) if why.len() >= CELL => Some(format!("   {name}: {why}")),
        _ => None,
    };
    ours.chain(peers).filter_map(long).collect()
}

fn object(figure: &Figure) -> Json {
    let peer = |(name, value): &(&'static str, Value)| json!({"name": name, "value": value, "ratio": figure.ratio(name)});
    let target = |target: &Target| json!({"goal": goal(target), "target": target, "met": figure.meets(target)});
    json!({
        "what": figure.what,
        "unit": figure.unit,
        "sheriff": figure.ours,
        "peers": figure.peers.iter().map(peer).collect::<Vec<_>>(),
        "targets": figure.targets.iter().map(target).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_value_the_ratio_and_the_verdict_and_names_what_is_missing() {
        let figure = Figure::new("speed", "GB/s", Value::Measured(3.0))
            .peer("squid", Value::Measured(2.0))
            .peer("tinyproxy", Value::Missing("not installed".to_owned()))
            .reach(Target::RatioAtLeast(2.0, "squid"))
            .reach(Target::RatioAtLeast(1.0, "tinyproxy"));
        let chapter = Chapter {
            name: "tunnel",
            notes: Vec::new(),
            figures: vec![figure],
        };
        let text = chapter.text();
        for part in [
            "3.000",
            "2.000 (x1.50)",
            "not installed",
            "[at least 2 x squid: MISSED]",
            "[at least 1 x tinyproxy: not judged]",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert_eq!(chapter.score(), (0, 1));
    }
}
