//! What a check found, for a reader.
//!
//! Not for: checking.

use audit::Report;

use super::{Output, Paint, text};
use crate::commands::Property;
use crate::failure::Failure;

/// Prints the state of an audit log.
pub(crate) fn log(report: &Report, key_given: bool, output: &mut Output) -> Result<(), Failure> {
    for problem in &report.problems {
        let place = format!("{}:{}", text::escape(&problem.segment), problem.line);
        let what = problem.what.to_string();
        output.line(&format!("{place}: {}", text::escape(&what)))?;
    }
    if report.more_problems > 0 {
        output.line(&format!("and {} more problems", report.more_problems))?;
    }
    let (paint, word) = match report.is_intact() {
        true => (Paint::Good, "intact"),
        false => (Paint::Bad, "NOT INTACT"),
    };
    let word = output.style.paint(paint, word);
    output.line(&format!(
        "{word}: {} entries in {} segments, {} checkpoints, {} entries not sealed yet",
        report.entries, report.segments, report.checkpoints, report.unsealed
    ))?;
    let (up, down) = (report.bytes_up, report.bytes_down);
    output.line(&format!("egress: {up} bytes up, {down} bytes down"))?;
    if let Some(last) = &report.last {
        output.line(&format!(
            "last: {} {} {}",
            last.seq,
            text::escape(&last.time),
            last.hash
        ))?;
    }
    if let Some(key) = &report.key {
        let source = if key_given {
            "given"
        } else {
            "the log's own claim; give --key to be sure"
        };
        output.line(&format!("key: {key} ({source})"))?;
    }
    Ok(())
}

/// Prints what a host offers, one line each, and the remedy where it falls short.
pub(crate) fn host(properties: &[Property], output: &mut Output) -> Result<(), Failure> {
    for property in properties {
        let mark = match (property.ok, property.mandatory) {
            (true, _) => output.style.paint(Paint::Good, "ok     "),
            (false, true) => output.style.paint(Paint::Bad, "MISSING"),
            (false, false) => output.style.paint(Paint::Bad, "unseen "),
        };
        let found = text::escape(&property.found);
        output.line(&format!("{mark} {}: {found}", property.name))?;
        if !property.ok {
            output.line(&format!("        needed: {}", property.needed))?;
            output.line(&format!("        remedy: {}", property.remedy))?;
        }
    }
    Ok(())
}
