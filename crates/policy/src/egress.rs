//! The judge: a pure function of the policy and one request.
//!
//! Default deny, deny beats allow, and the order of rules never matters. The verdict's cost depends on
//! the rules that speak of the host, not on how many there are.
//!
//! Not for: resolving, dialling, budgets or records (`egress` the crate).

use std::collections::HashMap;

use model::Verdict;
use serde::{Deserialize, Serialize};

use crate::address::{AddressClass, forbidden, is_metadata_name};
use crate::decision::{Decision, Reason};
use crate::destination::{Destination, Host};
use crate::host::HostPattern;
use crate::index::HostIndex;
use crate::origin::Origin;
use crate::path::CanonicalPath;
use crate::rule::{Effect, Rule};

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

/// How far one allow rule goes towards a request; the farthest one explains a denial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    Port,
    Method,
    Path,
    Interception,
    Full,
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

    /// The verdict on a request.
    #[must_use]
    pub fn judge(&self, request: &Request<'_>) -> Decision {
        let host = &request.destination.host;
        if is_metadata(host) {
            return Decision::denied(Reason::MetadataService, None);
        }
        let request = request.with_canonical_path();
        self.denial(&request)
            .unwrap_or_else(|| self.permission(&request))
    }

    fn denial(&self, request: &Request<'_>) -> Option<Decision> {
        let rules = self.deny.matching(&request.destination.host);
        let (reason, rule) = rules
            .into_iter()
            .filter_map(|rule| Some((forbids(rule, request)?, rule)))
            .min_by_key(|(reason, rule)| {
                (*reason == Reason::NeedsInterception, preference(rule))
            })?;
        Some(Decision::denied(reason, Some(rule.origin().to_string())))
    }

    fn permission(&self, request: &Request<'_>) -> Decision {
        let best = self
            .allow
            .matching(&request.destination.host)
            .into_iter()
            .map(|rule| (fit(rule, request), rule))
            .min_by_key(|(fit, rule)| {
                (
                    std::cmp::Reverse(*fit),
                    rule.connect().is_none(),
                    preference(rule),
                )
            });
        let Some((fit, rule)) = best else {
            return Decision::denied(unlisted(&request.destination.host), None);
        };
        let reason = fit.reason();
        let origin = Some(rule.origin().to_string());
        if fit != Fit::Full {
            return Decision::denied(reason, origin);
        }
        Decision {
            verdict: Verdict::Allow,
            reason,
            rule: origin,
            connect: rule.connect(),
            open: rule.host().open(&request.destination.host),
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

impl Fit {
    const fn reason(self) -> Reason {
        match self {
            Self::Full => Reason::Allowed,
            Self::Interception => Reason::NeedsInterception,
            Self::Path => Reason::PathNotAllowed,
            Self::Method => Reason::MethodNotAllowed,
            Self::Port => Reason::PortNotAllowed,
        }
    }
}

/// Narrower hosts first, then where the rule stands: the same choice in whatever order rules come.
fn preference(rule: &Rule) -> (std::cmp::Reverse<(usize, u8)>, &Origin) {
    (std::cmp::Reverse(rule.host().specificity()), rule.origin())
}

fn fit(rule: &Rule, request: &Request<'_>) -> Fit {
    if request.kind == RequestKind::Name {
        return Fit::Full;
    }
    if !rule.has_port(request.destination.port) {
        return Fit::Port;
    }
    if !rule.is_restricted() {
        return Fit::Full;
    }
    if request.kind == RequestKind::Tunnel {
        return Fit::Interception;
    }
    let given = |method: &str| request.method == Some(method);
    if let Some(methods) = rule.methods()
        && !methods.iter().any(|method| given(method.as_str()))
    {
        return Fit::Method;
    }
    match (rule.paths(), request.path) {
        (None, _) => Fit::Full,
        (Some(globs), Some(path)) if globs.iter().any(|glob| glob.matches(path)) => Fit::Full,
        (Some(_), _) => Fit::Path,
    }
}

/// The reason for which a deny rule refuses a request; what it can't see counts against the request.
fn forbids(rule: &Rule, request: &Request<'_>) -> Option<Reason> {
    if request.kind == RequestKind::Name {
        // A rule about some ports, methods or paths leaves the rest of the host open.
        let whole_host = rule.any_port() && !rule.is_restricted();
        return whole_host.then_some(Reason::DeniedByRule);
    }
    if !rule.has_port(request.destination.port) {
        return None;
    }
    if rule.is_restricted() && request.kind == RequestKind::Tunnel {
        return Some(Reason::NeedsInterception);
    }
    // Some servers read methods in any case, so a deny rule does too.
    let method = rule.methods().is_none_or(|methods| {
        let same = |given: &str| {
            methods
                .iter()
                .any(|method| method.as_str().eq_ignore_ascii_case(given))
        };
        request.method.is_none_or(same)
    });
    let path = rule.paths().is_none_or(|globs| {
        let same = |given: &str| globs.iter().any(|glob| glob.matches(given));
        request.path.is_none_or(same)
    });
    (method && path).then_some(Reason::DeniedByRule)
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
