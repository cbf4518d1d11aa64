//! Seccomp profiles and their answers for a reader.
//!
//! Not for: the texts that crate `seccomp` makes itself; `Output::text` prints those.

use seccomp::Profile;
use seccomp::explain::Stopped;

use super::{Output, Paint, text};
use crate::commands::{Answer, Linted, ListedFilter, ListedState, Summary};
use crate::failure::Failure;

/// Prints profiles in numbers.
pub(crate) fn list(profiles: &[ListedFilter], output: &mut Output) -> Result<(), Failure> {
    for profile in profiles {
        let name = output.style.paint(Paint::Heading, profile.name.as_str());
        match &profile.state {
            ListedState::Usable(summary) => one(&name, summary, output)?,
            ListedState::Broken { error } => {
                let error = output.style.paint(Paint::Bad, &text::escape(error));
                output.line(&format!("{name}: {error}"))?;
            }
        }
    }
    Ok(())
}

fn one(name: &str, summary: &Summary, output: &mut Output) -> Result<(), Failure> {
    let source = text::escape(&summary.source);
    output.line(&format!("{name} ({source})"))?;
    output.text(&format!("  {}", summary.description))?;
    if let [_, parents @ ..] = summary.lineage.as_slice()
        && !parents.is_empty()
    {
        output.text(&format!("  narrows {}", parents.join(", which narrows ")))?;
    }
    if !summary.off.is_empty() {
        output.text(&format!(
            "  optional groups: {}, all off",
            summary.off.join(", ")
        ))?;
    }
    for count in &summary.counts {
        output.text(&format!("  {count}"))?;
    }
    for program in &summary.programs {
        output.text(&format!(
            "  {} to {}: {} instructions, sha256 {}",
            program.arch, program.purpose, program.instructions, program.sha256
        ))?;
    }
    Ok(())
}

/// Prints one answer as `call(arguments) = action`.
pub(crate) fn answer(answer: &Answer, output: &mut Output) -> Result<(), Failure> {
    let arguments = answer.arguments.iter();
    let arguments: Vec<String> = arguments.map(|value| format!("{value:#x}")).collect();
    let call = match answer.call {
        Some(name) => name.to_owned(),
        None => format!("{:#x}", answer.number),
    };
    let arguments = arguments.join(", ");
    output.line(&format!("{call}({arguments}) = {}", answer.action))
}

/// Prints vulnerabilities and how many there are.
pub(crate) fn stopped(
    profile: &Profile,
    stopped: &[Stopped],
    since: Option<&str>,
    output: &mut Output,
) -> Result<(), Failure> {
    for one in stopped {
        output.text(&one.to_string())?;
    }
    let count = stopped.len();
    let since = since.map_or_else(String::new, |since| format!(", published since {since}"));
    output.line(&format!(
        "{} keeps {count} known vulnerabilities out of reach{since}",
        profile.name()
    ))
}

/// Prints findings, one a line, then how many there are.
pub(crate) fn linted(linted: &[Linted], output: &mut Output) -> Result<(), Failure> {
    for profile in linted {
        if let Some(error) = &profile.error {
            output.text(error)?;
        }
        for finding in &profile.findings {
            output.line(&text::escape(&finding.to_string()))?;
        }
        let name = text::escape(&profile.profile);
        let count = profile.findings.len();
        let verdict = match (profile.has_errors(), count) {
            (true, _) => output.style.paint(Paint::Bad, "errors"),
            (false, 0) => output.style.paint(Paint::Good, "no findings"),
            (false, count) => format!(
                "{}, {count} to look at",
                output.style.paint(Paint::Good, "no errors")
            ),
        };
        output.line(&format!("{name}: {verdict}"))?;
    }
    Ok(())
}
