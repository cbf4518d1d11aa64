//! Where bytes went, from the log and the live meters together, and whether that is all of them.
//!
//! Not for: single events (`log`).

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use api::usage::{
    Account, BudgetLine, EgressUsage, HostEgress, LiveEgress, LiveSession, SessionEgress,
};
use audit::ledger::{KINDS, OTHER};
use audit::{Filter, Ledger, ReadError, Reader, SessionLedger};
use axum::Json;
use axum::extract::{Query, State};
use control::Session;
use model::{KernelUsage, SessionId, Usage};
use serde::Deserialize;

use super::{Parts, line, session_id};
use crate::respond::Fault;

/// Longest time that may be asked for; older segments are mostly gone.
const WITHIN_MAX_MS: u64 = 10 * 366 * 86_400_000;

/// Parameters of a question about usage; all are optional.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Parameters {
    session: Option<String>,
    host: Option<String>,
    /// Milliseconds back from now.
    within_ms: Option<u64>,
}

/// Parameters as they come.
type Given = Result<Query<Parameters>, axum::extract::rejection::QueryRejection>;

pub(super) async fn usage(State(parts): Parts, given: Given) -> Result<Json<EgressUsage>, Fault> {
    let Query(parameters) = given?;
    let wanted = parameters.session.as_deref().map(session_id).transpose()?;
    let now = SystemTime::now();
    let since = since(now, parameters.within_ms)?;
    let (dir, filter) = (parts.audit_dir.clone(), wanted.clone());
    let from = since.clone();
    let read = tokio::task::spawn_blocking(move || read(&dir, filter, from)).await;
    let ledger = read.map_err(|_gone| Fault::Closing)??;
    // The log first: an exchange that closes in between shows as still open, and not twice.
    let living = parts.office.registry().list();
    let mut sessions = Vec::new();
    for (id, sums) in ledger.sessions() {
        let session = living.iter().find(|session| session.id() == id);
        if session.is_some() || sums.is_recent {
            let live = match session {
                Some(session) => Some((session.usage(), parts.office.kernel(session).await)),
                None => None,
            };
            sessions.push(account(id, sums, live.as_ref()));
        }
    }
    narrow(&mut sessions, parameters.host.as_deref());
    Ok(Json(EgressUsage {
        until: audit::rfc3339(now).unwrap_or_default(),
        since,
        sessions,
        left_out: ledger.left_out(),
    }))
}

pub(super) async fn now(State(parts): Parts) -> Json<LiveEgress> {
    let sessions = parts.office.registry().list();
    Json(LiveEgress {
        time: audit::rfc3339(SystemTime::now()).unwrap_or_default(),
        sessions: sessions.iter().map(live_session).collect(),
    })
}

/// A living session's meter and the kernel's account of its closed connections.
type Live = (Usage, KernelUsage);

fn live_session(session: &Arc<Session>) -> LiveSession {
    let usage = session.usage();
    LiveSession {
        line: line(session),
        budgets: budgets(&session.budget(), &usage),
        egress: usage,
        unexplained_bytes: session.kernel().unexplained_bytes,
    }
}

fn budgets(budget: &policy::Budget, usage: &Usage) -> Vec<BudgetLine> {
    let llm = &usage.llm;
    let lines = [
        (
            "egress_up",
            usage.bytes_up,
            budget.egress_up.map(|size| size.0),
        ),
        (
            "egress_down",
            usage.bytes_down,
            budget.egress_down.map(|size| size.0),
        ),
        ("requests", usage.allowed, budget.requests),
        ("llm_tokens", llm.tokens(), budget.llm_tokens),
        (
            "llm_cost",
            llm.cost.micros(),
            budget.llm_cost.map(model::Money::micros),
        ),
    ];
    let line = |(name, used, limit): (&str, u64, Option<u64>)| {
        limit.map(|limit| BudgetLine {
            budget: name.to_owned(),
            used,
            limit,
        })
    };
    lines.into_iter().filter_map(line).collect()
}

fn since(now: SystemTime, within_ms: Option<u64>) -> Result<Option<String>, Fault> {
    let Some(within) = within_ms else {
        return Ok(None);
    };
    if within > WITHIN_MAX_MS {
        return Err(Fault::Parameter("within_ms"));
    }
    let since = now.checked_sub(Duration::from_millis(within));
    Ok(since.and_then(audit::rfc3339))
}

/// Damaged lines in between are not this question's business; `sheriff audit verify` finds them.
fn read(
    dir: &Path,
    session: Option<SessionId>,
    since: Option<String>,
) -> Result<Ledger, ReadError> {
    let filter = Filter {
        session,
        kinds: KINDS.to_vec(),
        ..Filter::default()
    };
    let mut ledger = Ledger::new(since);
    for entry in Reader::open(dir, filter)?.flatten() {
        ledger.add(&entry);
    }
    Ok(ledger)
}

/// One session's share; `live` is there as long as it lives.
fn account(id: &SessionId, sums: &SessionLedger, live: Option<&Live>) -> SessionEgress {
    let mut hosts: BTreeMap<String, HostEgress> = BTreeMap::new();
    for (name, usage) in &sums.hosts {
        hosts.entry(name.clone()).or_default().usage = *usage;
    }
    if let Some((usage, _)) = live {
        for (name, up, down) in open(usage, &sums.closed) {
            let host = hosts.entry(name).or_default();
            (host.open_up, host.open_down) = (up, down);
        }
    }
    let kernel = match live {
        Some((_, kernel)) => Some(*kernel),
        None => sums.kernel,
    };
    SessionEgress {
        session: id.clone(),
        ended: sums.ended.clone().filter(|_| live.is_none()),
        hosts,
        secrets: sums.secrets.clone(),
        llm: sums.llm,
        kernel,
        account: verdict(kernel.as_ref(), live.is_some(), sums),
    }
}

/// Bytes of exchanges that the meter knows and the log has no close of, by the meter's names of hosts.
fn open(usage: &Usage, closed: &BTreeMap<String, (u64, u64)>) -> Vec<(String, u64, u64)> {
    let mut by_name: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for (name, (up, down)) in closed {
        let known = usage.by_host.contains_key(name);
        let sum = by_name.entry(if known { name } else { OTHER }).or_default();
        *sum = (sum.0.saturating_add(*up), sum.1.saturating_add(*down));
    }
    let hosts = usage.by_host.iter().map(|(name, host)| {
        let (up, down) = by_name.get(name.as_str()).copied().unwrap_or_default();
        let up = host.bytes_up.saturating_sub(up);
        (name.clone(), up, host.bytes_down.saturating_sub(down))
    });
    hosts.filter(|(_, up, down)| *up > 0 || *down > 0).collect()
}

fn verdict(kernel: Option<&KernelUsage>, is_alive: bool, sums: &SessionLedger) -> Account {
    let Some(kernel) = kernel else {
        return Account {
            is_complete: false,
            unexplained_bytes: sums.alerted,
            verdict:
                "Nobody can say: the session's end, which carries the kernel's account, is not on \
                      record."
                    .to_owned(),
        };
    };
    let unexplained = kernel.unexplained_bytes.max(sums.alerted);
    let when = match is_alive {
        true => "on its connections closed so far",
        false => "from its start to its end",
    };
    let verdict = match unexplained {
        0 => format!(
            "That is all: of the {} bytes that the kernel took from the jail {when}, the proxy read every \
             one, and 0 are unexplained; the jail has no way out but the proxy.",
            kernel.socket_up
        ),
        _ => format!(
            "That may NOT be all: {unexplained} bytes are unexplained (the kernel took {} bytes from the \
             jail {when} and gave it {}; the proxy read {} and wrote {}).",
            kernel.socket_up, kernel.socket_down, kernel.client_up, kernel.client_down
        ),
    };
    Account {
        is_complete: unexplained == 0,
        unexplained_bytes: unexplained,
        verdict,
    }
}

/// Leaves only one host, where there is anything of it. The sums by secret stay: they are not by host.
fn narrow(sessions: &mut Vec<SessionEgress>, host: Option<&str>) {
    let Some(host) = host else { return };
    for session in sessions.iter_mut() {
        session.hosts.retain(|name, _| name == host);
    }
    sessions.retain(|session| !session.hosts.is_empty());
}

#[cfg(test)]
mod tests {
    use model::HostUsage;

    use super::*;

    fn usage(hosts: &[(&str, u64)]) -> Usage {
        let host = |bytes_up| HostUsage {
            bytes_up,
            ..HostUsage::default()
        };
        let hosts = hosts.iter();
        Usage {
            by_host: hosts
                .map(|(name, up)| ((*name).to_owned(), host(*up)))
                .collect(),
            ..Usage::default()
        }
    }

    #[test]
    fn what_the_log_has_no_close_of_is_open() {
        let live = usage(&[("a.test", 10), ("b.test", 7), (OTHER, 9)]);
        let closed = [("a.test", 4), ("b.test", 7), ("c.test", 5)]
            .map(|(name, up)| (name.to_owned(), (up, 0)))
            .into();
        let expected = [("a.test", 6, 0), (OTHER, 4, 0)];
        let expected = expected.map(|(name, up, down)| (name.to_owned(), up, down));
        assert_eq!(open(&live, &closed), expected);
    }

    #[test]
    fn one_unexplained_byte_turns_the_verdict() {
        let sums = SessionLedger::default();
        let mut kernel = KernelUsage {
            socket_up: 100,
            client_up: 100,
            ..KernelUsage::default()
        };
        let good = verdict(Some(&kernel), false, &sums);
        assert!(good.is_complete && good.verdict.starts_with("That is all: of the 100 bytes"));
        (kernel.client_up, kernel.unexplained_bytes) = (99, 1);
        let bad = verdict(Some(&kernel), true, &sums);
        assert!(!bad.is_complete && bad.verdict.contains("NOT be all: 1 bytes"));
        let alerted = SessionLedger {
            alerted: 3,
            ..SessionLedger::default()
        };
        let earlier = verdict(Some(&KernelUsage::default()), true, &alerted);
        assert!(!earlier.is_complete, "an alert of an earlier office counts");
        assert!(!verdict(None, false, &sums).is_complete);
    }
}
