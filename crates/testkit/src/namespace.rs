//! Sockets in the network namespace of another process, for servers that a test puts beside a daemon.
//!
//! Not for: making namespaces; a test starts `unshare` for that.

use std::fs::File;
use std::os::fd::AsFd;
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Runs `work` on a thread of its own that is in the network namespace of process `pid`. A socket that
/// it makes stays in there, whoever uses it later.
pub fn inside<T: Send>(pid: u32, work: impl FnOnce() -> T + Send) -> T {
    let namespace = File::open(format!("/proc/{pid}/ns/net")).unwrap();
    let entered = || {
        move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
        work()
    };
    thread::scope(|scope| scope.spawn(entered).join().unwrap())
}
