//! Recorded decisions beside those of another policy, summed up in bounded memory.
//!
//! Not for: reading the record (`log`) or showing the sum (`render::replay`).

use std::collections::BTreeMap;

use model::{EgressEvent, TlsMode, Verdict, Via};
use policy::{Destination, EgressPolicy, Host, Request, RequestKind};
use serde::Serialize;

use crate::commands::egress::question::{Question, Treatment};

/// Most different changes that are told apart; the rest is summed.
const ROWS_MAX: usize = 2_000;

/// Reasons that a policy gives by itself. Of what was refused for another one, the record does not say
/// what the policy of that day made of it.
const BY_POLICY: [&str; 12] = [
    "allowed",
    "not_in_allowlist",
    "denied_by_rule",
    "port_not_allowed",
    "ip_literal_not_allowed",
    "metadata_service",
    "forbidden_address",
    "method_not_allowed",
    "path_not_allowed",
    "secret_needs_tls",
    "above_ceiling",
    "dns_refused",
];
/// Those of them that were reached after a policy's permission: it did allow the request.
const BEYOND_POLICY: [&str; 7] = [
    "budget_exceeded",
    "rate_limited",
    "body_too_large",
    "websocket_not_allowed",
    "opaque_name",
    "too_many_names",
    "not_recorded",
];

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// It was allowed, and would be denied.
    NewlyDenied,
    /// It was denied, and would be allowed.
    NewlyAllowed,
    /// A tunnel that nobody looked into would be opened: what was inside would be judged, and is unknown.
    Opened,
    /// A tunnel whose inside was judged would be left closed.
    LeftClosed,
}

/// A verdict in short.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct Outcome {
    /// Stable reason code.
    pub(crate) reason: String,
    /// The rule that decides, or comes nearest.
    pub(crate) rule: Option<String>,
}

/// Requests with the same change.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct Change {
    /// Which change.
    pub(crate) change: Kind,
    /// Method.
    pub(crate) method: String,
    /// Host.
    pub(crate) host: String,
    /// Port.
    pub(crate) port: u16,
    /// Path.
    pub(crate) path: Option<String>,
    /// What was recorded.
    pub(crate) was: Outcome,
    /// What would be.
    pub(crate) would_be: Outcome,
    /// How often.
    pub(crate) count: u64,
}

/// The sum.
#[derive(Debug, Serialize)]
pub(crate) struct Told {
    /// Decisions that were judged anew.
    pub(crate) judged: u64,
    /// Those of them that come out differently.
    pub(crate) changed: u64,
    /// By kind.
    pub(crate) newly_denied: u64,
    /// By kind.
    pub(crate) newly_allowed: u64,
    /// By kind.
    pub(crate) opened: u64,
    /// By kind.
    pub(crate) left_closed: u64,
    /// Refused before any policy was asked: not well-formed, not TLS, and the like.
    pub(crate) unjudged: u64,
    /// Denials that the record counts and does not have.
    pub(crate) suppressed: u64,
    /// Changes that are not among the rows.
    pub(crate) beyond: u64,
    /// Each change, the most frequent first.
    pub(crate) changes: Vec<Change>,
}

/// Changes as they are counted.
#[derive(Debug, Default)]
pub(super) struct Changes {
    rows: BTreeMap<Change, u64>,
    kinds: BTreeMap<Kind, u64>,
    judged: u64,
    unjudged: u64,
    suppressed: u64,
    beyond: u64,
}

/// What another policy says.
struct Verdicted {
    verdict: Verdict,
    outcome: Outcome,
    treatment: Treatment,
}

impl Changes {
    /// Judges a decision anew.
    pub(super) fn count(&mut self, event: &EgressEvent, policy: &EgressPolicy) {
        let Some((was, would_be)) = recorded(event).zip(judge(event, policy)) else {
            self.unjudged = self.unjudged.saturating_add(1);
            return;
        };
        self.judged = self.judged.saturating_add(1);
        let Some(change) = compare(event, was, &would_be) else {
            return;
        };
        *self.kinds.entry(change).or_default() += 1;
        let row = Change {
            change,
            method: event.method.clone(),
            host: event.host.clone(),
            port: event.port,
            path: event.path.clone(),
            was: Outcome {
                reason: event.reason.clone(),
                rule: event.rule.clone(),
            },
            would_be: would_be.outcome,
            count: 0,
        };
        if self.rows.len() < ROWS_MAX || self.rows.contains_key(&row) {
            *self.rows.entry(row).or_default() += 1;
        } else {
            self.beyond = self.beyond.saturating_add(1);
        }
    }

    /// Notes denials that are not in the record.
    pub(super) const fn suppressed(&mut self, count: u64) {
        self.suppressed = self.suppressed.saturating_add(count);
    }

    /// The sum of it.
    pub(super) fn told(self) -> Told {
        let of = |kind| self.kinds.get(&kind).copied().unwrap_or_default();
        let rows = self.rows.into_iter();
        let mut changes: Vec<Change> = rows
            .map(|(change, count)| Change { count, ..change })
            .collect();
        // Stable: beyond that in the order of their content.
        changes.sort_by_key(|change| (change.change, std::cmp::Reverse(change.count)));
        Told {
            judged: self.judged,
            changed: self.kinds.values().sum(),
            newly_denied: of(Kind::NewlyDenied),
            newly_allowed: of(Kind::NewlyAllowed),
            opened: of(Kind::Opened),
            left_closed: of(Kind::LeftClosed),
            unjudged: self.unjudged,
            suppressed: self.suppressed,
            beyond: self.beyond,
            changes,
        }
    }
}

/// What the policy of that day said, as far as the record tells.
fn recorded(event: &EgressEvent) -> Option<Verdict> {
    let reason = event.reason.as_str();
    if BEYOND_POLICY.contains(&reason) {
        return Some(Verdict::Allow);
    }
    let by_policy = event.verdict == Verdict::Allow || BY_POLICY.contains(&reason);
    by_policy.then_some(event.verdict)
}

fn compare(event: &EgressEvent, was: Verdict, would_be: &Verdicted) -> Option<Kind> {
    let treatment = would_be.treatment;
    match (was, would_be.verdict) {
        (Verdict::Allow, Verdict::Deny) => Some(Kind::NewlyDenied),
        (Verdict::Deny, Verdict::Allow) => Some(Kind::NewlyAllowed),
        (Verdict::Deny, Verdict::Deny) => None,
        (Verdict::Allow, Verdict::Allow) => match (event.tls, treatment) {
            (TlsMode::Tunnel, Treatment::Intercepted) => Some(Kind::Opened),
            (TlsMode::Intercept, Treatment::Tunnel) if event.via != Via::Gateway => {
                Some(Kind::LeftClosed)
            }
            _ => None,
        },
    }
}

/// `None` for what is no request that a policy could be asked about.
fn judge(event: &EgressEvent, policy: &EgressPolicy) -> Option<Verdicted> {
    if event.via == Via::Dns {
        return judge_name(event, policy);
    }
    let (host, port) = (&event.host, event.port);
    let scheme = match event.tls {
        TlsMode::None => "http",
        TlsMode::Tunnel | TlsMode::Intercept => "https",
    };
    let question = match (event.method.as_str(), &event.path) {
        ("CONNECT", None) => Question::read("CONNECT", &format!("{host}:{port}")),
        (method, Some(path)) => Question::read(method, &format!("{scheme}://{host}:{port}{path}")),
        (_, None) => return None,
    };
    let ruling = question.ok()?.put_to(policy);
    Some(Verdicted {
        verdict: ruling.verdict,
        outcome: Outcome {
            reason: ruling.reason.to_owned(),
            rule: ruling.rule,
        },
        treatment: ruling.handling,
    })
}

/// A look-up that was refused; one that was answered is on no record.
fn judge_name(event: &EgressEvent, policy: &EgressPolicy) -> Option<Verdicted> {
    let destination = Destination {
        host: Host::parse(&event.host).ok()?,
        // Of no account for a name.
        port: 53,
    };
    destination.host.name()?;
    let decision = policy.judge(&Request {
        destination: &destination,
        kind: RequestKind::Name,
        method: None,
        path: None,
        tls: false,
    });
    Some(Verdicted {
        verdict: decision.verdict,
        outcome: Outcome {
            reason: decision.reason.code().to_owned(),
            rule: decision.rule,
        },
        treatment: Treatment::Plain,
    })
}

#[cfg(test)]
mod tests;
