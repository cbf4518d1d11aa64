//! A way for the peers' clients like that of ours: from another network namespace across a veth.
//!
//! Not for: jails, which have their own.

use std::net::Ipv4Addr;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use super::Absence;
use crate::error::Error;
use crate::test::is_root;

/// The host's end and the other one (RFC 5737: no network has these addresses).
const HERE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 253);
const THERE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 254);

/// The namespace and the wire to it. Both are gone when this value is dropped.
#[derive(Debug)]
pub(super) struct Road {
    name: String,
    wire: String,
}

/// How many there were; the kernel takes its time to forget a namespace.
static LAID: AtomicU32 = AtomicU32::new(0);

impl Road {
    /// Lays it; root alone may.
    pub(super) fn lay() -> Result<Self, Absence> {
        if !is_root() {
            return Err(Error::Unmet("a veth needs root".to_owned()).into());
        }
        let number = LAID.fetch_add(1, Ordering::Relaxed);
        let road = Self {
            name: format!("sheriff-bench-{}-{number}", std::process::id()),
            wire: format!("sb{}n{number}", std::process::id()),
        };
        let Self { name, wire } = &road;
        ip(&format!("netns add {name}"))?;
        for line in [
            format!("link add {wire} type veth peer name eth0 netns {name}"),
            format!("address add {HERE}/30 dev {wire}"),
            format!("link set {wire} up"),
            format!("-n {name} address add {THERE}/30 dev eth0"),
            format!("-n {name} link set eth0 up"),
            format!("-n {name} link set lo up"),
        ] {
            ip(&line)?;
        }
        Ok(road)
    }

    /// Where servers on the host are reached from the other end.
    pub(super) const fn here(&self) -> Ipv4Addr {
        HERE
    }

    /// A command at the other end; the program is still to be added.
    pub(super) fn at_the_other_end(&self) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]);
        command
    }
}

impl Drop for Road {
    fn drop(&mut self) {
        // What stays after a failure is a name that hurts nobody. A wire that goes with its namespace goes
        // late, and keeps its address until then.
        drop(ip(&format!("link delete {}", self.wire)));
        drop(ip(&format!("netns delete {}", self.name)));
    }
}

fn ip(line: &str) -> Result<(), Error> {
    let mut command = Command::new("ip");
    command.args(line.split(' ')).stdin(Stdio::null());
    let status = command.status().map_err(|source| Error::Start {
        program: "ip".to_owned(),
        source,
    })?;
    if status.success() {
        return Ok(());
    }
    let command = format!("ip {line}");
    Err(Error::Failed { command, status })
}
