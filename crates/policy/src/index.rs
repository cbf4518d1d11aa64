//! Finds the rules that speak of a host without looking at the others.
//!
//! Not for: judging what it finds (`egress`).

use std::collections::HashMap;
use std::net::IpAddr;

use crate::destination::{DomainName, Host};
use crate::host::HostPattern;
use crate::rule::Rule;

/// Rules by the text of their host. A name is looked up once for each of its suffixes, and only for
/// those that are not longer than the longest pattern.
#[derive(Debug, Clone, Default)]
pub(crate) struct HostIndex {
    rules: Vec<Rule>,
    names: HashMap<DomainName, Bucket>,
    addresses: HashMap<IpAddr, Vec<usize>>,
    deepest: usize,
}

/// Positions of the rules that carry one name, by the form of their pattern.
#[derive(Debug, Clone, Default)]
struct Bucket {
    exact: Vec<usize>,
    below: Vec<usize>,
    apex_and_below: Vec<usize>,
}

impl HostIndex {
    pub(crate) fn new(rules: Vec<Rule>) -> Self {
        let mut index = Self::default();
        for (at, rule) in rules.iter().enumerate() {
            index.place(at, rule.host());
        }
        index.rules = rules;
        index
    }

    pub(crate) fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Every rule whose pattern matches the host, in no particular order.
    pub(crate) fn matching(&self, host: &Host) -> Vec<&Rule> {
        match host {
            Host::Name(name) => self.matching_name(name),
            Host::V4(ip) => self.matching_address(IpAddr::V4(*ip)),
            Host::V6(ip) => self.matching_address(IpAddr::V6(*ip)),
        }
    }

    fn matching_address(&self, ip: IpAddr) -> Vec<&Rule> {
        let found = self.addresses.get(&ip).into_iter().flatten();
        found.filter_map(|at| self.rules.get(*at)).collect()
    }

    fn matching_name(&self, name: &DomainName) -> Vec<&Rule> {
        // A hostile name has up to 127 labels; hashing all its suffixes would cost more than the verdict may.
        let too_deep = name.labels().saturating_sub(self.deepest);
        let mut found: Vec<&usize> = Vec::new();
        for (depth, suffix) in name.suffixes().enumerate().skip(too_deep) {
            let Some(bucket) = self.names.get(suffix) else {
                continue;
            };
            let own: &[usize] = if depth == 0 {
                &bucket.exact
            } else {
                &bucket.below
            };
            found.extend(own.iter().chain(&bucket.apex_and_below));
        }
        found
            .into_iter()
            .filter_map(|at| self.rules.get(*at))
            .collect()
    }

    fn place(&mut self, at: usize, pattern: &HostPattern) {
        match pattern {
            HostPattern::Exact(Host::V4(ip)) => self.place_address(at, IpAddr::V4(*ip)),
            HostPattern::Exact(Host::V6(ip)) => self.place_address(at, IpAddr::V6(*ip)),
            HostPattern::Exact(Host::Name(name)) => self.bucket(name).exact.push(at),
            HostPattern::Below(base) => self.bucket(base).below.push(at),
            HostPattern::ApexAndBelow(base) => self.bucket(base).apex_and_below.push(at),
        }
    }

    fn place_address(&mut self, at: usize, ip: IpAddr) {
        self.addresses.entry(ip).or_default().push(at);
    }

    fn bucket(&mut self, name: &DomainName) -> &mut Bucket {
        self.deepest = self.deepest.max(name.labels());
        self.names.entry(name.clone()).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_exactly_the_rules_whose_patterns_match() {
        let patterns = [
            "a.com",
            "*.a.com",
            "**.a.com",
            "b.a.com",
            "**.b.a.com",
            "8.8.8.8",
            "c.com",
        ];
        let rules: Vec<Rule> = (0..)
            .zip(patterns)
            .map(|(at, text)| Rule::from_cli_allow(text, at).unwrap())
            .collect();
        let index = HostIndex::new(rules.clone());
        for host in [
            "a.com",
            "b.a.com",
            "x.b.a.com",
            "com",
            "xa.com",
            "8.8.8.8",
            "8.8.4.4",
            "c.com",
        ] {
            let host = Host::parse(host).unwrap();
            let mut found: Vec<_> = index
                .matching(&host)
                .into_iter()
                .map(Rule::origin)
                .collect();
            found.sort();
            let expected: Vec<_> = rules
                .iter()
                .filter(|rule| rule.host().matches(&host))
                .map(Rule::origin)
                .collect();
            assert_eq!(found, expected, "{host}");
        }
    }
}
