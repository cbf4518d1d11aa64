//! A jail's place in the hub: the small number from which its address, names and MACs follow.
//!
//! Not for: who has which slot (`hub`).

use std::fmt;
use std::net::Ipv4Addr;

/// How many jails can have a place at once. More than a host can run, and their addresses fill only a
/// quarter of `10.77.0.0/16`.
pub const SLOTS: u16 = 1 << 14;

/// Address at the hub's end of every veth: what a jail's default route points to.
pub const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);

/// Distance of slot 0's address from the gateway's.
const FIRST: u32 = 1;

/// First three bytes of our MACs: bit 1 of the first marks them as locally administered (IEEE 802).
const MAC_PREFIX: [u8; 3] = [0x02, 0x73, 0x68];

/// A number below [`SLOTS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot(u16);

impl Slot {
    /// The first slot.
    pub(crate) const FIRST: Self = Self(0);

    /// The slot after this one; after the last comes the first.
    pub(crate) const fn next(self) -> Self {
        Self((self.0 + 1) % SLOTS)
    }

    /// The slot's number.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0
    }

    /// The jail's own address.
    #[must_use]
    pub fn address(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(GATEWAY.to_bits() + FIRST + u32::from(self.0))
    }

    /// Hardware address of the hub's end.
    pub(crate) const fn hub_mac(self) -> [u8; 6] {
        self.mac(1)
    }

    /// Hardware address of the jail's end.
    pub(crate) const fn jail_mac(self) -> [u8; 6] {
        self.mac(2)
    }

    const fn mac(self, end: u8) -> [u8; 6] {
        let [a, b, c] = MAC_PREFIX;
        let [high, low] = self.0.to_be_bytes();
        [a, b, c, end, high, low]
    }
}

/// The name of the hub's interface: `j` and the number, well below the kernel's 15 bytes.
impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "j{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn all() -> impl Iterator<Item = Slot> {
        (0..SLOTS).map(Slot)
    }

    #[test]
    fn no_two_slots_share_an_address_or_a_mac_and_none_has_the_gateways() {
        let addresses: HashSet<_> = all().map(Slot::address).collect();
        let macs: HashSet<_> = all().flat_map(|s| [s.hub_mac(), s.jail_mac()]).collect();
        assert_eq!(addresses.len(), usize::from(SLOTS));
        assert_eq!(macs.len(), 2 * usize::from(SLOTS));
        assert!(!addresses.contains(&GATEWAY));
    }

    #[test]
    fn every_address_stays_in_our_block() {
        assert_eq!(Slot::FIRST.address(), Ipv4Addr::new(10, 77, 0, 2));
        assert!(all().all(|slot| slot.address().octets().starts_with(&[10, 77])));
    }

    #[test]
    fn the_slot_after_the_last_is_the_first() {
        assert_eq!(Slot(SLOTS - 1).next(), Slot::FIRST);
        assert_eq!(Slot::FIRST.next(), Slot(1));
    }
}
