//! Hostile programs in a jail: each probe is refused inside and works where it is allowed.
//!
//! Not for: which layer stops what (`layers`), nor deaths (`crash`).

mod destinations;
mod detours;
mod files;
mod framing;
mod gateway;
mod limits;
mod namespaces;
mod planting;
mod probe;
mod processes;
mod rebinding;
mod resolvers;
mod seccomp;
mod setup;
mod sockets;
mod syscalls;
mod tunnels;
