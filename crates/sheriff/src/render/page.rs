//! Everything that a jail gets, on one page, for a reader.
//!
//! Not for: finding it out.

use model::ByteSize;
use policy::budget::{Budget, OnExceeded};
use policy::effective::EffectiveRule;

use super::{Output, Paint, Table, text};
use crate::commands::ProfilePage;
use crate::failure::Failure;

/// Prints the page.
pub(crate) fn print(page: &ProfilePage, output: &mut Output) -> Result<(), Failure> {
    let chain: Vec<&str> = page.chain.iter().map(|name| name.as_str()).collect();
    output.line(&format!("profile {}", chain.join(" extends ")))?;
    mounts(page, output)?;
    landlock(page, output)?;
    seccomp(page, output)?;
    limits(page, output)?;
    egress(page, output)?;
    environment(page, output)
}

fn heading(output: &mut Output, title: &str) -> Result<(), Failure> {
    let title = output.style.paint(Paint::Heading, title);
    output.line("")?;
    output.line(&title)
}

fn mounts(page: &ProfilePage, output: &mut Output) -> Result<(), Failure> {
    heading(output, "== mounts; nothing else of the host is visible ==")?;
    let mut table = Table::new(["PATH", "WHAT", "A PROGRAM CAN", "SIZE"]);
    for mount in &page.mounts {
        let size = mount
            .size
            .map_or_else(|| "-".to_owned(), |size| size.to_string());
        table.row([&mount.path, mount.kind, mount.access, &size]);
    }
    table.print(output)
}

fn landlock(page: &ProfilePage, output: &mut Output) -> Result<(), Failure> {
    heading(output, "== Landlock; whatever no rule names is refused ==")?;
    let landlock = &page.landlock;
    let offered = landlock
        .offered
        .map_or_else(|| "no Landlock".to_owned(), |abi| format!("ABI {abi}"));
    let least = landlock.least;
    let verdict = match landlock.offered {
        Some(abi) if abi >= least => "enough",
        _ => "a jail would not start",
    };
    output.line(&format!(
        "at least ABI {least} is needed; this kernel offers {offered}: {verdict}"
    ))?;
    for rule in &landlock.rules {
        let rights = match rule.all {
            true => format!("all {} rights", rule.rights.len()),
            false => rule.rights.join(" "),
        };
        let line = format!("{}: {rights}", rule.path);
        output.line(&text::escape(&line))?;
    }
    for scope in landlock.scopes {
        output.line(scope)?;
    }
    Ok(())
}

fn seccomp(page: &ProfilePage, output: &mut Output) -> Result<(), Failure> {
    heading(output, "== seccomp ==")?;
    let seccomp = &page.seccomp;
    let chain = seccomp.lineage.join(" narrows ");
    output.text(&format!(
        "{chain} ({}): {}",
        seccomp.source, seccomp.description
    ))?;
    if let Some(count) = &seccomp.count {
        output.text(&count.to_string())?;
    }
    if let (Some(length), Some(hash)) = (seccomp.instructions, &seccomp.sha256) {
        output.line(&format!("{length} instructions, sha256 {hash}"))?;
    }
    let (stopped, name) = (seccomp.stopped, seccomp.lineage.first());
    let name = text::escape(name.map(String::as_str).unwrap_or_default());
    output.line(&format!(
        "{stopped} known vulnerabilities out of reach: sheriff seccomp explain {name} --cves"
    ))
}

fn limits(page: &ProfilePage, output: &mut Output) -> Result<(), Failure> {
    heading(output, "== limits ==")?;
    let limits = &page.limits;
    let clock = limits
        .wall_clock
        .map_or_else(|| "no limit".to_owned(), |span| span.to_string());
    let cores = policy::limits::Cores::from_millis(limits.cpu_millis);
    for line in [
        format!("memory {}, no swap", limits.memory),
        format!("processes and threads {}", limits.pids),
        format!("cores {cores}"),
        format!("open files of a process {}", limits.open_files),
        format!("size of a file {}", limits.file_size),
        format!("time {clock}"),
    ] {
        output.line(&line)?;
    }
    Ok(())
}

fn egress(page: &ProfilePage, output: &mut Output) -> Result<(), Failure> {
    heading(
        output,
        "== egress; whatever no rule allows is refused, and deny beats allow ==",
    )?;
    let policy = &page.egress.policy;
    if policy.allow.is_empty() {
        output.line("nothing is allowed")?;
    }
    for (verb, rules) in [("allow", &policy.allow), ("deny", &policy.deny)] {
        for one in rules {
            output.line(&text::escape(&format!("{verb} {}", rule(one))))?;
        }
    }
    output.line(&budget(&page.budget))
}

fn budget(budget: &Budget) -> String {
    let size = |word: &str, size: Option<ByteSize>| size.map(|size| format!("{size} {word}"));
    let count = |word: &str, count: Option<u64>| count.map(|count| format!("{count} {word}"));
    let limits = [
        size("up", budget.egress_up),
        size("down", budget.egress_down),
        count("requests", budget.requests),
        count("tokens of models", budget.llm_tokens),
        budget.llm_cost.map(|cost| format!("models for {cost}")),
    ];
    let limits: Vec<String> = limits.into_iter().flatten().collect();
    let then = match budget.on_exceeded {
        OnExceeded::Stop => "then it ends",
        OnExceeded::Warn => "beyond that it goes on and is recorded",
    };
    match limits.is_empty() {
        true => "budget: bytes are counted, not limited".to_owned(),
        false => format!("budget: {}, {then}", limits.join(", ")),
    }
}

fn rule(rule: &EffectiveRule) -> String {
    format!("{rule} ({})", rule.rule)
}

fn environment(page: &ProfilePage, output: &mut Output) -> Result<(), Failure> {
    heading(output, "== environment, besides Sheriff's own ==")?;
    if page.environment.is_empty() {
        output.line("nothing is set")?;
    }
    for (name, value) in &page.environment {
        output.line(&text::escape(&format!("{name}={value}")))?;
    }
    Ok(())
}
