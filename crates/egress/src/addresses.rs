//! Which synthetic address stands for which name in one jail, so that a connection to an address can be
//! judged by the name that it was made for.
//!
//! The block is 198.18.0.0/15 (RFC 2544): it is never routed on the internet, no host of a user's network
//! should be in it, the proxy never dials it (`policy::forbidden`), and no rule opens an address in it
//! unless it says where to connect instead. `240.0.0.0/4` is not usable: cells refuse it, and so do some
//! programs. Addresses that end in 0 or 255 are left out; some programs take them for broadcasts.
//!
//! An address follows from its name, not from the order in which names were asked for. So a name that was
//! forgotten comes back under its old address, also in a new office, and an address that a program has
//! kept hardly ever means another name.
//!
//! Not for: deciding which names get one (`dns`), nor for the real addresses (`dial`).

use std::collections::{BTreeMap, HashMap};
use std::net::Ipv4Addr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use policy::{DomainName, EgressPolicy, Host, HostPattern};

/// Names that one session can have addresses for at once; then the one used longest ago is forgotten.
///
/// Builds ask for some hundred. About 1 MiB, and a fill of the block of 3 %, so that a free address is
/// found at once.
pub const NAMES_MAX: usize = 4096;

/// Ports on which every client says the name that it wants.
const NAMING_PORTS: [u16; 2] = [80, 443];

const BLOCK: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 0);
/// Addresses in it: a prefix of 15 bits.
const SIZE: u32 = 1 << 17;

/// One session's names and their addresses.
#[derive(Debug, Default)]
pub struct Addresses {
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    by_name: HashMap<DomainName, Ipv4Addr>,
    by_address: HashMap<Ipv4Addr, Entry>,
    /// Addresses by their last use, the oldest first.
    by_use: BTreeMap<u64, Ipv4Addr>,
    /// Counts uses.
    clock: u64,
}

#[derive(Debug)]
struct Entry {
    name: DomainName,
    used: u64,
}

impl Addresses {
    /// A table that knows the addresses of names on which connections depend: those that rules spell out
    /// with ports beyond 80 and 443, where neither `Host` nor a handshake need say a name. A jail that
    /// outlives an office connects on without asking anew.
    #[must_use]
    pub fn of(policy: &EgressPolicy) -> Self {
        let addresses = Self::default();
        addresses.learn(policy);
        addresses
    }

    /// Learns those of a newer policy, too.
    pub(crate) fn learn(&self, policy: &EgressPolicy) {
        let names = policy.allow().iter().filter_map(|rule| {
            let HostPattern::Exact(Host::Name(name)) = rule.host() else {
                return None;
            };
            let mut ports = rule.ports()?.into_iter();
            ports
                .any(|port| !NAMING_PORTS.contains(&port))
                .then_some(name)
        });
        for name in names.take(NAMES_MAX) {
            self.assign(name);
        }
    }

    /// The address of a name, the same one for as long as the name is remembered. A new name may take
    /// the place of the one that was used longest ago.
    pub fn assign(&self, name: &DomainName) -> Ipv4Addr {
        let mut table = self.table();
        if let Some(address) = table.by_name.get(name).copied() {
            table.touch(address);
            return address;
        }
        if table.by_name.len() >= NAMES_MAX {
            table.forget_oldest();
        }
        table.enter(name)
    }

    /// The name that an address stands for; `None` for an address that was not given out, or of a name
    /// that is forgotten. What is looked up counts as used.
    pub fn lookup(&self, address: Ipv4Addr) -> Option<DomainName> {
        let mut table = self.table();
        let name = table.by_address.get(&address)?.name.clone();
        table.touch(address);
        Some(name)
    }

    /// True for every address that may stand for a name, given out or not.
    #[must_use]
    pub fn is_synthetic(address: Ipv4Addr) -> bool {
        address.to_bits() & !(SIZE - 1) == BLOCK.to_bits()
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // A panic between two changes of it is a defect; a name without an address is no danger.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn enter(&mut self, name: &DomainName) -> Ipv4Addr {
        let address = self.free_address(name);
        let entry = Entry {
            name: name.clone(),
            used: 0,
        };
        self.by_name.insert(name.clone(), address);
        self.by_address.insert(address, entry);
        self.touch(address);
        address
    }

    /// The name's own address, or the next one that is free: at most [`NAMES_MAX`] are not.
    fn free_address(&self, name: &DomainName) -> Ipv4Addr {
        let mut offset = digest(name.as_str());
        loop {
            let address = Ipv4Addr::from_bits(BLOCK.to_bits() | (offset & (SIZE - 1)));
            if is_plain(address) && !self.by_address.contains_key(&address) {
                return address;
            }
            offset = offset.wrapping_add(1);
        }
    }

    fn touch(&mut self, address: Ipv4Addr) {
        let Some(entry) = self.by_address.get_mut(&address) else {
            return;
        };
        self.clock += 1;
        self.by_use.remove(&entry.used);
        entry.used = self.clock;
        self.by_use.insert(self.clock, address);
    }

    fn forget_oldest(&mut self) {
        if let Some((_used, address)) = self.by_use.pop_first()
            && let Some(entry) = self.by_address.remove(&address)
        {
            self.by_name.remove(&entry.name);
        }
    }
}

const fn is_plain(address: Ipv4Addr) -> bool {
    !matches!(address.octets(), [.., 0 | 255])
}

/// FNV-1a of 32 bits, folded. It need not resist an adversary: a jail that finds names which fall
/// together makes its own next look-up some microseconds slower.
fn digest(name: &str) -> u32 {
    let whole = name.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    whole ^ (whole >> 17)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> DomainName {
        DomainName::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_name_keeps_its_address_and_the_address_leads_back() {
        let addresses = Addresses::default();
        let [a, b] = ["a.test", "b.test"].map(|text| addresses.assign(&name(text)));
        assert_ne!(a, b);
        assert_eq!(addresses.assign(&name("A.test.")), a);
        assert_eq!(addresses.lookup(a), Some(name("a.test")));
        assert_eq!(addresses.lookup(b), Some(name("b.test")));
        assert_eq!(addresses.lookup(Ipv4Addr::new(198, 18, 0, 0)), None);
        // Another session, another office: the same name has the same address.
        assert_eq!(Addresses::default().assign(&name("b.test")), b);
    }

    #[test]
    fn every_address_is_in_the_block_that_is_never_dialled_and_none_is_given_twice() {
        let addresses = Addresses::default();
        let mut seen = std::collections::HashSet::new();
        for number in 0..NAMES_MAX {
            let address = addresses.assign(&name(&format!("n{number}.test")));
            assert!(Addresses::is_synthetic(address), "{address}");
            assert!(policy::forbidden(address.into()).is_some(), "{address}");
            assert!(is_plain(address), "{address}");
            assert!(seen.insert(address), "{address}");
        }
        for outside in [[198, 17, 255, 255], [198, 20, 0, 0], [10, 77, 0, 1]] {
            assert!(!Addresses::is_synthetic(outside.into()), "{outside:?}");
        }
        assert!(Addresses::is_synthetic(Ipv4Addr::new(198, 19, 255, 255)));
    }

    #[test]
    fn forgets_what_was_used_longest_ago_and_finds_the_same_address_again() {
        let addresses = Addresses::default();
        let [kept, lost] = ["kept.test", "lost.test"].map(|text| addresses.assign(&name(text)));
        for number in 0..NAMES_MAX - 1 {
            assert!(addresses.lookup(kept).is_some());
            addresses.assign(&name(&format!("n{number}.test")));
        }
        assert_eq!(addresses.lookup(lost), None);
        assert_eq!(addresses.lookup(kept), Some(name("kept.test")));
        assert_eq!(addresses.table().by_name.len(), NAMES_MAX);
        assert_eq!(addresses.table().by_use.len(), NAMES_MAX);
        assert_eq!(addresses.assign(&name("lost.test")), lost);
    }

    #[test]
    fn a_new_table_knows_the_names_that_connections_depend_on() {
        let mut rules = policy::EgressRules::default();
        let allow = [
            "db.test:5432",
            "web.test",
            "plain.test:80",
            "*.wild.test:22",
            "1.1.1.1:22",
        ];
        for (index, text) in (0..).zip(allow) {
            rules.push(policy::Rule::from_cli_allow(text, index).unwrap());
        }
        let policy = EgressPolicy::new(1, rules).unwrap();
        let addresses = Addresses::of(&policy);
        assert_eq!(addresses.table().by_name.len(), 1);
        let address = Addresses::default().assign(&name("db.test"));
        assert_eq!(addresses.lookup(address), Some(name("db.test")));
    }

    #[test]
    fn names_that_fall_together_get_addresses_of_their_own() {
        let addresses = Addresses::default();
        let first = addresses.assign(&name("n0.test"));
        let twin = (1..)
            .map(|number| format!("n{number}.test"))
            .find(|text| digest(text) % SIZE == digest("n0.test") % SIZE);
        let twin = name(&twin.unwrap());
        let second = addresses.assign(&twin);
        assert_ne!(first, second);
        assert_eq!(addresses.lookup(second), Some(twin));
    }
}
