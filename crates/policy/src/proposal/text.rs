//! A proposal as a file of `profiles/egress`, with a comment on everything that a reader must judge.
//!
//! Not for: reading one (`profile`).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use model::ProfileName;

use super::observed::{Observed, Traffic};
use super::pattern::is_verbatim;
use super::{Closed, ProposedPath, ProposedRule};
use crate::rule::DEFAULT_PORT;

/// Hosts below one registrable domain, up to which no wildcard is mentioned.
const SIBLING_HOSTS_MAX: usize = 4;
/// Longest text of a jail's own choice in a comment.
const WORD_MAX: usize = 200;

pub(super) fn write(
    name: &ProfileName,
    rules: &[ProposedRule],
    observed: &Observed,
    unsaid: &[String],
) -> String {
    let mut text = head(name, rules, observed);
    let mut section = "";
    for rule in rules {
        let next = heading(rule, rules);
        if next != section {
            section = next;
            text.push_str(&format!("\n# == {section} ==\n"));
        }
        text.push_str(&of_rule(rule));
    }
    text.push_str(&wildcards(rules));
    text.push_str(&remarks(observed, unsaid));
    text
}

fn head(name: &ProfileName, rules: &[ProposedRule], observed: &Observed) -> String {
    let hosts: BTreeSet<&str> = rules.iter().map(|rule| rule.host.as_str()).collect();
    format!(
        "# {name}: proposed from {} to {}. It allows what was seen and, where a pattern\n\
         # says so, a little more: read each rule before you put it in force.\n\n\
         version = 1\nname = \"{name}\"\n",
        counted(observed.requests(), "request"),
        counted(u64::try_from(hosts.len()).unwrap_or(u64::MAX), "host"),
    )
}

/// All rules of a host stand under one heading.
fn heading(rule: &ProposedRule, rules: &[ProposedRule]) -> &'static str {
    let of_host = || rules.iter().filter(|other| other.host == rule.host);
    if of_host().any(|rule| rule.tunnel.is_some()) {
        "tunnels: nobody sees what is inside"
    } else if of_host().all(ProposedRule::only_reads) {
        "only read"
    } else {
        "written to"
    }
}

fn of_rule(rule: &ProposedRule) -> String {
    let mut text = format!("\n# {}\n", of_traffic(&rule.traffic));
    match rule.tunnel {
        Some(Closed::Pinned) => text.push_str(
            "# The client takes no certificate but the server's own, so its requests can't be judged.\n",
        ),
        Some(Closed::Unread) => text.push_str("# No HTTP that could be read was seen in it.\n"),
        None => {}
    }
    text.push_str("[[allow]]\n");
    text.push_str(&format!("host = {}\n", quoted(&rule.host)));
    if rule.ports != [DEFAULT_PORT] {
        let ports: Vec<String> = rule.ports.iter().map(u16::to_string).collect();
        text.push_str(&format!("ports = [{}]\n", ports.join(", ")));
    }
    if let Some(address) = rule.connect {
        text.push_str(&format!("connect = \"{address}\"\n"));
    }
    if !rule.methods.is_empty() {
        let methods: Vec<String> = rule.methods.iter().map(|it| quoted(it)).collect();
        text.push_str(&format!("methods = [{}]\n", methods.join(", ")));
    }
    if !rule.paths.is_empty() {
        let paths: String = rule.paths.iter().map(of_path).collect();
        text.push_str(&format!("paths = [\n{paths}]\n"));
    }
    text
}

fn of_path(path: &ProposedPath) -> String {
    let glob = quoted(&path.glob);
    if is_verbatim(&path.glob, &path.samples) {
        return format!("  {glob},\n");
    }
    let samples: Vec<String> = path.samples.iter().map(|it| word(it)).collect();
    let samples = samples.join(", ");
    match path.paths {
        1 => format!("  {glob}, # was {samples}\n"),
        count => format!("  {glob}, # {count} paths, such as {samples}\n"),
    }
}

/// Where one wildcard could stand for many hosts; that is for a person to decide.
fn wildcards(rules: &[ProposedRule]) -> String {
    let mut below: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for rule in rules {
        if let Some(domain) = psl::domain_str(&rule.host) {
            below.entry(domain).or_default().insert(&rule.host);
        }
    }
    let mut text = String::new();
    let many = below
        .iter()
        .filter(|(_, all)| all.len() > SIBLING_HOSTS_MAX);
    for (domain, hosts) in many {
        write_line(
            &mut text,
            &format!(
                "\n# {} hosts are {domain} or below it. `**.{domain}` would be one rule for them, and for\n\
                 # every other name there.",
                hosts.len()
            ),
        );
    }
    text
}

fn remarks(observed: &Observed, unsaid: &[String]) -> String {
    let mut text = String::new();
    let refused = observed.refused();
    if !refused.is_empty() {
        write_line(
            &mut text,
            "\n# Refused meanwhile, and not allowed by these rules:",
        );
    }
    for it in refused {
        let what = format!("{} {}:{}", it.method, it.host, it.port);
        let line = format!("#   {} x {}: {}", it.count, word(&what), word(&it.reason));
        write_line(&mut text, &line);
    }
    if !unsaid.is_empty() {
        write_line(&mut text, "\n# Let through, but no rule has words for it:");
    }
    for what in unsaid {
        write_line(&mut text, &format!("#   {}", word(what)));
    }
    if observed.beyond() > 0 {
        let line = format!(
            "\n# Too many to be looked at, so these rules may deny them: {}.",
            counted(observed.beyond(), "request")
        );
        write_line(&mut text, &line);
    }
    text
}

fn of_traffic(traffic: &Traffic) -> String {
    let mut text = format!(
        "{}, {} up, {} down",
        counted(traffic.requests, "request"),
        bytes(traffic.bytes_up),
        bytes(traffic.bytes_down)
    );
    if traffic.failed > 0 {
        text.push_str(&format!("; {} failed", traffic.failed));
    }
    text
}

fn counted(count: u64, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

/// With one digit behind the point from 1 KiB on.
fn bytes(count: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    let unit = units.into_iter().find(|(shift, _)| count >> shift > 0);
    match unit {
        None => format!("{count} B"),
        Some((shift, unit)) => {
            let tenths = (u128::from(count) * 10) >> shift;
            format!("{}.{} {unit}", tenths / 10, tenths % 10)
        }
    }
}

/// A value. Hosts, methods and canonical paths have nothing in them that a basic string of TOML must escape.
fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}

/// A text of the jail's choice, which must not end the comment that it stands in.
fn word(text: &str) -> String {
    let short = text.chars().take(WORD_MAX);
    let plain = short.flat_map(|c| {
        let harmless = c.is_ascii_graphic() || c == ' ';
        let escaped = (!harmless).then(|| c.escape_default());
        escaped.into_iter().flatten().chain(harmless.then_some(c))
    });
    plain.collect()
}

fn write_line(text: &mut String, line: &str) {
    // Writing to a string can't fail.
    writeln!(text, "{line}").unwrap_or(());
}
