//! Counters over what the log records, in constant memory.
//!
//! Not for: history; that is the log's.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use audit::{Entry, Kind};
use model::{LlmCharge, LlmTotals, SessionId};
use serde::Deserialize;
use serde_json::Value;

use super::page::Page;

/// Most values of a label. Reasons and alerts are fixed words, some sixty; this holds should one ever not
/// be.
const VALUES_MAX: usize = 128;
/// Longest word that is a label's value.
const WORD_MAX: usize = 48;
/// Where further words are counted.
const OTHER: &str = "other";
/// Starts under way that are timed.
const STARTS_MAX: usize = 1024;
/// Upper bounds of a start's time, in microseconds.
const BOUNDS: [u64; 10] = [
    1000, 2000, 5000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
];

/// The counters.
#[derive(Debug, Default)]
pub(super) struct Tally {
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    requests: BTreeMap<(&'static str, String), u64>,
    alerts: BTreeMap<String, u64>,
    ended: BTreeMap<String, u64>,
    bytes: (u64, u64),
    unexplained: u64,
    syscalls: u64,
    llm: LlmTotals,
    starting: HashMap<SessionId, Instant>,
    starts: Starts,
}

#[derive(Debug, Default)]
struct Starts {
    within: [u64; BOUNDS.len()],
    count: u64,
    micros: u64,
}

impl Tally {
    /// Counts an entry. Called under the log's lock, so it only adds.
    pub(super) fn add(&self, entry: &Entry) {
        self.lock().add(entry, Instant::now());
    }

    /// Writes all counters.
    pub(super) fn write(&self, page: &mut Page) {
        let counts = self.lock();
        let name = "sheriff_egress_requests_total";
        page.family(name, "counter", "Judged requests.");
        for ((verdict, reason), count) in &counts.requests {
            page.sample(name, &[("verdict", verdict), ("reason", reason)], *count);
        }
        let name = "sheriff_egress_bytes_total";
        page.family(name, "counter", "Bytes of exchanges that are over.");
        page.sample(name, &[("direction", "up")], counts.bytes.0);
        page.sample(name, &[("direction", "down")], counts.bytes.1);
        let name = "sheriff_egress_unexplained_bytes_total";
        page.family(
            name,
            "counter",
            "Bytes that the proxy's account and the kernel's differ by.",
        );
        page.sample(name, &[], counts.unexplained);
        let name = "sheriff_syscalls_denied_total";
        page.family(name, "counter", "Refused system calls on record.");
        page.sample(name, &[], counts.syscalls);
        for (name, label, help, table) in [
            ("sheriff_alerts_total", "alert", "Alerts.", &counts.alerts),
            (
                "sheriff_sessions_ended_total",
                "reason",
                "Ended sessions.",
                &counts.ended,
            ),
        ] {
            page.family(name, "counter", help);
            for (word, count) in table {
                page.sample(name, &[(label, word)], *count);
            }
        }
        write_llm(&counts.llm, page);
        counts.starts.write(page);
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    fn add(&mut self, entry: &Entry, now: Instant) {
        let of = |key: &str| entry.data.get(key);
        let word = |key: &str| of(key).and_then(Value::as_str).unwrap_or_default();
        let number = |key: &str| of(key).and_then(Value::as_u64).unwrap_or_default();
        match entry.kind {
            Kind::EgressDecision => {
                let verdict = match word("verdict") {
                    "allow" => "allow",
                    _ => "deny",
                };
                let full = self.requests.len() >= VALUES_MAX;
                let key = (verdict, tame(word("reason")));
                let key = match full && !self.requests.contains_key(&key) {
                    true => (verdict, OTHER.to_owned()),
                    false => key,
                };
                *self.requests.entry(key).or_default() += 1;
            }
            Kind::EgressClose => {
                self.bytes.0 = self.bytes.0.saturating_add(number("bytes_up"));
                self.bytes.1 = self.bytes.1.saturating_add(number("bytes_down"));
                let charge = of("llm").and_then(|charge| LlmCharge::deserialize(charge).ok());
                charge.iter().for_each(|charge| self.llm.add(charge));
            }
            Kind::Alert => {
                count(&mut self.alerts, word("alert"));
                if word("alert") == "unexplained_bytes" {
                    self.unexplained = self.unexplained.saturating_add(number("bytes"));
                }
            }
            Kind::SyscallDenied => self.syscalls = self.syscalls.saturating_add(1),
            Kind::SessionPrepared | Kind::SessionStarted | Kind::SessionEnded => {
                self.session(entry, now);
            }
            _ => {}
        }
    }

    fn session(&mut self, entry: &Entry, now: Instant) {
        let Some(id) = &entry.session else { return };
        match entry.kind {
            Kind::SessionPrepared if self.starting.len() < STARTS_MAX => {
                self.starting.insert(id.clone(), now);
            }
            Kind::SessionStarted => {
                if let Some(since) = self.starting.remove(id) {
                    let micros = now.saturating_duration_since(since).as_micros();
                    self.starts.add(u64::try_from(micros).unwrap_or(u64::MAX));
                }
            }
            Kind::SessionEnded => {
                self.starting.remove(id);
                let reason = entry.data.pointer("/exit/reason").and_then(Value::as_str);
                count(&mut self.ended, reason.unwrap_or(OTHER));
            }
            _ => {}
        }
    }
}

impl Starts {
    fn add(&mut self, micros: u64) {
        for (bound, count) in BOUNDS.iter().zip(&mut self.within) {
            *count += u64::from(micros <= *bound);
        }
        self.count += 1;
        self.micros = self.micros.saturating_add(micros);
    }

    fn write(&self, page: &mut Page) {
        let name = "sheriff_jail_start_seconds";
        page.family(
            name,
            "histogram",
            "From a session's record to that of its start.",
        );
        let bucket = "sheriff_jail_start_seconds_bucket";
        for (bound, count) in BOUNDS.iter().zip(self.within) {
            let bound = format!("{}.{:06}", bound / 1_000_000, bound % 1_000_000);
            page.sample(bucket, &[("le", bound.trim_end_matches('0'))], count);
        }
        page.sample(bucket, &[("le", "+Inf")], self.count);
        page.seconds("sheriff_jail_start_seconds_sum", &[], self.micros);
        page.sample("sheriff_jail_start_seconds_count", &[], self.count);
    }
}

fn write_llm(llm: &LlmTotals, page: &mut Page) {
    let name = "sheriff_llm_tokens_total";
    page.family(name, "counter", "Tokens of language models.");
    for (kind, tokens) in [
        ("input", llm.input),
        ("cached", llm.cached),
        ("cache_written", llm.cache_written),
        ("output", llm.output),
    ] {
        page.sample(name, &[("kind", kind)], tokens);
    }
    let name = "sheriff_llm_answers_total";
    page.family(name, "counter", "Answers of language models.");
    page.sample(name, &[], llm.answers);
    let name = "sheriff_llm_answers_unpriced_total";
    page.family(name, "counter", "Of them those of models without a price.");
    page.sample(name, &[], llm.unpriced);
    let name = "sheriff_llm_cost_micro_usd_total";
    page.family(name, "counter", "Their cost in millionths of a US dollar.");
    page.sample(name, &[], llm.cost.micros());
}

fn count(table: &mut BTreeMap<String, u64>, word: &str) {
    let word = tame(word);
    let full = table.len() >= VALUES_MAX && !table.contains_key(&word);
    let word = if full { OTHER.to_owned() } else { word };
    *table.entry(word).or_default() += 1;
}

/// A word in the form of codes; anything else is `other`.
fn tame(word: &str) -> String {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    match !word.is_empty() && word.len() <= WORD_MAX && word.bytes().all(plain) {
        true => word.to_owned(),
        false => OTHER.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    fn entry(kind: &str, data: &Value) -> Entry {
        let zeros = "0".repeat(64);
        serde_json::from_value(json!({
            "seq": 7, "time": "2025-01-01T00:00:00.000Z", "kind": kind,
            "session": "s-0000000000000001", "run": null, "step": null, "principal": "sheriff",
            "data": data, "prev": zeros, "hash": zeros
        }))
        .unwrap()
    }

    fn page(tally: &Tally) -> String {
        let mut page = Page::default();
        tally.write(&mut page);
        page.text()
    }

    #[test]
    fn counts_verdicts_bytes_alerts_and_answers() {
        let tally = Tally::default();
        tally.add(&entry(
            "egress.decision",
            &json!({"verdict": "deny", "reason": "budget_exceeded", "host": "h.test"}),
        ));
        let llm = json!({"model": "m", "input": 5, "cached": 0, "cache_written": 0, "output": 7,
            "estimated": false, "cost": "0.50 USD"});
        tally.add(&entry(
            "egress.close",
            &json!({"bytes_up": 3, "bytes_down": 4, "llm": llm}),
        ));
        tally.add(&entry(
            "alert",
            &json!({"alert": "unexplained_bytes", "bytes": 9}),
        ));
        tally.add(&entry(
            "session.ended",
            &json!({"exit": {"reason": "exited"}}),
        ));
        let page = page(&tally);
        for line in [
            "sheriff_egress_requests_total{verdict=\"deny\",reason=\"budget_exceeded\"} 1",
            "sheriff_egress_bytes_total{direction=\"up\"} 3",
            "sheriff_egress_unexplained_bytes_total 9",
            "sheriff_alerts_total{alert=\"unexplained_bytes\"} 1",
            "sheriff_sessions_ended_total{reason=\"exited\"} 1",
            "sheriff_llm_tokens_total{kind=\"output\"} 7",
            "sheriff_llm_cost_micro_usd_total 500000",
        ] {
            assert!(
                page.contains(&format!("{line}\n")),
                "{line} is not in\n{page}"
            );
        }
        assert!(!page.contains("h.test"), "a host became a label");
    }

    #[test]
    fn words_that_a_jail_chose_make_no_series() {
        let tally = Tally::default();
        for number in 0..1000 {
            for reason in [
                format!("r{number}"),
                format!("x\"\n{number}"),
                "y".repeat(number),
            ] {
                tally.add(&entry(
                    "egress.decision",
                    &json!({"verdict": "deny", "reason": reason}),
                ));
            }
        }
        let counts = tally.lock();
        assert!(counts.requests.len() <= VALUES_MAX + 1);
        assert_eq!(counts.requests.values().sum::<u64>(), 3000);
    }

    #[test]
    fn times_a_start_from_its_record() {
        let (mut counts, now) = (Counts::default(), Instant::now());
        counts.add(&entry("session.prepared", &Value::Null), now);
        counts.add(
            &entry("session.started", &Value::Null),
            now + Duration::from_millis(3),
        );
        counts.add(
            &entry("session.started", &Value::Null),
            now + Duration::from_secs(9),
        );
        assert_eq!((counts.starts.count, counts.starts.micros), (1, 3000));
        assert_eq!(counts.starts.within[1..3], [0, 1]);
    }
}
