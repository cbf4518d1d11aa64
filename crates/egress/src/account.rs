//! The account of one exchange: what it moves counts for itself, its host, its secrets and its session.
//!
//! Not for: the sums (`meter`) or budgets of language models (`spend`).

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use llm::PriceTable;
use model::{LlmCharge, LlmUsage, SecretName};

use crate::meter::{Counters, Meter};

/// Counters of an exchange, its host, its secrets and its session at once.
#[derive(Debug)]
pub(crate) struct Account {
    meter: Arc<Meter>,
    host: Arc<Counters>,
    secrets: OnceLock<Vec<Arc<Counters>>>,
    own: Counters,
    /// Of the bytes up those that names in look-ups were.
    told: AtomicU64,
    denied: AtomicBool,
    /// It counts among the requests to language models that are under way.
    spends: AtomicBool,
}

impl Account {
    pub(crate) fn new(meter: Arc<Meter>, host: Arc<Counters>) -> Self {
        let account = Self {
            meter,
            host,
            secrets: OnceLock::new(),
            own: Counters::default(),
            told: AtomicU64::new(0),
            denied: AtomicBool::new(false),
            spends: AtomicBool::new(false),
        };
        account.each(|counters| &counters.requests, 1);
        account
    }

    /// Says that [`crate::ration::take`] let it spend on a language model; that ends with this account.
    pub(crate) fn spends(&self) {
        if self.spends.swap(true, Ordering::AcqRel) {
            self.meter.spend.end();
        }
    }

    /// Counts the answer of a language model.
    pub(crate) fn charge(&self, usage: LlmUsage, prices: &PriceTable) -> LlmCharge {
        let cost = prices.cost(&usage);
        self.meter.spend.charge(usage, cost)
    }

    /// Says which secrets were put into the request, before a byte of it is written. The second time
    /// nothing happens.
    pub(crate) fn attribute(&self, secrets: &[SecretName]) {
        if secrets.is_empty() {
            return;
        }
        let of = |name: &SecretName| self.meter.secret(name.as_str());
        self.secrets.get_or_init(|| {
            let counters: Vec<_> = secrets.iter().map(of).collect();
            for secret in &counters {
                secret.requests.fetch_add(1, Ordering::AcqRel);
            }
            counters
        });
    }

    pub(crate) fn meter(&self) -> &Meter {
        &self.meter
    }

    /// An account for a connection that several exchanges share: its bytes count for the host and the session
    /// alone, and it is no request.
    pub(crate) fn shared(&self) -> Self {
        Self {
            meter: Arc::clone(&self.meter),
            host: Arc::clone(&self.host),
            secrets: OnceLock::new(),
            own: Counters::default(),
            told: AtomicU64::new(0),
            denied: AtomicBool::new(false),
            spends: AtomicBool::new(false),
        }
    }

    /// Says that so many bytes that were counted here moved for a connection that others share from now on:
    /// they stay the host's and the session's.
    pub(crate) fn disown(&self, (up, down): (u64, u64)) {
        for counters in self.mine() {
            counters.up.fetch_sub(up, Ordering::AcqRel);
            counters.down.fetch_sub(down, Ordering::AcqRel);
        }
    }

    /// Counts bytes of this exchange that are given to a shared connection.
    pub(crate) fn own_up(&self, bytes: usize) {
        for counters in self.mine() {
            counters.up.fetch_add(bytes as u64, Ordering::AcqRel);
        }
    }

    /// Counts bytes of this exchange that are taken from a shared connection.
    pub(crate) fn own_down(&self, bytes: usize) {
        for counters in self.mine() {
            counters.down.fetch_add(bytes as u64, Ordering::AcqRel);
        }
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

    /// Its own counters and those of its secrets.
    fn mine(&self) -> impl Iterator<Item = &Counters> {
        let secrets = self.secrets.get().into_iter().flatten();
        secrets.map(|secret| &**secret).chain([&self.own])
    }

    fn each(&self, field: impl Fn(&Counters) -> &AtomicU64, amount: u64) {
        for counters in [&self.own, &*self.host, &self.meter.total] {
            field(counters).fetch_add(amount, Ordering::AcqRel);
        }
        for counters in self.secrets.get().into_iter().flatten() {
            field(counters).fetch_add(amount, Ordering::AcqRel);
        }
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        if self.spends.load(Ordering::Acquire) {
            self.meter.spend.end();
        }
    }
}

#[cfg(test)]
mod tests {
    use model::Verdict;
    use policy::Budget;

    use super::*;

    #[test]
    fn bytes_count_for_every_secret_of_the_request_and_no_other() {
        let meter = Arc::new(Meter::new(&Budget::UNLIMITED));
        let name = |text: &str| text.parse::<SecretName>().unwrap();
        let with = meter.open("a.test", Verdict::Allow);
        with.attribute(&[name("git"), name("npm")]);
        with.attribute(&[name("late")]);
        with.add_up(3);
        with.add_down(5);
        meter.open("a.test", Verdict::Allow).add_up(100);
        let usage = meter.usage();
        assert_eq!(usage.bytes_up, 103);
        for name in ["git", "npm"] {
            let secret = usage.by_secret[name];
            assert_eq!(
                (secret.requests, secret.bytes_up, secret.bytes_down),
                (1, 3, 5)
            );
        }
        assert_eq!(usage.by_secret.len(), 2);
    }

    #[test]
    fn bytes_of_a_shared_connection_are_the_hosts_and_no_exchanges() {
        let meter = Arc::new(Meter::new(&Budget::UNLIMITED));
        let exchange = meter.open("a.test", Verdict::Allow);
        exchange.attribute(&["git".parse().unwrap()]);
        exchange.add_up(100);
        exchange.disown((100, 0));
        let shared = exchange.shared();
        shared.add_up(50);
        shared.add_down(7);
        exchange.own_up(20);
        exchange.own_down(5);
        assert_eq!(exchange.bytes(), (20, 5));
        let usage = meter.usage();
        assert_eq!(
            (usage.requests, usage.bytes_up, usage.bytes_down),
            (1, 150, 7)
        );
        assert_eq!(usage.by_host["a.test"].bytes_up, 150);
        assert_eq!(usage.by_secret["git"].bytes_up, 20);
    }
}
