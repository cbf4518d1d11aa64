//! The hosts that an authority may vouch for, and the name constraints that say so.
//!
//! Not for: whether a request is allowed; the policy judges that each time.

use std::collections::BTreeSet;
use std::net::IpAddr;

use policy::{EgressPolicy, Host, HostPattern};
use rcgen::{CidrSubnet, GeneralSubtree, NameConstraints};

/// Most names in one certificate. It travels in each full handshake, and 128 names take about 4 KiB.
pub const SUBTREES_MAX: usize = 128;

/// A name under which nobody can have a host (RFC 6761 6.4), for a scope without names: without any
/// permitted name all names would be permitted, and Java does not read an empty excluded one.
const NOWHERE: &str = "invalid";

/// Hosts: subtrees of names, and addresses. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// Each stands for itself and every name below it (RFC 5280 4.2.1.10).
    names: BTreeSet<String>,
    addresses: BTreeSet<IpAddr>,
    /// Every host, whatever else is here.
    everything: bool,
}

/// Hosts that no authority can be made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    /// Nothing to vouch for.
    #[error("no host is allowed, so there is nothing to intercept")]
    Empty,
    /// More than a certificate should carry, even when merged into their parents.
    #[error("{found} hosts are too many for one certificate: at most {SUBTREES_MAX}")]
    TooMany {
        /// How many there are.
        found: usize,
    },
}

impl Scope {
    /// The scope of these patterns. An exact name, `*.x` and `**.x` are each the subtree of that name:
    /// constraints have no finer words. More than [`SUBTREES_MAX`] names are merged into their
    /// parents, the deepest first.
    ///
    /// # Errors
    /// None or too many.
    pub fn new<'a>(
        patterns: impl IntoIterator<Item = &'a HostPattern>,
    ) -> Result<Self, ScopeError> {
        let (mut names, mut addresses) = (BTreeSet::new(), BTreeSet::new());
        for pattern in patterns {
            match pattern {
                HostPattern::Exact(Host::Name(name))
                | HostPattern::Below(name)
                | HostPattern::ApexAndBelow(name) => {
                    names.insert(name.as_str().to_owned());
                }
                HostPattern::Exact(Host::V4(ip)) => {
                    addresses.insert(IpAddr::V4(*ip));
                }
                HostPattern::Exact(Host::V6(ip)) => {
                    addresses.insert(IpAddr::V6(*ip));
                }
            }
        }
        let room = SUBTREES_MAX.saturating_sub(addresses.len());
        Self::checked(merged(&names, room), addresses)
    }

    /// The scope of all hosts that a policy allows, those that are only tunnelled included: a reload
    /// may restrict one of them while the jail lives.
    ///
    /// # Errors
    /// None or too many.
    pub fn of(policy: &EgressPolicy) -> Result<Self, ScopeError> {
        Self::new(policy.allow().iter().map(policy::Rule::host))
    }

    /// Every host: for a session that learns, whose hosts nobody knows beforehand. Its authority is not
    /// constrained, so nothing but that one jail may ever trust it.
    #[must_use]
    pub const fn everything() -> Self {
        Self {
            names: BTreeSet::new(),
            addresses: BTreeSet::new(),
            everything: true,
        }
    }

    fn checked(names: BTreeSet<String>, addresses: BTreeSet<IpAddr>) -> Result<Self, ScopeError> {
        match names.len() + addresses.len() {
            0 => Err(ScopeError::Empty),
            found if found > SUBTREES_MAX => Err(ScopeError::TooMany { found }),
            _ => Ok(Self::of_both(names, addresses)),
        }
    }

    /// Takes in what a certificate's constraints permit.
    pub(crate) fn permitted(names: BTreeSet<String>, addresses: BTreeSet<IpAddr>) -> Self {
        let names = names.into_iter().filter(|name| name != NOWHERE).collect();
        Self::of_both(names, addresses)
    }

    const fn of_both(names: BTreeSet<String>, addresses: BTreeSet<IpAddr>) -> Self {
        Self {
            names,
            addresses,
            everything: false,
        }
    }

    /// Whether this host is within.
    #[must_use]
    pub fn covers(&self, host: &Host) -> bool {
        match host {
            _ if self.everything => true,
            Host::Name(name) => name.suffixes().any(|suffix| self.names.contains(suffix)),
            Host::V4(ip) => self.addresses.contains(&IpAddr::V4(*ip)),
            Host::V6(ip) => self.addresses.contains(&IpAddr::V6(*ip)),
        }
    }

    /// The same as a certificate says it. Each kind of name is spoken of: what constraints don't
    /// mention is not constrained. An address family with permitted addresses is not excluded as well,
    /// since an exclusion would beat them. `None`: no constraint at all.
    pub(crate) fn constraints(&self) -> Option<NameConstraints> {
        if self.everything {
            return None;
        }
        let names = self.names.iter().cloned().map(GeneralSubtree::DnsName);
        let addresses = self.addresses.iter().map(|ip| single(*ip));
        let mut permitted: Vec<_> = names.chain(addresses).collect();
        if self.names.is_empty() {
            permitted.push(GeneralSubtree::DnsName(NOWHERE.to_owned()));
        }
        let mut excluded = Vec::new();
        if !self.addresses.iter().any(IpAddr::is_ipv4) {
            excluded.push(GeneralSubtree::IpAddress(CidrSubnet::V4([0; 4], [0; 4])));
        }
        if !self.addresses.iter().any(IpAddr::is_ipv6) {
            excluded.push(GeneralSubtree::IpAddress(CidrSubnet::V6([0; 16], [0; 16])));
        }
        Some(NameConstraints {
            permitted_subtrees: permitted,
            excluded_subtrees: excluded,
        })
    }
}

fn single(ip: IpAddr) -> GeneralSubtree {
    GeneralSubtree::IpAddress(match ip {
        IpAddr::V4(ip) => CidrSubnet::V4(ip.octets(), [0xff; 4]),
        IpAddr::V6(ip) => CidrSubnet::V6(ip.octets(), [0xff; 16]),
    })
}

/// Drops names below others; if more than `room` are left, cuts the deepest to their parents until
/// they fit or nothing but single labels is left.
fn merged(names: &BTreeSet<String>, room: usize) -> BTreeSet<String> {
    let mut names = without_children(names);
    let mut depth = names.iter().map(|name| labels(name)).max().unwrap_or(0);
    while names.len() > room && depth > 1 {
        depth -= 1;
        let cut = names.iter().map(|name| last_labels(name, depth).to_owned());
        names = without_children(&cut.collect());
    }
    names
}

fn without_children(names: &BTreeSet<String>) -> BTreeSet<String> {
    let has_parent = |name: &str| {
        std::iter::successors(name.split_once('.'), |(_, parent)| parent.split_once('.'))
            .any(|(_, parent)| names.contains(parent))
    };
    names
        .iter()
        .filter(|name| !has_parent(name))
        .cloned()
        .collect()
}

fn labels(name: &str) -> usize {
    name.split('.').count()
}

fn last_labels(name: &str, count: usize) -> &str {
    let surplus = labels(name).saturating_sub(count);
    (0..surplus).fold(name, |name, _| {
        name.split_once('.').map_or(name, |(_, parent)| parent)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(patterns: &[&str]) -> Result<Scope, ScopeError> {
        let patterns: Vec<_> = patterns
            .iter()
            .map(|text| HostPattern::parse(text).unwrap())
            .collect();
        Scope::new(&patterns)
    }

    fn covers(scope: &Scope, host: &str) -> bool {
        scope.covers(&host.parse().unwrap())
    }

    #[test]
    fn covers_the_named_hosts_and_what_lies_below_and_nothing_else() {
        let scope = scope(&["api.example.com", "*.example.org", "192.0.2.1"]).unwrap();
        for host in ["api.example.com", "x.y.example.org", "192.0.2.1"] {
            assert!(covers(&scope, host), "{host}");
        }
        for host in [
            "example.com",
            "xapi.example.com",
            "192.0.2.2",
            "[2001:db8::1]",
        ] {
            assert!(!covers(&scope, host), "{host}");
        }
    }

    #[test]
    fn everything_is_every_host_and_no_constraint() {
        let scope = Scope::everything();
        for host in ["api.example.com", "192.0.2.1", "[2001:db8::1]"] {
            assert!(covers(&scope, host), "{host}");
        }
        assert!(scope.constraints().is_none());
    }

    #[test]
    fn without_a_host_there_is_no_scope() {
        assert_eq!(scope(&[]), Err(ScopeError::Empty));
    }

    #[test]
    fn many_names_are_merged_into_their_parents_and_stay_covered() {
        let names: Vec<String> = (0..1000)
            .map(|i| format!("h{i}.deep.d{}.example", i % 7))
            .collect();
        let refs: Vec<&str> = names.iter().map(String::as_str).collect();
        let scope = scope(&refs).unwrap();
        assert!(scope.names.len() <= SUBTREES_MAX);
        assert!(names.iter().all(|name| covers(&scope, name)));
        assert!(!covers(&scope, "elsewhere.example"));
    }

    #[test]
    fn addresses_can_not_be_merged_so_too_many_are_refused() {
        let names: Vec<String> = (0..=SUBTREES_MAX).map(|i| format!("192.0.2.{i}")).collect();
        let refs: Vec<&str> = names.iter().map(String::as_str).collect();
        assert!(matches!(
            scope(&refs),
            Err(ScopeError::TooMany { found: 129 })
        ));
        assert!(scope(&refs[1..]).is_ok());
    }
}
