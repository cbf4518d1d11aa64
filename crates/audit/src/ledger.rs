//! Sums over egress events: what each session sent to and got from each host, with each secret.
//!
//! An exchange counts when it is over, with all of its bytes; what is still under way only the proxy's
//! meter knows.
//!
//! Not for: integrity (`verify`) or live counters (`egress`).

use std::collections::BTreeMap;

use model::{
    EgressEvent, HostUsage, KernelUsage, LlmTotals, Phase, SecretUsage, SessionId, Verdict,
};

use crate::{Entry, Kind};

/// Most sessions of a ledger; the log of a busy month has fewer.
pub const SESSIONS_MAX: usize = 10_000;
/// Most hosts of one session, as its meter has it; the rest is summed under `other`. Names that were only
/// denied take half of them at most.
pub const HOSTS_MAX: usize = 256;
/// Where further hosts are counted. No host has this name: it has no dot.
pub const OTHER: &str = "other";

/// The kinds that a ledger wants to see.
pub const KINDS: [Kind; 5] = [
    Kind::SessionStarted,
    Kind::SessionEnded,
    Kind::EgressDecision,
    Kind::EgressClose,
    Kind::Alert,
];

/// Sums by session.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    since: Option<String>,
    sessions: BTreeMap<SessionId, SessionLedger>,
    /// Sessions beyond [`SESSIONS_MAX`], which are in no sum.
    left_out: u64,
}

/// Sums of one session.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SessionLedger {
    /// By host, within the time asked for.
    pub hosts: BTreeMap<String, HostUsage>,
    /// By secret, within the time asked for.
    pub secrets: BTreeMap<String, SecretUsage>,
    /// Language models, within the time asked for.
    pub llm: LlmTotals,
    /// Bytes up and down of everything that ended since the session's start, by host.
    pub closed: BTreeMap<String, (u64, u64)>,
    /// Unexplained bytes that alerts of the whole session told of.
    pub alerted: u64,
    /// When it ended, if it has.
    pub ended: Option<String>,
    /// The kernel's last word about it.
    pub kernel: Option<KernelUsage>,
    /// True when something of it happened within the time asked for.
    pub is_recent: bool,
}

impl Ledger {
    /// An empty one. `since` is RFC 3339 as the log writes it; `None` for all times.
    #[must_use]
    pub fn new(since: Option<String>) -> Self {
        Self {
            since,
            ..Self::default()
        }
    }

    /// Takes an entry; those of other kinds change nothing.
    pub fn add(&mut self, entry: &Entry) {
        let Some(id) = &entry.session else { return };
        let is_recent = self.since.as_ref().is_none_or(|since| entry.time >= *since);
        if !KINDS.contains(&entry.kind) {
            return;
        }
        if self.sessions.len() >= SESSIONS_MAX && !self.sessions.contains_key(id) {
            self.left_out += u64::from(entry.kind == Kind::SessionStarted);
            return;
        }
        let session = self.sessions.entry(id.clone()).or_default();
        session.is_recent |= is_recent;
        session.add(entry, is_recent);
    }

    /// The sums.
    #[must_use]
    pub const fn sessions(&self) -> &BTreeMap<SessionId, SessionLedger> {
        &self.sessions
    }

    /// How many sessions had no room.
    #[must_use]
    pub const fn left_out(&self) -> u64 {
        self.left_out
    }
}

impl SessionLedger {
    fn add(&mut self, entry: &Entry, is_recent: bool) {
        let of = |key: &str| entry.data.get(key);
        match entry.kind {
            Kind::SessionEnded => {
                self.ended = Some(entry.time.clone());
                self.kernel =
                    of("kernel").and_then(|kernel| serde_json::from_value(kernel.clone()).ok());
            }
            Kind::Alert if of("alert").is_some_and(|alert| alert == "unexplained_bytes") => {
                let more = of("bytes").and_then(serde_json::Value::as_u64);
                self.alerted = self.alerted.saturating_add(more.unwrap_or_default());
            }
            Kind::EgressDecision | Kind::EgressClose => {
                // An entry of another version has no sums; verifying the log is another command.
                if let Ok(event) = serde_json::from_value::<EgressEvent>(entry.data.clone()) {
                    self.add_event(&event, is_recent);
                }
            }
            _ => {}
        }
    }

    fn add_event(&mut self, event: &EgressEvent, is_recent: bool) {
        if event.phase == Phase::Close {
            let name = room(&self.closed, &event.host, HOSTS_MAX);
            let closed = self.closed.entry(name).or_default();
            closed.0 = closed.0.saturating_add(event.bytes_up);
            closed.1 = closed.1.saturating_add(event.bytes_down);
        }
        if !is_recent {
            return;
        }
        let most = match event.verdict {
            Verdict::Allow => HOSTS_MAX,
            Verdict::Deny => HOSTS_MAX / 2,
        };
        let name = room(&self.hosts, &event.host, most);
        let host = self.hosts.entry(name).or_default();
        match event.phase {
            Phase::Decision => {
                host.requests += 1;
                host.allowed += u64::from(event.verdict == Verdict::Allow);
                host.denied += u64::from(event.verdict == Verdict::Deny);
            }
            Phase::Close => {
                host.bytes_up = host.bytes_up.saturating_add(event.bytes_up);
                host.bytes_down = host.bytes_down.saturating_add(event.bytes_down);
                if event.verdict == Verdict::Deny && host.allowed > 0 {
                    // What policy allowed and the proxy refused before anything moved.
                    host.allowed -= 1;
                    host.denied += 1;
                }
                self.add_close(event);
            }
        }
    }

    fn add_close(&mut self, event: &EgressEvent) {
        for name in event.secret.iter().flat_map(|names| names.split(',')) {
            let secret = self.secrets.entry(name.trim().to_owned()).or_default();
            secret.requests += 1;
            secret.bytes_up = secret.bytes_up.saturating_add(event.bytes_up);
            secret.bytes_down = secret.bytes_down.saturating_add(event.bytes_down);
        }
        if let Some(charge) = &event.llm {
            self.llm.add(charge);
        }
    }
}

fn room<T>(table: &BTreeMap<String, T>, name: &str, most: usize) -> String {
    match table.contains_key(name) || table.len() < most {
        true => name.to_owned(),
        false => OTHER.to_owned(),
    }
}

#[cfg(test)]
mod tests;
