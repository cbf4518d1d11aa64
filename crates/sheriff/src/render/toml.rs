//! A seccomp profile as a file that says the same without its parents.
//!
//! Not for: reading TOML. Whatever steers a terminal is written as an escape of TOML.

use std::collections::BTreeSet;

use seccomp::condition::{Condition, Test};
use seccomp::explain;
use seccomp::profile::{Allowance, Cve, Denial, Mention, VERSION};
use seccomp::{Action, Arch, Profile};

use super::text::is_unsafe;

/// Columns of a line of names.
const LINE_COLUMNS: usize = 118;

/// The whole profile.
pub(crate) fn profile(profile: &Profile) -> String {
    let mut text = lineage(profile);
    text += &format!(
        "\nversion = {VERSION}\nname = {}\ndescription = {}\n",
        quoted(profile.name().as_str()),
        quoted(profile.description())
    );
    for rule in profile.allowances() {
        text += &allowance(rule, false);
    }
    let stopped = explain::stopped(profile).into_iter();
    let stopped: BTreeSet<String> = stopped.map(|one| one.vulnerability.id).collect();
    for rule in profile.denials() {
        text += &denial(rule, &stopped);
    }
    for rule in profile.optional() {
        text += &allowance(rule, true);
    }
    text
}

fn lineage(profile: &Profile) -> String {
    let files = profile.lineage().iter();
    let files: Vec<String> = files.map(|origin| comment(&origin.file)).collect();
    format!(
        "# Made by `sheriff seccomp show` of {}.\n",
        files.join(", which extends ")
    )
}

fn allowance(rule: &Allowance, off: bool) -> String {
    let mut text = head("allow", rule.file(), rule.calls(), rule.why());
    // A group that is on is a rule like any other; only one that is off can be enabled.
    if let Some(group) = rule.group().filter(|_group| off) {
        text += &format!("optional = {}\n", quoted(group));
    }
    text += &flags(rule.arches(), rule.is_quiet());
    if rule.is_logged() {
        text += "log = true\n";
    }
    if let Some(guard) = rule.guard() {
        text += &when(guard.alternatives());
        text += &format!("otherwise = \"{}\"\n", guard.otherwise());
    }
    text
}

fn denial(rule: &Denial, stopped: &BTreeSet<String>) -> String {
    let mut text = head("deny", rule.file(), rule.calls(), rule.why());
    text += &flags(rule.arches(), rule.is_quiet());
    text += &match rule.action() {
        Action::Errno(errno) => format!("errno = \"{errno}\"\n"),
        Action::Trap => "trap = true\n".to_owned(),
        _ => "kill = true\n".to_owned(),
    };
    if !rule.is_total() {
        text += &when(rule.when());
    }
    let cves: Vec<String> = rule
        .cves()
        .iter()
        .filter(|cve| stopped.contains(cve.id()))
        .map(vulnerability)
        .collect();
    if !cves.is_empty() {
        text += &format!("cves = [\n{}]\n", cves.concat());
    }
    text
}

fn head(kind: &str, file: &str, calls: &[Mention], why: &str) -> String {
    let line = calls.first().map_or(0, |mention| mention.line);
    format!(
        "\n# {}:{line}\n[[{kind}]]\nwhy = {}\n{}",
        comment(file),
        quoted(why),
        names(calls)
    )
}

/// `arch` where the rule leaves one out, and `quiet`.
fn flags(arches: &[Arch], quiet: bool) -> String {
    let mut text = String::new();
    if arches.len() < Arch::ALL.len() {
        let each: Vec<String> = arches.iter().map(|arch| format!("\"{arch}\"")).collect();
        text += &format!("arch = [{}]\n", each.join(", "));
    }
    if quiet {
        text += "quiet = true\n";
    }
    text
}

fn vulnerability(cve: &Cve) -> String {
    format!(
        "  {{ id = {}, published = {}, what = {} }},\n",
        quoted(cve.id()),
        quoted(cve.published()),
        quoted(cve.what())
    )
}

/// `calls = [...]`, wrapped when it is long.
fn names(calls: &[Mention]) -> String {
    let each = calls.iter().map(|mention| format!("\"{}\"", mention.name));
    let each: Vec<String> = each.collect();
    let line = format!("calls = [{}]\n", each.join(", "));
    if line.len() <= LINE_COLUMNS {
        return line;
    }
    let mut text = "calls = [\n".to_owned();
    let mut line = " ".to_owned();
    for name in each {
        if line.len() + name.len() + 2 > LINE_COLUMNS {
            text += &format!("{line}\n");
            line = " ".to_owned();
        }
        line += &format!(" {name},");
    }
    text + &format!("{line}\n]\n")
}

fn when(alternatives: &[Vec<Condition>]) -> String {
    let lines = alternatives.iter().map(|all| {
        let all: Vec<String> = all.iter().map(condition).collect();
        format!("  [{}],\n", all.join(", "))
    });
    format!("when = [\n{}]\n", lines.collect::<String>())
}

fn condition(condition: &Condition) -> String {
    let masked = condition.mask() != condition.width().ones();
    let test = match condition.test() {
        Test::In(values) if masked && values == &[0] => {
            format!("clear = {}", number(condition.mask()))
        }
        Test::NotIn(values) if masked && values == &[0] => {
            format!("any_of = {}", number(condition.mask()))
        }
        Test::In(values) => format!("{}in = {}", mask(condition, masked), list(values)),
        Test::NotIn(values) => format!("{}not_in = {}", mask(condition, masked), list(values)),
        Test::Between(low, high) => format!("between = {}", list(&[*low, *high])),
        Test::Outside(low, high) => format!("outside = {}", list(&[*low, *high])),
    };
    let (argument, width) = (condition.argument(), condition.width().bits());
    format!("{{ arg = {argument}, width = {width}, {test} }}")
}

fn mask(condition: &Condition, masked: bool) -> String {
    if !masked {
        return String::new();
    }
    format!("mask = {}, ", number(condition.mask()))
}

fn list(values: &[u64]) -> String {
    let each: Vec<String> = values.iter().map(|value| number(*value)).collect();
    format!("[{}]", each.join(", "))
}

fn number(value: u64) -> String {
    match value {
        0..=9 => value.to_string(),
        _ => format!("{value:#x}"),
    }
}

/// A basic string of TOML, whatever is in it.
pub(crate) fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => quoted += "\\\"",
            '\\' => quoted += "\\\\",
            hidden if is_unsafe(hidden) => quoted += &format!("\\U{:08X}", u32::from(hidden)),
            plain => quoted.push(plain),
        }
    }
    quoted + "\""
}

/// Text that can't leave its comment.
pub(crate) fn comment(text: &str) -> String {
    super::text::escape(text).into_owned()
}
