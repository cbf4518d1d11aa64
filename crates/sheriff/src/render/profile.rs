//! Profiles and what is wrong with them, for a reader.
//!
//! Not for: resolving or checking them.

use policy::effective::EffectiveRule;
use policy::{EffectivePolicy, ResolvedProfile};

use super::{Output, Paint, text};
use crate::commands::ProfileFinding;
use crate::failure::Failure;

/// Prints one finding: `FILE: ok`, or the fault with file, line and key.
pub(crate) fn finding(finding: &ProfileFinding, output: &mut Output) -> Result<(), Failure> {
    let line = match &finding.error {
        Some(error) => output.style.paint(Paint::Bad, &text::escape(error)),
        None => {
            let ok = output.style.paint(Paint::Good, "ok");
            format!("{}: {ok}", text::escape(&finding.file))
        }
    };
    output.line(&line)
}

/// Prints a resolved profile.
pub(crate) fn show(
    profile: &ResolvedProfile,
    policy: &EffectivePolicy,
    output: &mut Output,
) -> Result<(), Failure> {
    let chain: Vec<&str> = profile.chain.iter().map(|name| name.as_str()).collect();
    field(output, "profile", &chain.join(" extends "))?;
    field(output, "root", &format!("{:?}", profile.filesystem.root))?;
    for path in &profile.filesystem.read_only {
        field(output, "read-only", &path.to_string_lossy())?;
    }
    for tmpfs in &profile.filesystem.tmpfs {
        field(
            output,
            "tmpfs",
            &format!("{} {}", tmpfs.path.display(), tmpfs.size),
        )?;
    }
    let workspace = &profile.workspace;
    field(
        output,
        "workspace",
        &format!("{} {:?}", workspace.path.display(), workspace.mode),
    )?;
    field(output, "seccomp", profile.seccomp.as_str())?;
    field(
        output,
        "landlock",
        &format!("ABI {} or newer", profile.landlock_min_abi),
    )?;
    limits(profile, output)?;
    for (name, value) in &profile.environment {
        field(output, "environment", &format!("{name}={value}"))?;
    }
    egress(policy, output)
}

fn limits(profile: &ResolvedProfile, output: &mut Output) -> Result<(), Failure> {
    let limits = &profile.limits;
    let clock = limits
        .wall_clock
        .map_or_else(|| "unlimited".to_owned(), |span| span.to_string());
    let words = format!(
        "memory={} pids={} cpu={} open_files={} file_size={} wall_clock={clock}",
        limits.memory,
        limits.pids,
        policy::limits::Cores::from_millis(limits.cpu_millis),
        limits.open_files,
        limits.file_size
    );
    field(output, "limits", &words)
}

fn egress(policy: &EffectivePolicy, output: &mut Output) -> Result<(), Failure> {
    for rule in &policy.allow {
        field(output, "allow", &words(rule))?;
    }
    for rule in &policy.deny {
        field(output, "deny", &words(rule))?;
    }
    field(output, "otherwise", &policy.default)?;
    let size = |size: Option<model::ByteSize>| {
        size.map_or_else(|| "unlimited".to_owned(), |size| size.to_string())
    };
    let budget = &policy.budget;
    let words = format!(
        "up={} down={}",
        size(budget.egress_up),
        size(budget.egress_down)
    );
    field(output, "budget", &words)
}

fn words(rule: &EffectiveRule) -> String {
    format!("{rule} ({})", rule.rule)
}

fn field(output: &mut Output, name: &str, value: &str) -> Result<(), Failure> {
    output.line(&format!("{name:<11} {}", text::escape(value)))
}
