//! The namespace in which the proxy's sockets live, and the making of cells that lead to it.
//!
//! Not for: keeping cells ready (`pool`).

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use sys::Errno;
use sys::netns::Visit;

use crate::cell::{Cell, inside, outside};
use crate::conversation::Conversation;
use crate::error::{NetworkError, Step};
use crate::listeners::Listeners;
use crate::request::{
    LOOPBACK, TABLE_JAILS, TABLE_LOCAL, drop_first_rule, everything_is_local, rule, up, veth,
};
use crate::slot::{SLOTS, Slot};
use crate::sysctl;

/// Where the rules for the jails' routes and for the local table stand; the kernel's own first rule
/// (0) goes, its last two (32766, 32767) are never reached.
const RULE_JAILS: u32 = 10;
const RULE_LOCAL: u32 = 20;

/// First interface index for a veth; the kernel's own numbering in a fresh namespace stays below.
const INDEX_FIRST: u32 = 100;

/// Last interface index: the kernel keeps it in an `int`.
const INDEX_LAST: u32 = i32::MAX.cast_unsigned();

/// The hub. It has no name on the system and disappears with its last descriptor.
#[derive(Debug)]
pub struct Hub {
    namespace: OwnedFd,
    kernel: Conversation,
    next_slot: Slot,
    next_index: u32,
}

impl Hub {
    /// Makes the hub. The calling thread is back in its own namespace when this returns; if it can't
    /// get back, the process aborts.
    ///
    /// # Errors
    /// The step that failed, with a remedy: for example `EPERM` without root, `EROFS` where
    /// `/proc/sys` is read-only.
    pub fn create() -> Result<Self, NetworkError> {
        let (_visit, namespace) = Visit::create().step("create the hub's network namespace")?;
        let kernel = Conversation::open()?;
        sysctl::apply_hub()?;
        kernel.apply(
            &"hub",
            &[
                up(LOOPBACK),
                everything_is_local(),
                rule(RULE_JAILS, TABLE_JAILS, true),
                rule(RULE_LOCAL, TABLE_LOCAL, false),
                drop_first_rule(),
            ],
        )?;
        Ok(Self {
            namespace,
            kernel,
            next_slot: Slot::FIRST,
            next_index: INDEX_FIRST,
        })
    }

    /// Makes a cell with its veth, addresses, routes and listeners.
    ///
    /// # Errors
    /// The step that failed; what was made until then disappears by itself. `ENOSPC` when every slot
    /// is taken by a cell that still exists.
    pub fn make_cell(&mut self) -> Result<Cell, NetworkError> {
        let (mut visit, netns) = Visit::create().step("create a cell's network namespace")?;
        let kernel = Conversation::open()?;
        sysctl::apply_cell()?;
        let (slot, index) = self.join(netns.as_fd())?;
        kernel.apply(&slot, &inside(slot))?;
        self.kernel.wait_for_wire(&slot)?;
        self.kernel.apply(&slot, &outside(slot, index))?;
        visit
            .move_on(self.namespace.as_fd())
            .step("enter the hub")?;
        Ok(Cell {
            slot,
            index,
            netns,
            listeners: Listeners::open(index)?,
        })
    }

    /// Opens further TCP ports of a cell, which a policy names.
    ///
    /// # Errors
    /// `EINVAL` for port 0 and for more than [`crate::EXTRA_PORTS_MAX`], and the socket calls'.
    pub fn open_ports(&self, cell: &mut Cell, ports: &[u16]) -> Result<(), NetworkError> {
        if ports.is_empty() {
            return Ok(());
        }
        let _visit = self.enter()?;
        cell.listeners.open_extra(cell.index, ports)
    }

    /// The hub's namespace, for whoever must look into it (`doctor`, tests).
    #[must_use]
    pub fn netns(&self) -> BorrowedFd<'_> {
        self.namespace.as_fd()
    }

    pub(crate) const fn kernel(&self) -> &Conversation {
        &self.kernel
    }

    fn enter(&self) -> Result<Visit, NetworkError> {
        Visit::enter(self.namespace.as_fd()).step("enter the hub")
    }

    /// Makes the veth pair in the next free slot. A slot is free when the hub has no interface of
    /// its name any more, which only the kernel knows: it refuses with `EEXIST`.
    fn join(&mut self, cell: BorrowedFd<'_>) -> Result<(Slot, u32), NetworkError> {
        for _ in 0..SLOTS {
            let slot = self.next_slot;
            self.next_slot = slot.next();
            let index = self.take_index()?;
            match self.kernel.apply(&slot, &[veth(slot, index, cell)]) {
                Err(error) if error.errno == Errno::EEXIST => (),
                outcome => return outcome.map(|()| (slot, index)),
            }
        }
        Err(full("all slots"))
    }

    /// An interface index that this hub never used. Sockets are bound to indices, so a forgotten
    /// socket of an old jail must never match the interface of a new one.
    fn take_index(&mut self) -> Result<u32, NetworkError> {
        let index = self.next_index;
        if index > INDEX_LAST {
            return Err(full("all interface indices"));
        }
        self.next_index = index + 1;
        Ok(index)
    }
}

fn full(object: &str) -> NetworkError {
    NetworkError::new("find a slot for a cell", object, Errno::ENOSPC)
}

#[cfg(test)]
mod tests {
    use std::fs::read_to_string;
    use std::net::{TcpListener, TcpStream};
    use std::time::{Duration, Instant};

    use super::*;

    fn is_root() -> bool {
        let root = nix::unistd::geteuid().is_root();
        if !root {
            eprintln!("skipped: needs root");
        }
        root
    }

    fn wait_until_gone(hub: &Hub, name: &str) {
        let begun = Instant::now();
        let _visit = hub.enter().unwrap();
        while read_to_string("/proc/thread-self/net/dev")
            .unwrap()
            .contains(name)
        {
            assert!(begun.elapsed() < Duration::from_secs(10), "{name} stays");
            std::thread::yield_now();
        }
    }

    #[test]
    fn the_slot_of_a_living_cell_is_not_given_out_again() {
        if !is_root() {
            return;
        }
        let mut hub = Hub::create().unwrap();
        let first = hub.make_cell().unwrap();
        hub.next_slot = Slot::FIRST;
        let second = hub.make_cell().unwrap();
        assert_eq!(first.slot(), Slot::FIRST);
        assert_eq!(second.slot(), Slot::FIRST.next());

        drop(first);
        wait_until_gone(&hub, "j0:");
        hub.next_slot = Slot::FIRST;
        assert_eq!(hub.make_cell().unwrap().slot(), Slot::FIRST);
    }

    #[test]
    fn a_forgotten_listener_of_a_dead_cell_does_not_hear_the_next_one_in_its_slot() {
        if !is_root() {
            return;
        }
        let mut hub = Hub::create().unwrap();
        let dead = hub.make_cell().unwrap();
        let forgotten = TcpListener::from(dead.listeners.http.try_clone().unwrap());
        drop(dead);
        wait_until_gone(&hub, "j0:");

        hub.next_slot = Slot::FIRST;
        let cell = hub.make_cell().unwrap();
        assert_eq!(cell.slot(), Slot::FIRST);
        let visit = Visit::enter(cell.netns()).unwrap();
        let _call = TcpStream::connect("1.2.3.4:80").expect("the new listener answers");
        drop(visit);
        assert!(forgotten.accept().is_err());
        let own = TcpListener::from(cell.listeners.http);
        own.set_nonblocking(false).unwrap();
        own.accept().expect("the new listener heard it");
    }
}
