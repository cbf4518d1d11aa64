//! A jail's own network namespace, joined to the hub.
//!
//! Not for: making one (`hub`), nor for giving one to a second jail: `TIME_WAIT` sockets and abstract
//! Unix names of the first would be waiting there.

use std::net::Ipv4Addr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use netlink_packet_route::link::Stats64;

use crate::error::NetworkError;
use crate::hub::Hub;
use crate::listeners::Listeners;
use crate::request::{
    self, JAIL_INDEX, LOOPBACK, Request, TABLE_JAILS, TABLE_MAIN, default_route, direct_route,
    neighbour, no_multicast, up,
};
use crate::slot::{GATEWAY, Slot};

/// One jail's network, for one jail.
///
/// Dropping it closes this process's hold on the namespace and the listeners. When the jail's
/// processes are gone too, the kernel removes the namespace and the veth in the background, many at
/// once; deleting the veth by request would cost tens of milliseconds each.
#[derive(Debug)]
pub struct Cell {
    pub(crate) slot: Slot,
    /// The hub's interface; a number that no other cell of that hub ever gets.
    pub(crate) index: u32,
    pub(crate) netns: OwnedFd,
    pub(crate) listeners: Listeners,
}

/// What the kernel counted at the hub's end of a cell's veth, in whole frames.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Frame bytes that left the jail.
    pub bytes_up: u64,
    /// Frame bytes that entered the jail.
    pub bytes_down: u64,
    /// Frames that left the jail; one may carry up to 64 KiB.
    pub packets_up: u64,
    /// Frames that entered the jail.
    pub packets_down: u64,
}

impl Cell {
    /// The namespace that the jail's processes enter. They must hold no capability over it.
    #[must_use]
    pub fn netns(&self) -> BorrowedFd<'_> {
        self.netns.as_fd()
    }

    /// The jail's address, the only source address that the hub accepts from it.
    #[must_use]
    pub fn address(&self) -> Ipv4Addr {
        self.slot.address()
    }

    /// The cell's place in its hub.
    #[must_use]
    pub const fn slot(&self) -> Slot {
        self.slot
    }

    /// The sockets that the office gets duplicates of, again after each of its restarts.
    #[must_use]
    pub const fn listeners(&self) -> &Listeners {
        &self.listeners
    }

    /// What went over the veth so far. Must be asked of the hub that made the cell, and before the
    /// cell is dropped.
    ///
    /// # Errors
    /// Those of the netlink request.
    pub fn counters(&self, hub: &Hub) -> Result<Counters, NetworkError> {
        let request = request::statistics(self.index);
        let found = hub.kernel().statistics(&self.slot, &request)?;
        Ok(Counters::from(&found))
    }
}

impl From<&Stats64> for Counters {
    /// What the hub's end received is what the jail sent.
    fn from(hub: &Stats64) -> Self {
        Self {
            bytes_up: hub.rx_bytes,
            bytes_down: hub.tx_bytes,
            packets_up: hub.rx_packets,
            packets_down: hub.tx_packets,
        }
    }
}

/// What makes the jail's end usable, said inside the cell. Loopback gets 127.0.0.1 from the kernel.
pub(crate) fn inside(slot: Slot) -> [Request; 7] {
    [
        up(LOOPBACK),
        request::address(JAIL_INDEX, slot.address()),
        up(JAIL_INDEX),
        neighbour(JAIL_INDEX, GATEWAY, slot.hub_mac()),
        direct_route(TABLE_MAIN, GATEWAY, JAIL_INDEX),
        default_route(GATEWAY, JAIL_INDEX),
        no_multicast(),
    ]
}

/// What makes the hub's end usable, said in the hub.
pub(crate) fn outside(slot: Slot, index: u32) -> [Request; 2] {
    [
        neighbour(index, slot.address(), slot.jail_mac()),
        direct_route(TABLE_JAILS, slot.address(), index),
    ]
}
