//! What one session moved and decided, live, and what its budgets still allow.
//!
//! Bytes up and down are payload bytes that the proxy wrote to and read from the TCP streams of
//! upstream servers on behalf of the jail: for a tunnel, the tunnel's content; for a forwarded
//! request, the HTTP messages as sent and received upstream; for a gateway's fetch over TLS, the TLS
//! records; and for a look-up whose name the jail chose below a wildcard, the name's length as bytes
//! up. Other look-ups and TCP/IP framing are not in it. Client bytes are those read from and
//! written to the jail's own connections to the proxy.
//!
//! Not for: comparing with the kernel (`reconcile`).

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use model::{EgressEvent, HostUsage, KernelUsage, Usage, Verdict};
use tokio::sync::watch;

use crate::limits::{DENIALS_KEPT, HOSTS_KEPT};
use crate::purse::Purse;

/// Name under which hosts beyond [`HOSTS_KEPT`] are counted. No host has it: it has no dot and is
/// taken before any host of that name could be.
const OTHER: &str = "other";

/// Counters and budgets of a session.
#[derive(Debug)]
pub(crate) struct Meter {
    pub(crate) up: Purse,
    pub(crate) down: Purse,
    total: Counters,
    hosts: Mutex<BTreeMap<String, Arc<Counters>>>,
    denials: Mutex<Vec<EgressEvent>>,
    kernel: Mutex<KernelUsage>,
    exhausted: watch::Sender<bool>,
    /// Totals beyond which somebody is told, once; nothing is cut.
    warning: (Option<u64>, Option<u64>),
    warned: AtomicBool,
}

/// Counters of a session, a host or an exchange.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    requests: AtomicU64,
    denied: AtomicU64,
    up: AtomicU64,
    down: AtomicU64,
}

/// The account of one exchange: its own counters, its host's and its session's at once.
#[derive(Debug)]
pub(crate) struct Account {
    meter: Arc<Meter>,
    host: Arc<Counters>,
    own: Counters,
    /// Of the bytes up those that names in look-ups were.
    told: AtomicU64,
    denied: AtomicBool,
}

/// A budget ran out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the byte budget of the session is used up")]
pub(crate) struct Exhausted;

impl Meter {
    pub(crate) fn new(up: Option<u64>, down: Option<u64>) -> Self {
        Self {
            up: Purse::new(up),
            down: Purse::new(down),
            total: Counters::default(),
            hosts: Mutex::default(),
            denials: Mutex::default(),
            kernel: Mutex::default(),
            exhausted: watch::Sender::new(false),
            warning: (None, None),
            warned: AtomicBool::new(false),
        }
    }

    /// A meter whose budgets are not enforced.
    pub(crate) fn warning(up: Option<u64>, down: Option<u64>) -> Self {
        Self {
            warning: (up, down),
            ..Self::new(None, None)
        }
    }

    /// True once, when the totals have grown beyond a budget that is not enforced.
    pub(crate) fn is_due_for_warning(&self) -> bool {
        let (up, down) = self.warning;
        let beyond = |limit: Option<u64>, total: &AtomicU64| {
            limit.is_some_and(|limit| total.load(Ordering::Relaxed) > limit)
        };
        let due = beyond(up, &self.total.up) || beyond(down, &self.total.down);
        due && !self.warned.swap(true, Ordering::AcqRel)
    }

    /// Opens the account of one decision on `host`. Denied hosts take up half of the names at most,
    /// so that a jail can't hide where it did get to by asking for names that it can't have.
    pub(crate) fn open(self: &Arc<Self>, host: &str, verdict: Verdict) -> Account {
        let names = match verdict {
            Verdict::Allow => HOSTS_KEPT,
            Verdict::Deny => HOSTS_KEPT / 2,
        };
        let account = Account {
            meter: Arc::clone(self),
            host: self.host(host, names),
            own: Counters::default(),
            told: AtomicU64::new(0),
            denied: AtomicBool::new(false),
        };
        account.each(|counters| &counters.requests, 1);
        account
    }

    pub(crate) fn usage(&self) -> Usage {
        let hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let total = self.total.snapshot();
        Usage {
            requests: total.requests,
            allowed: total.allowed,
            denied: total.denied,
            bytes_up: total.bytes_up,
            bytes_down: total.bytes_down,
            by_host: hosts
                .iter()
                .map(|(name, host)| (name.clone(), host.snapshot()))
                .collect(),
        }
    }

    pub(crate) fn kernel(&self) -> KernelUsage {
        *self.kernel.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds one closed connection of the jail's; the `veth` fields of `part` are ignored.
    pub(crate) fn add_connection(&self, part: &KernelUsage) {
        let mut guard = self.kernel.lock().unwrap_or_else(PoisonError::into_inner);
        let sum = &mut *guard;
        for (total, part) in [
            (&mut sum.socket_up, part.socket_up),
            (&mut sum.socket_down, part.socket_down),
            (&mut sum.client_up, part.client_up),
            (&mut sum.client_down, part.client_down),
            (&mut sum.unexplained_bytes, part.unexplained_bytes),
        ] {
            *total = total.saturating_add(part);
        }
    }

    pub(crate) fn keep_denial(&self, event: &EgressEvent) {
        let mut kept = self.denials.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < DENIALS_KEPT {
            kept.push(event.clone());
        }
    }

    pub(crate) fn denials(&self) -> Vec<EgressEvent> {
        self.denials
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Says that a transfer was cut for want of budget.
    pub(crate) fn exhaust(&self) {
        self.exhausted.send_replace(true);
    }

    /// True once a byte budget is used up.
    pub(crate) fn is_exhausted(&self) -> bool {
        *self.exhausted.borrow() || self.up.is_empty() || self.down.is_empty()
    }

    pub(crate) fn exhaustion(&self) -> watch::Receiver<bool> {
        self.exhausted.subscribe()
    }

    fn host(&self, name: &str, most: usize) -> Arc<Counters> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = hosts.get(name) {
            return Arc::clone(known);
        }
        let name = if hosts.len() < most { name } else { OTHER };
        Arc::clone(hosts.entry(name.to_owned()).or_default())
    }
}

impl Counters {
    fn snapshot(&self) -> HostUsage {
        // Denied first: a decision counts as a request before it counts as denied.
        let denied = self.denied.load(Ordering::Acquire);
        let requests = self.requests.load(Ordering::Acquire);
        HostUsage {
            requests,
            allowed: requests.saturating_sub(denied),
            denied,
            bytes_up: self.up.load(Ordering::Relaxed),
            bytes_down: self.down.load(Ordering::Relaxed),
        }
    }
}

impl Account {
    pub(crate) fn meter(&self) -> &Meter {
        &self.meter
    }

    /// Counts bytes written to the upstream server.
    pub(crate) fn add_up(&self, bytes: usize) {
        self.each(|counters| &counters.up, bytes as u64);
    }

    /// Says that so many of the bytes up were a name in a look-up.
    pub(crate) fn note_told(&self, bytes: usize) {
        self.told.fetch_add(bytes as u64, Ordering::AcqRel);
    }

    /// True when more than names has moved.
    pub(crate) fn has_moved(&self) -> bool {
        let (up, down) = self.bytes();
        up > self.told.load(Ordering::Acquire) || down > 0
    }

    /// Counts bytes read from the upstream server.
    pub(crate) fn add_down(&self, bytes: usize) {
        self.each(|counters| &counters.down, bytes as u64);
    }

    /// Counts the decision as denied; the second time nothing happens.
    pub(crate) fn deny(&self) {
        if !self.denied.swap(true, Ordering::AcqRel) {
            self.each(|counters| &counters.denied, 1);
        }
    }

    /// Bytes up and down of this exchange so far.
    pub(crate) fn bytes(&self) -> (u64, u64) {
        (
            self.own.up.load(Ordering::Relaxed),
            self.own.down.load(Ordering::Relaxed),
        )
    }

    fn each(&self, field: impl Fn(&Counters) -> &AtomicU64, amount: u64) {
        for counters in [&self.own, &*self.host, &self.meter.total] {
            field(counters).fetch_add(amount, Ordering::AcqRel);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_counts_for_its_host_and_its_session() {
        let meter = Arc::new(Meter::new(None, None));
        let first = meter.open("a.test", Verdict::Allow);
        first.add_up(3);
        first.add_down(5);
        let second = meter.open("b.test", Verdict::Deny);
        second.deny();
        second.deny();
        let usage = meter.usage();
        assert_eq!((usage.requests, usage.allowed, usage.denied), (2, 1, 1));
        assert_eq!((usage.bytes_up, usage.bytes_down), (3, 5));
        assert_eq!(usage.by_host["a.test"].bytes_down, 5);
        assert_eq!(usage.by_host["b.test"].denied, 1);
        assert_eq!(first.bytes(), (3, 5));
    }

    #[test]
    fn hosts_beyond_the_bound_are_counted_together() {
        let meter = Arc::new(Meter::new(None, None));
        for number in 0..HOSTS_KEPT + 3 {
            meter
                .open(&format!("h{number}.test"), Verdict::Allow)
                .add_up(1);
        }
        let usage = meter.usage();
        assert_eq!(usage.by_host.len(), HOSTS_KEPT + 1);
        assert_eq!(usage.by_host[OTHER].bytes_up, 3);
        assert_eq!(usage.bytes_up, HOSTS_KEPT as u64 + 3);
    }
}
