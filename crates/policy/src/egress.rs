//! The judge: a pure function of the policy and one request.
//!
//! Default deny, deny beats allow, and the order of rules never matters. The verdict's cost depends on
//! the rules that speak of the host, not on how many there are.
//!
//! Not for: resolving, dialling, budgets or records (`egress` the crate).

mod bound;
mod fit;
mod lesson;

use std::collections::HashMap;
use std::sync::Arc;

use model::Verdict;
use serde::{Deserialize, Serialize};

use crate::address::{AddressClass, forbidden, is_metadata_name};
use crate::decision::{Decision, Handling, Reason};
use crate::destination::{Destination, Host};
use crate::host::HostPattern;
use crate::index::HostIndex;
use crate::origin::Origin;
use crate::path::CanonicalPath;
use crate::rule::{Effect, Rule};

pub use lesson::LEARNING;

use fit::{Fit, fit, forbids, preference, terms};

/// Most rules of one policy, over all its files: twice what the figures are measured with.
pub const RULES_MAX: usize = 20_000;

/// What the proxy is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RequestKind {
    /// Carry bytes that it can't read: CONNECT, or TLS on a transparent port.
    Tunnel,
    /// Forward one plain HTTP request.
    Http,
    /// Give a name an address. Only the host counts: what is done with it is judged again.
    Name,
}

/// One request, parsed once.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Canonical host and port.
    pub destination: &'a Destination,
    /// What is asked.
    pub kind: RequestKind,
    /// The method of an [`RequestKind::Http`] request, as it came.
    pub method: Option<&'a str>,
    /// Its canonical path ([`CanonicalPath::as_str`]). A path in another form counts as unknown:
    /// no restricted allow rule matches it and every restricted deny rule may.
    pub path: Option<&'a str>,
    /// Whether the request travels over TLS, which the proxy opened or opens itself. Of no meaning for
    /// the other kinds.
    pub tls: bool,
}

/// Rules of one or more sources, before they become a policy.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EgressRules {
    /// All rules, in any order; each knows its effect.
    pub rules: Vec<Rule>,
}

/// An immutable, indexed set of rules.
#[derive(Debug, Clone)]
pub struct EgressPolicy {
    generation: u64,
    allow: HostIndex,
    deny: HostIndex,
    ceiling: Option<Arc<Self>>,
    learning: bool,
}

/// Why rules don't make a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// More than [`RULES_MAX`].
    #[error("{found} egress rules are refused: at most {RULES_MAX}")]
    TooManyRules {
        /// How many there are.
        found: usize,
    },
    /// Two rules would dial different addresses for the same host and port.
    #[error("rules {first} and {second} connect {host}:{port} to different addresses; keep one")]
    ConflictingConnect {
        /// One rule.
        first: Origin,
        /// The other.
        second: Origin,
        /// Their common pattern.
        host: HostPattern,
        /// A port that both name.
        port: u16,
    },
}

impl EgressPolicy {
    /// Indexes rules under a generation number that every decision's record repeats.
    ///
    /// # Errors
    /// Too many rules, or two that contradict each other.
    pub fn new(generation: u64, rules: EgressRules) -> Result<Self, PolicyError> {
        if rules.rules.len() > RULES_MAX {
            return Err(PolicyError::TooManyRules {
                found: rules.rules.len(),
            });
        }
        let (allow, deny): (Vec<Rule>, Vec<Rule>) = rules
            .rules
            .into_iter()
            .partition(|rule| rule.effect() == Effect::Allow);
        check_connects(&allow)?;
        Ok(Self {
            generation,
            allow: HostIndex::new(allow),
            deny: HostIndex::new(deny),
            ceiling: None,
            learning: false,
        })
    }

    /// The number given at its making.
    #[must_use]
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// The allow rules.
    #[must_use]
    pub fn allow(&self) -> &[Rule] {
        self.allow.rules()
    }

    /// The deny rules.
    #[must_use]
    pub fn deny(&self) -> &[Rule] {
        self.deny.rules()
    }

    /// The operator's ceiling over these rules.
    #[must_use]
    pub fn ceiling(&self) -> Option<&Self> {
        self.ceiling.as_deref()
    }

    /// The verdict on a request.
    #[must_use]
    pub fn judge(&self, request: &Request<'_>) -> Decision {
        let host = &request.destination.host;
        if is_metadata(host) {
            return Decision::denied(Reason::MetadataService, None);
        }
        let request = request.with_canonical_path();
        let own = match self.denial(&request) {
            Some(denied) => denied,
            None if self.learning => self.lesson(&request),
            None => self.permission(&request),
        };
        match &self.ceiling {
            Some(ceiling) if own.is_allowed() => ceiling.bound(&request, own),
            _ => own,
        }
    }

    fn denial(&self, request: &Request<'_>) -> Option<Decision> {
        let rules = self.deny.matching(&request.destination.host);
        let rule = rules
            .into_iter()
            .filter(|rule| forbids(rule, request))
            .min_by_key(|rule| preference(rule))?;
        let origin = rule.origin().to_string();
        Some(Decision::denied(Reason::DeniedByRule, Some(origin)))
    }

    fn permission(&self, request: &Request<'_>) -> Decision {
        let mut candidates: Vec<(Fit, &Rule)> = self
            .allow
            .matching(&request.destination.host)
            .into_iter()
            .map(|rule| (fit(rule, request), rule))
            .collect();
        candidates.sort_unstable_by_key(|(fit, rule)| {
            (
                std::cmp::Reverse(*fit),
                rule.connect().is_none(),
                preference(rule),
            )
        });
        let Some((best, rule)) = candidates.first() else {
            return Decision::denied(unlisted(&request.destination.host), None);
        };
        let origin = Some(rule.origin().to_string());
        if *best != Fit::Full {
            return Decision::denied(best.reason(), origin);
        }
        let fitting = || candidates.iter().filter(|(fit, _)| *fit == Fit::Full);
        let handling = self.handling(request, fitting().map(|(_, rule)| *rule));
        Decision {
            verdict: Verdict::Allow,
            reason: Reason::Allowed,
            rule: origin,
            connect: rule.connect(),
            open: rule.host().open(&request.destination.host),
            handling,
            terms: terms(request, handling, fitting().map(|(_, rule)| *rule)),
        }
    }

    /// Whether any rule about the destination of a tunnel speaks of what is inside.
    fn handling<'a>(
        &self,
        request: &Request<'_>,
        mut fitting: impl Iterator<Item = &'a Rule>,
    ) -> Handling {
        let port = request.destination.port;
        let concerns = |rule: &Rule| rule.is_restricted() && rule.has_port(port);
        let denied_inside = || {
            let rules = self.deny.matching(&request.destination.host);
            rules.into_iter().any(concerns)
        };
        if request.kind == RequestKind::Tunnel && (fitting.any(concerns) || denied_inside()) {
            Handling::Intercept
        } else {
            Handling::Tunnel
        }
    }
}

impl EgressRules {
    /// Adds a rule; where it is put makes no difference.
    pub fn push(&mut self, rule: Rule) {
        self.rules.push(rule);
    }
}

impl Request<'_> {
    fn with_canonical_path(&self) -> Self {
        Self {
            path: self.path.filter(|path| CanonicalPath::is_canonical(path)),
            ..*self
        }
    }
}

fn is_metadata(host: &Host) -> bool {
    host.name().is_some_and(is_metadata_name)
        || host.ip().and_then(forbidden) == Some(AddressClass::Metadata)
}

fn unlisted(host: &Host) -> Reason {
    match host.ip().map(forbidden) {
        None => Reason::NotInAllowlist,
        Some(None) => Reason::IpLiteralNotAllowed,
        Some(Some(class)) => Reason::ForbiddenAddress(class),
    }
}

/// Of patterns that differ the narrower wins; for one pattern there is only one address per port.
fn check_connects(rules: &[Rule]) -> Result<(), PolicyError> {
    let mut seen: HashMap<(&HostPattern, u16), &Rule> = HashMap::new();
    for rule in rules.iter().filter(|rule| rule.connect().is_some()) {
        for port in rule.ports().unwrap_or_default() {
            let first = *seen.entry((rule.host(), port)).or_insert(rule);
            if first.connect() != rule.connect() {
                return Err(PolicyError::ConflictingConnect {
                    first: first.origin().clone(),
                    second: rule.origin().clone(),
                    host: rule.host().clone(),
                    port,
                });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
