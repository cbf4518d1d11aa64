//! The kernel settings of a network namespace, written while the thread is inside it.
//!
//! Not for: settings of the host; `/proc/sys/net` shows the namespace of whoever looks.

use std::fs::OpenOptions;
use std::io::{self, Write};

use sys::Errno;

use crate::error::NetworkError;

const ROOT: &str = "/proc/sys/net/";

/// Settings under `ipv6/`; a kernel that runs without IPv6 has no such files and needs none.
const NO_IPV6: &[(&str, &str)] = &[
    ("ipv6/conf/all/disable_ipv6", "1"),
    ("ipv6/conf/default/disable_ipv6", "1"),
];

/// What is written for both `all` and `default` in the hub. A new namespace copies these from the
/// host, and later interfaces copy `default`, so nothing is left to what the host happens to have.
const HUB_INTERFACES: &[(&str, &str)] = &[
    // RFC 3704 strict: a source must be reached over the interface that it came from.
    ("rp_filter", "1"),
    ("src_valid_mark", "0"),
    // A source that is our own, which here is every address but the jails', is refused.
    ("accept_local", "0"),
    // 127/8 never comes over a wire.
    ("route_localnet", "0"),
    // RFC 1812 redirects and RFC 791 source routes: neither told nor believed.
    ("send_redirects", "0"),
    ("accept_redirects", "0"),
    ("secure_redirects", "0"),
    ("accept_source_route", "0"),
    ("proxy_arp", "0"),
    // Neighbours are permanent entries: no ARP request is answered, none believed.
    ("arp_ignore", "8"),
    ("arp_announce", "2"),
    ("arp_accept", "0"),
    // A jail that forges sources must not be able to fill the host's kernel log.
    ("log_martians", "0"),
];

/// The hub's settings that are not per interface. `ip_forward` resets others, so it comes first.
const HUB_BEFORE: &[(&str, &str)] = &[("ipv4/ip_forward", "0")];
const HUB_AFTER: &[(&str, &str)] = &[
    ("ipv4/icmp_echo_ignore_all", "1"),
    ("ipv4/icmp_echo_ignore_broadcasts", "1"),
    // The limit of ICMP errors is shared by all jails (by older kernels with the host as well). A
    // refused datagram answers its own sender only, so it needs none, and each one is refused at once.
    ("ipv4/icmp_ratemask", "0"),
];

/// A cell's settings. Ping sockets (icmp(7)) are for nobody: the group range is empty.
const CELL: &[(&str, &str)] = &[("ipv4/ip_forward", "0"), ("ipv4/ping_group_range", "1 0")];

/// Applies the hub's settings to the calling thread's namespace.
pub(crate) fn apply_hub() -> Result<(), NetworkError> {
    disable_ipv6()?;
    write_all(HUB_BEFORE)?;
    for scope in ["all", "default"] {
        for (name, value) in HUB_INTERFACES {
            write(&format!("ipv4/conf/{scope}/{name}"), value)?;
        }
    }
    write_all(HUB_AFTER)
}

/// Applies a cell's settings to the calling thread's namespace.
pub(crate) fn apply_cell() -> Result<(), NetworkError> {
    disable_ipv6()?;
    write_all(CELL)
}

fn disable_ipv6() -> Result<(), NetworkError> {
    for (name, value) in NO_IPV6 {
        match write(name, value) {
            Err(error) if error.errno == Errno::ENOENT => (),
            outcome => outcome?,
        }
    }
    Ok(())
}

fn write_all(settings: &[(&str, &str)]) -> Result<(), NetworkError> {
    settings
        .iter()
        .try_for_each(|(name, value)| write(name, value))
}

fn write(name: &str, value: &str) -> Result<(), NetworkError> {
    write_file(&format!("{ROOT}{name}"), value).map_err(|error| {
        let errno = error.raw_os_error().map_or(Errno::EIO, Errno::from_raw);
        NetworkError::new("write a kernel setting", format!("{name}={value}"), errno)
    })
}

fn write_file(path: &str, value: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).open(path)?;
    file.write_all(value.as_bytes())
}
