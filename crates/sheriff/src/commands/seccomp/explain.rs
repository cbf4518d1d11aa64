//! `sheriff seccomp explain`: what a profile permits and why, as a whole or for one call, and which
//! published vulnerabilities it keeps out of reach.
//!
//! Not for: running its program (`seccomp simulate`).

use seccomp::Profile;
use seccomp::explain::{self, Stopped};

use super::{Machine, Named, SeccompError, call};
use crate::failure::Failure;
use crate::render::{Output, filter};

/// Options of `seccomp explain`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    profile: Named,
    #[command(flatten)]
    machine: Machine,
    /// List the published vulnerabilities that the profile keeps out of reach, newest first
    #[arg(long, conflicts_with = "call")]
    cves: bool,
    /// Of these only the ones published since then
    #[arg(long, value_name = "YYYY[-MM]", requires = "cves", value_parser = since)]
    since: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// A call, by name or number; without one the whole profile is explained
    #[arg(value_name = "CALL")]
    call: Option<String>,
    /// Its arguments from the first on, such as 38, 0x26 or -1; those left out stay open
    #[arg(value_name = "ARG", allow_negative_numbers = true)]
    arguments: Vec<String>,
}

/// A time that is none.
#[derive(Debug, Clone, thiserror::Error)]
#[error("write a year such as 2024, or a month such as 2024-07")]
pub(crate) struct SinceError;

/// Explains.
pub(crate) fn run(args: &Args) -> Result<u8, Failure> {
    let profile = args.profile.profile()?;
    let mut output = Output::new();
    match &args.call {
        None if args.cves => cves(args, &profile, &mut output)?,
        None => whole(args, &profile, &mut output)?,
        Some(call) => one(args, &profile, call, &mut output)?,
    }
    output.finish().map(|()| 0)
}

fn whole(args: &Args, profile: &Profile, output: &mut Output) -> Result<(), Failure> {
    let explanation = explain::explain(profile).map_err(SeccompError::from)?;
    match args.json {
        true => output.json(&explanation),
        false => output.text(&explanation.to_string()),
    }
}

fn one(args: &Args, profile: &Profile, call: &str, output: &mut Output) -> Result<(), Failure> {
    let arch = args.machine.arch()?;
    let words: Vec<&str> = args.arguments.iter().map(String::as_str).collect();
    let arguments = call::arguments(&words).map_err(SeccompError::from)?;
    let explanation =
        explain::explain_call(profile, arch, call, &arguments).map_err(SeccompError::from)?;
    match args.json {
        true => output.json(&explanation),
        false => output.text(&explanation.to_string()),
    }
}

fn cves(args: &Args, profile: &Profile, output: &mut Output) -> Result<(), Failure> {
    let since = args.since.as_deref().unwrap_or_default();
    let mut stopped = explain::stopped(profile);
    // Dates are written alike, from the year down, so they compare as texts.
    stopped.retain(|one: &Stopped| one.vulnerability.published.as_str() >= since);
    match args.json {
        true => output.json(&stopped),
        false => filter::stopped(profile, &stopped, args.since.as_deref(), output),
    }
}

/// `YYYY`, `YYYY-MM` or `YYYY-MM-DD`.
fn since(text: &str) -> Result<String, SinceError> {
    let widths = [4, 2, 2];
    let parts: Vec<&str> = text.split('-').collect();
    let sound = parts.len() <= widths.len()
        && parts.iter().zip(widths).all(|(part, width)| {
            part.len() == width && part.bytes().all(|byte| byte.is_ascii_digit())
        });
    sound.then(|| text.to_owned()).ok_or(SinceError)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_years_months_or_days() {
        for good in ["2024", "2024-07", "2024-07-01"] {
            assert_eq!(since(good).unwrap(), good);
        }
        for bad in ["", "24", "2024-", "2024-7", "july", "2024-07-01-1"] {
            assert!(since(bad).is_err(), "{bad}");
        }
    }
}
