//! A session's account, bounded so that it fits the one message that carries it.
//!
//! Not for: the account's form (`api`), nor for when it is made (`ending`).

use api::Report;
use api::report::{DENIALS_MAX, Denial};
use model::{EgressEvent, HostUsage, KernelUsage, Usage};
use warrant::{Counters, Ended};

use crate::{Session, recording};

/// Most bytes of JSON for the table of hosts. A message of the attach socket holds 192 KiB, and the
/// names in the table are the jail's own choice.
const HOST_BYTES_MAX: usize = 64 * 1024;
/// JSON of a host's counters beside its name: five numbers of at most 20 digits with their keys.
const HOST_ENTRY_BYTES: usize = 200;
/// Where the counters of hosts beyond the bound go, as the meter itself has it.
const OTHER: &str = "other";
/// Longest host in a list of denials; names have at most 253 characters, other text is escaped.
const DENIED_HOST_CHARS_MAX: usize = 256;

/// The whole account; `None` for a session that never had a jail.
pub(crate) fn of(session: &Session, ended: &Ended, duration_ms: u64) -> Option<Report> {
    let prepared = session.prepared()?;
    let denials = session.egress().denials();
    Some(Report {
        session: session.id().clone(),
        profile: session.facts().profile.clone(),
        exit: ended.record,
        duration_ms,
        layers: prepared.layers.clone(),
        egress: bounded(session.usage()),
        kernel: kernel(session.kernel(), &ended.counters),
        limits: prepared.limits.clone(),
        memory_peak: ended.counters.memory_peak,
        cpu_us: ended.counters.cpu_us,
        syscalls_denied: session.syscall_denials().count(),
        denials: denials.iter().take(DENIALS_MAX).map(denial).collect(),
        policy_generation: session.generation(),
        recorded: ended
            .recorded
            .as_ref()
            .map(|it| recording::named(session, it)),
    })
}

/// The sockets' account with the frames' beside it.
pub(crate) const fn kernel(sockets: KernelUsage, frames: &Counters) -> KernelUsage {
    KernelUsage {
        bytes_up: frames.bytes_up,
        bytes_down: frames.bytes_down,
        packets_up: frames.packets_up,
        packets_down: frames.packets_down,
        ..sockets
    }
}

/// Keeps the hosts with the most traffic, as many as have room; the rest is summed.
fn bounded(usage: Usage) -> Usage {
    let mut hosts: Vec<(String, HostUsage)> = usage.by_host.into_iter().collect();
    hosts.sort_by_key(|(_, host)| {
        std::cmp::Reverse((host.bytes_up.saturating_add(host.bytes_down), host.requests))
    });
    let mut room = HOST_BYTES_MAX.saturating_sub(OTHER.len() + HOST_ENTRY_BYTES);
    let mut by_host = std::collections::BTreeMap::new();
    for (name, host) in hosts {
        let size = name.escape_default().count() + HOST_ENTRY_BYTES;
        let fits = size <= room;
        let name = if fits { name } else { OTHER.to_owned() };
        room = if fits { room - size } else { room };
        add(by_host.entry(name).or_default(), host);
    }
    Usage { by_host, ..usage }
}

/// Adds one host's counters to another's.
pub(crate) const fn add(total: &mut HostUsage, part: HostUsage) {
    total.requests = total.requests.saturating_add(part.requests);
    total.allowed = total.allowed.saturating_add(part.allowed);
    total.denied = total.denied.saturating_add(part.denied);
    total.bytes_up = total.bytes_up.saturating_add(part.bytes_up);
    total.bytes_down = total.bytes_down.saturating_add(part.bytes_down);
}

fn denial(event: &EgressEvent) -> Denial {
    Denial {
        id: event.id.to_string(),
        method: event.method.clone(),
        host: event.host.chars().take(DENIED_HOST_CHARS_MAX).collect(),
        port: event.port,
        reason: event.reason.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_of_hosts_still_fit_and_no_byte_is_lost() {
        let host = |n: u64| HostUsage {
            requests: 1,
            bytes_up: n,
            ..HostUsage::default()
        };
        let name = |n: u64| format!("{n:0>60}.{}.example", "x".repeat(60));
        let usage = Usage {
            bytes_up: (0..5000).sum(),
            by_host: (0..5000).map(|n| (name(n), host(n))).collect(),
            ..Usage::default()
        };
        let bounded = bounded(usage.clone());
        assert!(serde_json::to_vec(&bounded).unwrap().len() < HOST_BYTES_MAX + 1024);
        let sum: u64 = bounded.by_host.values().map(|host| host.bytes_up).sum();
        assert_eq!(sum, usage.bytes_up);
        assert!(bounded.by_host.contains_key(&name(4999)));
        assert!(!bounded.by_host.contains_key(&name(0)));
    }

    #[test]
    fn a_few_hosts_are_left_as_they_are() {
        let by_host = [("a".to_owned(), HostUsage::default())].into();
        let usage = Usage {
            by_host,
            ..Usage::default()
        };
        assert_eq!(bounded(usage.clone()), usage);
    }
}
