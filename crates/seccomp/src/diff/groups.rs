//! What two profiles let others switch on.
//!
//! Not for: groups that are on; their rules decide like any other.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::arch::Arch;
use crate::profile::{Allowance, Guard, Profile};

/// An optional group that is off, and is not the same in both profiles.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GroupChange {
    /// Its name.
    pub group: String,
    /// Calls that only the first profile's group would allow, ascending.
    pub left: Vec<&'static str>,
    /// Calls that only the second profile's would.
    pub right: Vec<&'static str>,
    /// Calls that both would allow, but not for the same arguments, on the same architectures or
    /// with the same entries in the kernel's log.
    pub otherwise: Vec<&'static str>,
}

/// How a group would allow a call.
type Terms<'a> = (&'a [Arch], Option<&'a Guard>, bool);

/// The calls of a profile's groups.
type Offers<'a> = BTreeMap<&'a str, BTreeMap<&'static str, Terms<'a>>>;

/// The groups that differ, by name.
pub(super) fn compare(left: &Profile, right: &Profile) -> Vec<GroupChange> {
    let (left, right) = (offers(left), offers(right));
    let names: BTreeSet<&str> = left.keys().chain(right.keys()).copied().collect();
    let changes = names.into_iter().map(|group| {
        let none = BTreeMap::new();
        let one = left.get(group).unwrap_or(&none);
        let other = right.get(group).unwrap_or(&none);
        let both = one.keys().filter(|call| other.contains_key(*call));
        GroupChange {
            group: group.to_owned(),
            left: missing(one, other),
            right: missing(other, one),
            otherwise: both
                .filter(|call| one.get(*call) != other.get(*call))
                .copied()
                .collect(),
        }
    });
    changes.filter(GroupChange::is_some).collect()
}

impl GroupChange {
    const fn is_some(&self) -> bool {
        !self.left.is_empty() || !self.right.is_empty() || !self.otherwise.is_empty()
    }
}

fn missing(
    from: &BTreeMap<&'static str, Terms<'_>>,
    other: &BTreeMap<&'static str, Terms<'_>>,
) -> Vec<&'static str> {
    let only = from.keys().filter(|call| !other.contains_key(*call));
    only.copied().collect()
}

fn offers(profile: &Profile) -> Offers<'_> {
    let mut offers = Offers::new();
    for rule in profile.optional() {
        let calls = offers.entry(rule.group().unwrap_or_default()).or_default();
        calls.extend(rule.calls().iter().map(|call| (call.name, terms(rule))));
    }
    offers
}

fn terms(rule: &Allowance) -> Terms<'_> {
    (rule.arches(), rule.guard(), rule.is_logged())
}
