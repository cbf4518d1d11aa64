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
        text: text(base, name, &groups, &list.concat()),
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

/// The kept calls of one rule of the parent, with its reason above and each one's count beside it.
fn section(why: &str, calls: &BTreeMap<&str, Option<u64>>) -> Vec<String> {
    if calls.is_empty() {
        return Vec::new();
    }
    let why = why.replace(|letter: char| letter.is_control(), " ");
    let head = format!("  # {why}\n");
    let entries = calls.iter().map(|(call, count)| {
        let name = format!("\"{call}\",");
        match count {
            Some(1) => format!("  {name:<30}# once\n"),
            Some(count) => format!("  {name:<30}# {count} times\n"),
            None => format!("  {name:<30}# not seen, but the jail's first process needs it\n"),
        }
    });
    std::iter::once(head).chain(entries).collect()
}

fn text(base: &Profile, name: &ProfileName, groups: &BTreeSet<&str>, list: &str) -> String {
    let parent = base.name();
    let enable: Vec<String> = groups.iter().map(|group| format!("\"{group}\"")).collect();
    let enable = match enable.is_empty() {
        true => String::new(),
        false => format!("enable = [{}]\n", enable.join(", ")),
    };
    format!(
        "# Proposed from what was seen. A longer run may need more; what {parent} refuses stays refused.\n\
         version = {VERSION}\nname = \"{name}\"\ndescription = \"The calls of {parent} that were seen in use.\"\n\
         extends = \"{parent}\"\n{enable}keep = [\n{list}]\n"
    )
}
