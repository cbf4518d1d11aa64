//! The published vulnerabilities that a profile keeps out of reach, newest first.
//!
//! Not for: finding vulnerabilities; the profile brings them as data.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::arch::Arch;
use crate::decision::{self, Vulnerability};
use crate::profile::{Denial, Profile};
use crate::prose;
use crate::syscalls;

/// One vulnerability and the denials that stand before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stopped {
    /// The vulnerability.
    #[serde(flatten)]
    pub vulnerability: Vulnerability,
    /// The denials, in the profile's order.
    pub by: Vec<Shield>,
}

/// A denial that keeps a vulnerability out of reach.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shield {
    /// Its calls, as far as any architecture of the rule has them.
    pub calls: Vec<&'static str>,
    /// The arguments that it refuses, one alternative each; empty when it refuses all.
    pub when: Vec<String>,
    /// The action, as text.
    pub action: String,
    /// Its reason.
    pub why: String,
    /// The file that it stands in.
    pub file: String,
    /// Line of its first call, from 1.
    pub line: usize,
}

/// What the profile stops, newest first; vulnerabilities of one date by id.
#[must_use]
pub fn stopped(profile: &Profile) -> Vec<Stopped> {
    let mut found: BTreeMap<String, Stopped> = BTreeMap::new();
    for denial in profile.denials() {
        for vulnerability in decision::vulnerabilities(profile, denial) {
            let entry = found
                .entry(vulnerability.id.clone())
                .or_insert_with(|| Stopped {
                    vulnerability,
                    by: Vec::new(),
                });
            entry.by.push(shield(denial));
        }
    }
    let mut list: Vec<Stopped> = found.into_values().collect();
    list.sort_by(|one, other| {
        let (one, other) = (&one.vulnerability, &other.vulnerability);
        other
            .published
            .cmp(&one.published)
            .then(one.id.cmp(&other.id))
    });
    list
}

fn shield(denial: &Denial) -> Shield {
    let exists = |call: &&str| {
        Arch::ALL
            .iter()
            .any(|arch| denial.holds_on(*arch) && syscalls::number(*arch, call).is_some())
    };
    let calls: Vec<&'static str> = denial.calls().iter().map(|mention| mention.name).collect();
    let first = denial.calls().first();
    Shield {
        when: prose::alternatives(first.map_or("", |mention| mention.name), denial.when()),
        calls: calls.into_iter().filter(exists).collect(),
        action: denial.action().to_string(),
        why: denial.why().to_owned(),
        file: denial.file().to_owned(),
        line: first.map_or(0, |mention| mention.line),
    }
}
