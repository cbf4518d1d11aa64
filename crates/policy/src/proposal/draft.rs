//! Rules of what was observed: grouped by host, then by the methods that paths were asked with.
//!
//! Not for: their text (`text`).

use std::collections::{BTreeMap, BTreeSet};

use super::observed::{Observed, Place, Traffic};
use super::pattern::{Pattern, patterns};
use super::{Closed, ProposedPath, ProposedRule};
use crate::destination::Host;
use crate::rule::{METHODS_MAX, PATHS_MAX, PORTS_MAX};

/// Methods and patterns of a rule: what must be the same for two ports to share one.
type Grasp = (Vec<String>, Vec<String>);

/// The rules, those of hosts that are only read first, and what they can't say.
pub(super) fn rules(observed: &Observed) -> (Vec<ProposedRule>, Vec<String>) {
    let mut by_host: BTreeMap<&Host, Vec<ProposedRule>> = BTreeMap::new();
    for (destination, place) in observed.places() {
        let rules = by_host.entry(&destination.host).or_default();
        rules.extend(of_place(&destination.host, destination.port, place));
    }
    let mut rules: Vec<(u8, ProposedRule)> = Vec::new();
    for of_host in by_host.into_values() {
        let of_host = joined(of_host);
        let rank = rank(&of_host);
        rules.extend(of_host.into_iter().map(|rule| (rank, rule)));
    }
    // Stable: within a rank by host, as they came.
    rules.sort_by_key(|(rank, _)| *rank);
    let rules = rules.into_iter().map(|(_, rule)| rule).collect();
    (rules, observed.unsaid())
}

/// 0 for a host that is only read, 2 for one that nobody looked into.
fn rank(rules: &[ProposedRule]) -> u8 {
    if rules.iter().any(|rule| rule.tunnel.is_some()) {
        2
    } else {
        u8::from(!rules.iter().all(ProposedRule::only_reads))
    }
}

/// A tunnel that must stay closed leaves nothing to say about requests to the same port.
fn of_place(host: &Host, port: u16, place: &Place) -> Vec<ProposedRule> {
    let seen = place.requests.values();
    let requests = seen.fold(Traffic::default(), |sum, one| sum.and(*one));
    let mut rules = match place.closed {
        Some(closed) => vec![tunnel(host, port, (closed, place.tunnels.and(requests)))],
        None => of_requests(host, port, place),
    };
    for rule in &mut rules {
        rule.connect = place.connect;
    }
    rules
}

fn tunnel(host: &Host, port: u16, (closed, traffic): (Closed, Traffic)) -> ProposedRule {
    ProposedRule {
        host: host.to_string(),
        ports: vec![port],
        connect: None,
        methods: Vec::new(),
        paths: Vec::new(),
        tunnel: Some(closed),
        traffic,
    }
}

fn of_requests(host: &Host, port: u16, place: &Place) -> Vec<ProposedRule> {
    let mut by_method: BTreeMap<&str, BTreeMap<&str, Traffic>> = BTreeMap::new();
    for (asked, traffic) in &place.requests {
        let paths = by_method.entry(&asked.method).or_default();
        let sum = paths.entry(&asked.path).or_default();
        *sum = sum.and(*traffic);
    }
    let mut by_glob: BTreeMap<String, (BTreeSet<&str>, Vec<Pattern>)> = BTreeMap::new();
    for (method, paths) in &by_method {
        for pattern in patterns(paths) {
            let (methods, made) = by_glob.entry(pattern.glob.clone()).or_default();
            methods.insert(method);
            made.push(pattern);
        }
    }
    let mut by_methods: BTreeMap<BTreeSet<&str>, Vec<Pattern>> = BTreeMap::new();
    for (methods, made) in by_glob.into_values() {
        by_methods.entry(methods).or_default().extend(one(made));
    }
    by_methods
        .into_iter()
        .flat_map(|(methods, patterns)| split(host, port, (&methods, &patterns)))
        .collect()
}

/// The same pattern as it was found with each method.
fn one(made: Vec<Pattern>) -> Option<Pattern> {
    made.into_iter().reduce(|first, second| {
        let samples: BTreeSet<String> = first
            .samples
            .iter()
            .chain(&second.samples)
            .cloned()
            .collect();
        Pattern {
            paths: first.paths.max(second.paths).max(samples.len()),
            samples: samples
                .into_iter()
                .take(first.samples.len().max(second.samples.len()))
                .collect(),
            traffic: first.traffic.and(second.traffic),
            glob: first.glob,
        }
    })
}

/// As many rules as the bounds of one rule's lists make of it; one, but for odd programs.
fn split(
    host: &Host,
    port: u16,
    (methods, patterns): (&BTreeSet<&str>, &[Pattern]),
) -> Vec<ProposedRule> {
    let methods: Vec<&str> = methods.iter().copied().collect();
    let mut rules = Vec::new();
    for patterns in patterns.chunks(PATHS_MAX) {
        for methods in methods.chunks(METHODS_MAX) {
            let traffic = patterns.iter().map(|pattern| pattern.traffic);
            rules.push(ProposedRule {
                host: host.to_string(),
                ports: vec![port],
                connect: None,
                methods: methods.iter().map(|method| (*method).to_owned()).collect(),
                paths: patterns.iter().map(proposed).collect(),
                tunnel: None,
                traffic: traffic.fold(Traffic::default(), Traffic::and),
            });
        }
    }
    rules
}

fn proposed(pattern: &Pattern) -> ProposedPath {
    ProposedPath {
        glob: pattern.glob.clone(),
        paths: pattern.paths,
        samples: pattern.samples.clone(),
    }
}

/// Puts ports of one host together for which the same is to be said.
fn joined(rules: Vec<ProposedRule>) -> Vec<ProposedRule> {
    let mut kept: Vec<ProposedRule> = Vec::new();
    for rule in rules {
        let twin = kept.iter_mut().find(|other| {
            other.tunnel == rule.tunnel
                && other.connect == rule.connect
                && grasp(other) == grasp(&rule)
                && other.ports.len() < PORTS_MAX
        });
        match twin {
            Some(twin) => {
                twin.ports.extend(&rule.ports);
                twin.traffic = twin.traffic.and(rule.traffic);
            }
            None => kept.push(rule),
        }
    }
    kept
}

fn grasp(rule: &ProposedRule) -> Grasp {
    let globs = rule.paths.iter().map(|path| path.glob.clone());
    (rule.methods.clone(), globs.collect())
}
