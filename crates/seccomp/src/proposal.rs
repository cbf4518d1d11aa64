//! The smallest profile for what was called: a child that keeps that much of its parent.
//!
//! Not for: widening. What the parent refuses stays refused and is listed.

use std::collections::{BTreeMap, BTreeSet};

use model::ProfileName;

use crate::arch::Arch;
use crate::coverage::{Observed, Refused, compare};
use crate::profile::{Allowance, Denial, FLOOR, Profile, VERSION};

/// Calls of which PID 1 of a jail needs one to start a command.
const START: [&str; 2] = ["execve", "execveat"];

/// A proposed profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// Its TOML text.
    pub text: String,
    /// Calls that it keeps, those that the jail itself needs included.
    pub kept: usize,
    /// What was called and stays refused.
    pub refused: Vec<Refused>,
    /// Optional groups of the parent that it switches on.
    pub enabled: Vec<String>,
}

/// The smallest profile that extends `base` and allows what was observed, as far as `base` does.
///
/// What the first process of a jail needs is kept as well. What `base` refuses but one of its
/// optional groups would allow switches that group on.
#[must_use]
pub fn propose(base: &Profile, name: &ProfileName, arch: Arch, observed: &Observed) -> Proposal {
    let refused = compare(base, arch, observed).refused;
    let wanted = |rule: &&Allowance| rule.calls().iter().any(|call| is_seen(observed, call.name));
    let optional: Vec<&Allowance> = base.optional().iter().filter(wanted).collect();
    let groups: BTreeSet<&str> = optional.iter().filter_map(|rule| rule.group()).collect();
    let floor = floor(base);
    let rules = base.allowances().iter().map(|rule| (rule, false));
    let rules = rules.chain(optional.iter().map(|rule| (*rule, true)));
    let mut list = Vec::new();
    // Rules for one architecture each may name the same call.
    let mut kept = BTreeSet::new();
    for (rule, enabled) in rules {
        let mut calls = BTreeMap::new();
        for call in rule.calls().iter().map(|call| call.name) {
            let usage = observed.calls.get(call).map(|usage| usage.count);
            let open = enabled || is_allowed(base, call);
            let needed = usage.is_some() || floor.contains(call);
            if open && needed && kept.insert(call) {
                calls.insert(call, usage);
            }
        }
        list.extend(section(rule.why(), &calls));
    }
    Proposal {
        text: text(
            base,
            name,
            (&groups, &opened(&optional, observed)),
            &list.concat(),
        ),
        kept: kept.len(),
        refused: refused
            .into_iter()
            .filter(|one| one.group.is_none())
            .collect(),
        enabled: groups.into_iter().map(str::to_owned).collect(),
    }
}

fn is_seen(observed: &Observed, call: &str) -> bool {
    observed.calls.contains_key(call)
}

/// What the first process of a jail calls, as far as the parent allows it.
fn floor(base: &Profile) -> BTreeSet<&'static str> {
    let start = START.into_iter().find(|call| is_allowed(base, call));
    FLOOR.iter().map(|need| need.call).chain(start).collect()
}

fn is_allowed(base: &Profile, call: &str) -> bool {
    Arch::ALL.into_iter().any(|arch| {
        base.allowance_on(arch, call).is_some()
            && !base.denials_on(arch, call).any(Denial::is_total)
    })
}

/// The kept calls of one rule of the parent, with its reason and each one's count beside it.
fn section(why: &str, calls: &BTreeMap<&str, Option<u64>>) -> Option<String> {
    if calls.is_empty() {
        return None;
    }
    let entries = calls.iter().map(|(call, count)| {
        let name = format!("\"{call}\",");
        match count {
            Some(1) => format!("  {name:<30}# once\n"),
            Some(count) => format!("  {name:<30}# {count} times\n"),
            None => format!("  {name:<30}# not seen, but the jail's first process needs it\n"),
        }
    });
    let why = quoted(why);
    let entries: String = entries.collect();
    Some(format!("\n[[keep]]\nwhy = {why}\ncalls = [\n{entries}]\n"))
}

/// A basic string of TOML on one line.
fn quoted(text: &str) -> String {
    let plain = one_line(text).replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{plain}\"")
}

fn one_line(text: &str) -> String {
    text.replace(|letter: char| letter.is_control(), " ")
}

/// What each group that is switched on opens, for whoever signs the file.
fn opened(optional: &[&Allowance], observed: &Observed) -> String {
    let line = |rule: &&Allowance| {
        let all: Vec<&str> = rule.calls().iter().map(|call| call.name).collect();
        let seen: Vec<&str> = all
            .iter()
            .copied()
            .filter(|call| is_seen(observed, call))
            .collect();
        format!(
            "# The optional group {} is on, as {} was seen. It opens {}, of which only what is kept below stays open.\n# Its reason: {}\n",
            rule.group().unwrap_or_default(),
            seen.join(", "),
            all.join(", "),
            one_line(rule.why()),
        )
    };
    optional.iter().map(line).collect()
}

fn text(
    base: &Profile,
    name: &ProfileName,
    (groups, opened): (&BTreeSet<&str>, &str),
    list: &str,
) -> String {
    let parent = base.name();
    let enable: Vec<String> = groups.iter().map(|group| format!("\"{group}\"")).collect();
    let enable = match enable.is_empty() {
        true => String::new(),
        false => format!("{opened}enable = [{}]\n", enable.join(", ")),
    };
    format!(
        "# Proposed from what was seen. A longer run may need more; what {parent} refuses stays refused.\n\
         version = {VERSION}\nname = \"{name}\"\ndescription = \"The calls of {parent} that were seen in use.\"\n\
         extends = \"{parent}\"\n{enable}{list}"
    )
}
