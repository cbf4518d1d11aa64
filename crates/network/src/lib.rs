//! The network of the jails: a hub in which the proxy listens, and one cell per jail that leads there
//! and nowhere else.
//!
//! Not for: what the proxy does with a connection (`egress`), nor for putting processes into a cell
//! (`jail` receives the cell's namespace as a descriptor).
//!
//! # Shape
//!
//! The [`Hub`] is a network namespace of its own. Each [`Cell`] is another one, joined to the hub by a
//! veth pair: `eth0` in the cell, `j<slot>` in the hub. In the hub every IPv4 address is local
//! ("any IP"), so whatever address a jail calls, its packets end at the hub's sockets on that port;
//! `getsockname` (TCP) and `IP_PKTINFO` (UDP) tell which address was meant. The sockets are bound to
//! the cell's interface: **the listener is the identity of the jail.** A port without a listener
//! refuses at once. Nothing forwards, nothing is translated, no firewall is involved.
//!
//! | attempt of a jail | what stops it |
//! | --- | --- |
//! | reach another jail | the rule for the jails' routes holds for traffic that starts in the hub only; for arriving packets every address is the hub's own |
//! | pass for another jail | strict reverse-path filter, and sockets bound to the interface's index, which is never given out twice |
//! | reach a service of the host | neither hub nor cell contains one |
//! | crowd out the host's neighbour table, which all namespaces share | permanent entries on both ends, which the kernel does not count; no multicast; what a jail can still force (`SO_DONTROUTE`) is evicted first, as `IFF_NOARP` interfaces resolve nothing, so the table never becomes full for others |
//! | IPv6 | switched off in hub and cells |
//!
//! # No clash of addresses
//!
//! The jails' addresses (`10.77.0.2` and up, gateway `10.77.0.1`) exist in namespaces of ours only.
//! No interface, address, route or rule is added to the host's namespace, so a host network, VPN or
//! container bridge with the same addresses neither notices nor matters.
//!
//! # Nothing to clean up
//!
//! Namespaces have no names and veths no owner but their namespaces. When the last descriptor and
//! process are gone, also by a crash, the kernel removes everything.
#![forbid(unsafe_code)]

mod cell;
mod conversation;
mod error;
mod hub;
mod listeners;
mod pool;
mod request;
mod slot;
mod sysctl;

pub use cell::{Cell, Counters};
pub use error::NetworkError;
pub use hub::Hub;
pub use listeners::{BACKLOG, EXTRA_PORTS_MAX, Listeners, Service};
pub use pool::Pool;
pub use slot::{GATEWAY, SLOTS, Slot};
