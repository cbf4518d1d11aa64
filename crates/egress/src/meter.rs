//! What one session moved and decided, live, and what its budgets still allow.
//!
//! Bytes up and down are payload bytes that the proxy wrote to and read from the TCP streams of
//! upstream servers on behalf of the jail: for a tunnel, the tunnel's content; for a request in clear,
//! the HTTP messages as sent and received upstream; for one that goes on inside TLS (from an opened
//! tunnel, or a gateway's fetch), the records of TLS, the handshake among them; and for a look-up whose name the jail chose below a wildcard, the name's length as bytes
//! up. Other look-ups and TCP/IP framing are not in it. Client bytes are those read from and
//! written to the jail's own connections to the proxy.
//!
//! All of that is counted for the host, for the session and against its budgets. It is the exchange's own
//! and its secrets' as well, where a connection belongs to one exchange at a time. Where exchanges share
//! a connection (HTTP/2) its records, its frames with their padding, and the compression of heads belong
//! to none of them, so a close has the bytes of the messages instead: method, path, authority or status,
//! names and values of fields, content and trailers, as they were given to the connection or taken from
//! it. The sum of closes is then not the host's sum; the host's and the session's sums stay exact.
//!
//! Not for: comparing with the kernel (`reconcile`).

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use model::{EgressEvent, HostUsage, KernelUsage, SecretUsage, Usage, Verdict};
use policy::{Budget, OnExceeded};
use tokio::sync::watch;

pub(crate) use crate::account::Account;
use crate::limits::{DENIALS_KEPT, HOSTS_KEPT};
use crate::purse::Purse;
use crate::spend::Spend;

/// Name under which hosts beyond [`HOSTS_KEPT`] are counted. No host has it: it has no dot and is
/// taken before any host of that name could be.
const OTHER: &str = "other";

/// Counters and budgets of a session.
#[derive(Debug)]
pub(crate) struct Meter {
    pub(crate) up: Purse,
    pub(crate) down: Purse,
    pub(crate) requests: Purse,
    pub(crate) spend: Spend,
    pub(crate) total: Counters,
    hosts: Mutex<BTreeMap<String, Arc<Counters>>>,
    /// As many as the policy names.
    secrets: Mutex<BTreeMap<String, Arc<Counters>>>,
    denials: Mutex<Vec<EgressEvent>>,
    kernel: watch::Sender<KernelUsage>,
    /// Unexplained bytes that an alert has told of.
    alerted: AtomicU64,
    exhausted: watch::Sender<bool>,
    /// Totals beyond which somebody is told, once; nothing is cut.
    warning: Mutex<Budget>,
    warned: AtomicBool,
}

/// Counters of a session, a host or an exchange.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) requests: AtomicU64,
    pub(crate) denied: AtomicU64,
    pub(crate) up: AtomicU64,
    pub(crate) down: AtomicU64,
}

/// A budget ran out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a budget of the session is used up")]
pub(crate) struct Exhausted;

impl Meter {
    /// A meter with its budgets, enforced or only watched.
    pub(crate) fn new(budget: &Budget) -> Self {
        let (enforced, warning) = split(budget);
        Self {
            up: Purse::new(enforced.egress_up.map(|size| size.0)),
            down: Purse::new(enforced.egress_down.map(|size| size.0)),
            requests: Purse::new(enforced.requests),
            spend: Spend::new(enforced.llm_tokens, enforced.llm_cost),
            total: Counters::default(),
            hosts: Mutex::default(),
            secrets: Mutex::default(),
            denials: Mutex::default(),
            kernel: watch::Sender::new(KernelUsage::default()),
            alerted: AtomicU64::new(0),
            exhausted: watch::Sender::new(false),
            warning: Mutex::new(warning),
            warned: AtomicBool::new(false),
        }
    }

    /// Other budgets; what was used stays used. One that only warns may warn once more.
    pub(crate) fn set_budget(&self, budget: &Budget) {
        let (enforced, warning) = split(budget);
        self.up.set_limit(enforced.egress_up.map(|size| size.0));
        self.down.set_limit(enforced.egress_down.map(|size| size.0));
        self.requests.set_limit(enforced.requests);
        let Budget {
            llm_tokens,
            llm_cost,
            ..
        } = enforced;
        self.spend.set_limits(llm_tokens, llm_cost);
        let mut present = self.warning.lock().unwrap_or_else(PoisonError::into_inner);
        if *present != warning {
            *present = warning;
            self.warned.store(false, Ordering::Release);
        }
    }

    /// True once, when the totals have grown beyond a budget that is not enforced.
    pub(crate) fn is_due_for_warning(&self) -> bool {
        let limits = *self.warning.lock().unwrap_or_else(PoisonError::into_inner);
        let (total, llm) = (self.total.snapshot(), self.spend.totals());
        let beyond = |limit: Option<u64>, used: u64| limit.is_some_and(|limit| used > limit);
        let due = beyond(limits.egress_up.map(|size| size.0), total.bytes_up)
            || beyond(limits.egress_down.map(|size| size.0), total.bytes_down)
            || beyond(limits.requests, total.allowed)
            || beyond(limits.llm_tokens, llm.tokens())
            || limits.llm_cost.is_some_and(|limit| llm.cost > limit);
        due && !self.warned.swap(true, Ordering::AcqRel)
    }

    /// Opens the account of one decision on `host`. Denied hosts take up half of the names at most,
    /// so that a jail can't hide where it did get to by asking for names that it can't have.
    pub(crate) fn open(self: &Arc<Self>, host: &str, verdict: Verdict) -> Account {
        let names = match verdict {
            Verdict::Allow => HOSTS_KEPT,
            Verdict::Deny => HOSTS_KEPT / 2,
        };
        Account::new(Arc::clone(self), self.host(host, names))
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
            by_secret: self.by_secret(),
            llm: self.spend.totals(),
        }
    }

    pub(crate) fn kernel(&self) -> KernelUsage {
        *self.kernel.borrow()
    }

    /// Hears of every closed connection.
    pub(crate) fn kernel_changes(&self) -> watch::Receiver<KernelUsage> {
        self.kernel.subscribe()
    }

    /// Adds one closed connection of the jail's; the `veth` fields of `part` are ignored.
    pub(crate) fn add_connection(&self, part: &KernelUsage) {
        self.kernel.send_modify(|sum| {
            for (total, part) in [
                (&mut sum.socket_up, part.socket_up),
                (&mut sum.socket_down, part.socket_down),
                (&mut sum.client_up, part.client_up),
                (&mut sum.client_down, part.client_down),
                (&mut sum.unexplained_bytes, part.unexplained_bytes),
            ] {
                *total = total.saturating_add(part);
            }
        });
    }

    /// How many unexplained bytes there are that nobody was told of, with the whole account; telling is
    /// up to the caller. `None` when there are none.
    pub(crate) fn take_unexplained(&self) -> Option<(u64, KernelUsage)> {
        let kernel = self.kernel();
        let told = self
            .alerted
            .fetch_max(kernel.unexplained_bytes, Ordering::AcqRel);
        let more = kernel.unexplained_bytes.saturating_sub(told);
        (more > 0).then_some((more, kernel))
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

    /// True once a budget of bytes or requests is used up.
    pub(crate) fn is_exhausted(&self) -> bool {
        let purses = [&self.up, &self.down, &self.requests];
        *self.exhausted.borrow() || purses.into_iter().any(Purse::is_empty)
    }

    pub(crate) fn exhaustion(&self) -> watch::Receiver<bool> {
        self.exhausted.subscribe()
    }

    /// The counters of a secret.
    pub(crate) fn secret(&self, name: &str) -> Arc<Counters> {
        let mut secrets = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(secrets.entry(name.to_owned()).or_default())
    }

    fn by_secret(&self) -> BTreeMap<String, SecretUsage> {
        let secrets = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        let of = |counters: &Counters| {
            let usage = counters.snapshot();
            SecretUsage {
                requests: usage.requests,
                bytes_up: usage.bytes_up,
                bytes_down: usage.bytes_down,
            }
        };
        let pairs = secrets.iter();
        pairs
            .map(|(name, secret)| (name.clone(), of(secret)))
            .collect()
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

/// What is enforced of a budget, and what is only watched.
const fn split(budget: &Budget) -> (Budget, Budget) {
    match budget.on_exceeded {
        OnExceeded::Stop => (*budget, Budget::UNLIMITED),
        OnExceeded::Warn => (Budget::UNLIMITED, *budget),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_counts_for_its_host_and_its_session() {
        let meter = Arc::new(Meter::new(&Budget::UNLIMITED));
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
    fn each_unexplained_byte_is_told_of_once() {
        let meter = Meter::new(&Budget::UNLIMITED);
        let part = |unexplained_bytes| KernelUsage {
            client_up: 5,
            unexplained_bytes,
            ..KernelUsage::default()
        };
        meter.add_connection(&part(0));
        assert!(meter.take_unexplained().is_none());
        meter.add_connection(&part(3));
        meter.add_connection(&part(4));
        assert_eq!(meter.take_unexplained().map(|(more, _)| more), Some(7));
        meter.add_connection(&part(1));
        let (more, kernel) = meter.take_unexplained().unwrap();
        assert_eq!(
            (more, kernel.unexplained_bytes, kernel.client_up),
            (1, 8, 20)
        );
        assert!(meter.take_unexplained().is_none());
    }

    #[test]
    fn a_budget_that_only_warns_cuts_nothing_and_warns_once() {
        let meter = Arc::new(Meter::new(&Budget {
            egress_up: Some(model::ByteSize(3)),
            requests: Some(1),
            on_exceeded: OnExceeded::Warn,
            ..Budget::UNLIMITED
        }));
        let account = meter.open("a.test", Verdict::Allow);
        assert!(!meter.is_due_for_warning());
        account.add_up(4);
        assert!(!meter.is_exhausted());
        assert!(meter.is_due_for_warning());
        assert!(!meter.is_due_for_warning());
    }

    #[test]
    fn hosts_beyond_the_bound_are_counted_together() {
        let meter = Arc::new(Meter::new(&Budget::UNLIMITED));
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
