//! Installed seccomp programs, and whose they are, for a reader.
//!
//! Not for: reading them off a process.

use super::{Output, Paint, text};
use crate::commands::{Attached, Installed};
use crate::failure::Failure;

/// Prints a process's programs, and whether they are what was expected.
pub(crate) fn attached(attached: &Attached, output: &mut Output) -> Result<(), Failure> {
    let count = attached.programs.len();
    let title = match count {
        0 => "no seccomp program: every call passes".to_owned(),
        1 => "1 seccomp program".to_owned(),
        _ => format!("{count} seccomp programs, each call passes all of them"),
    };
    output.line(&format!("process {}: {title}", attached.pid))?;
    for program in &attached.programs {
        installed(program, output)?;
    }
    let (Some(expected), Some(holds)) = (&attached.expected, attached.as_expected) else {
        return Ok(());
    };
    let (paint, word) = match holds {
        true => (Paint::Good, "in force"),
        false => (Paint::Bad, "NOT IN FORCE"),
    };
    let word = output.style.paint(paint, word);
    output.line(&format!("{word}: {}", text::escape(expected)))
}

fn installed(program: &Installed, output: &mut Output) -> Result<(), Failure> {
    let (length, hash) = (program.instructions, &program.sha256);
    output.line(&format!("{length} instructions, sha256 {hash}"))?;
    if program.equals.is_empty() {
        output.line("  equals no program of a profile on this host")?;
    }
    for twin in &program.equals {
        let words = format!(
            "  equals {} ({}), {}, to {}",
            twin.profile, twin.source, twin.arch, twin.purpose
        );
        output.line(&text::escape(&words))?;
    }
    match &program.listing {
        Some(listing) => output.text(&listing.to_string()),
        None => Ok(()),
    }
}
