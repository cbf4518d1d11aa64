//! Holds a proposal against what it was made of: everything must be allowed, and every rule needed.
//!
//! Not for: mending one that fails.

use model::ProfileName;

use super::observed::{Observed, Place};
use crate::decision::Handling;
use crate::destination::Destination;
use crate::egress::{EgressPolicy, EgressRules, PolicyError, Request, RequestKind};
use crate::profile::{FILE_MAX, ProfileError, Source, read_egress_list};
use crate::rule::Rule;

/// A proposal that does not hold what it promises, or that nobody could use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProposalError {
    /// It is longer than a list may be.
    #[error(
        "so much was asked for that the list would have {bytes} bytes; at most {FILE_MAX} are read. Record the command's parts one by one"
    )]
    TooLong {
        /// How long it is.
        bytes: usize,
    },
    /// It can't be read.
    #[error("the proposal is no egress list: {0}")]
    Unreadable(#[from] ProfileError),
    /// Its rules make no policy.
    #[error("the proposal makes no policy: {0}")]
    Policy(#[from] PolicyError),
    /// It denies something that was seen.
    #[error("the proposal denies {what}, which was seen")]
    Denies {
        /// The request.
        what: String,
    },
    /// One of its rules does nothing.
    #[error("rule {rule} of the proposal is not needed")]
    Superfluous {
        /// Which.
        rule: String,
    },
}

/// Checks a proposal's text, host by host: no rule speaks of two.
pub(super) fn hold(
    name: &ProfileName,
    text: &str,
    observed: &Observed,
) -> Result<(), ProposalError> {
    if text.len() > FILE_MAX {
        return Err(ProposalError::TooLong { bytes: text.len() });
    }
    let source = Source {
        file: "proposal".to_owned(),
        text: text.to_owned(),
    };
    let rules = read_egress_list(name, &source)?;
    let whole = policy(&rules)?;
    for (destination, place) in observed.places() {
        if let Some(what) = denied(&whole, destination, place) {
            return Err(ProposalError::Denies { what });
        }
    }
    rules
        .iter()
        .try_for_each(|rule| need(rule, &rules, observed))
}

/// Without the rule something must be denied.
fn need(rule: &Rule, rules: &[Rule], observed: &Observed) -> Result<(), ProposalError> {
    let others: Vec<Rule> = rules
        .iter()
        .filter(|other| other.host() == rule.host() && *other != rule)
        .cloned()
        .collect();
    let others = policy(&others)?;
    let needed = observed
        .places()
        .filter(|(destination, _)| rule.host().matches(&destination.host))
        .any(|(destination, place)| denied(&others, destination, place).is_some());
    if needed {
        return Ok(());
    }
    let rule = rule.origin().to_string();
    Err(ProposalError::Superfluous { rule })
}

fn policy(rules: &[Rule]) -> Result<EgressPolicy, PolicyError> {
    let rules = rules.to_vec();
    EgressPolicy::new(0, EgressRules { rules })
}

/// The first request to a place that a policy denies, or looks into where it must not.
fn denied(policy: &EgressPolicy, at: &Destination, place: &Place) -> Option<String> {
    let judge = |kind, method, path, tls| {
        policy.judge(&Request {
            destination: at,
            kind,
            method,
            path,
            tls,
        })
    };
    let tunnel = judge(RequestKind::Tunnel, None, None, false);
    let closed = tunnel.is_allowed() && tunnel.handling == Handling::Tunnel;
    if place.closed.is_some() && !closed {
        return Some(format!("CONNECT {at}"));
    }
    let denied = place.requests.keys().find(|asked| {
        let (method, path) = (asked.method.as_str(), asked.path.as_str());
        let inside = judge(RequestKind::Http, Some(method), Some(path), asked.tls);
        let reached = !asked.tls || tunnel.is_allowed();
        !(reached && (inside.is_allowed() || (asked.tls && closed)))
    });
    denied.map(|asked| format!("{} {at}{}", asked.method, asked.path))
}
