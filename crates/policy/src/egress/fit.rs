//! How one rule stands to one request.
//!
//! Not for: choosing among rules (`egress`).

use crate::decision::{Handling, Reason};
use crate::egress::{Request, RequestKind};
use crate::origin::Origin;
use crate::rule::Rule;
use crate::terms::Terms;

/// How far one allow rule goes towards a request; the farthest one explains a denial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fit {
    Port,
    Method,
    Path,
    Tls,
    Full,
}

impl Fit {
    pub(super) const fn reason(self) -> Reason {
        match self {
            Self::Full => Reason::Allowed,
            Self::Tls => Reason::SecretNeedsTls,
            Self::Path => Reason::PathNotAllowed,
            Self::Method => Reason::MethodNotAllowed,
            Self::Port => Reason::PortNotAllowed,
        }
    }
}

/// Narrower hosts first, then where the rule stands: the same choice in whatever order rules come.
pub(super) fn preference(rule: &Rule) -> (std::cmp::Reverse<(usize, u8)>, &Origin) {
    (std::cmp::Reverse(rule.host().specificity()), rule.origin())
}

pub(super) fn fit(rule: &Rule, request: &Request<'_>) -> Fit {
    if request.kind == RequestKind::Name {
        return Fit::Full;
    }
    if !rule.has_port(request.destination.port) {
        return Fit::Port;
    }
    if request.kind == RequestKind::Tunnel {
        return Fit::Full;
    }
    let given = |method: &str| request.method == Some(method);
    if let Some(methods) = rule.methods()
        && !methods.iter().any(|method| given(method.as_str()))
    {
        return Fit::Method;
    }
    match (rule.paths(), request.path) {
        (None, _) => {}
        (Some(globs), Some(path)) if globs.iter().any(|glob| glob.matches(path)) => {}
        (Some(_), _) => return Fit::Path,
    }
    if rule.secrets().is_empty() || request.tls {
        Fit::Full
    } else {
        Fit::Tls
    }
}

/// Whether a deny rule refuses a request; what it can't see of one counts against the request. What a
/// tunnel hides is judged inside.
pub(super) fn forbids(rule: &Rule, request: &Request<'_>) -> bool {
    if request.kind == RequestKind::Name {
        // A rule about some ports, methods or paths leaves the rest of the host open.
        return rule.any_port() && !rule.is_restricted();
    }
    if !rule.has_port(request.destination.port) {
        return false;
    }
    if request.kind == RequestKind::Tunnel {
        return !rule.is_restricted();
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
    method && path
}

/// The terms of all rules that fit, the narrowest first.
pub(super) fn terms<'a>(
    request: &Request<'_>,
    handling: Handling,
    fitting: impl Iterator<Item = &'a Rule>,
) -> Terms {
    if request.kind == RequestKind::Name || handling == Handling::Intercept {
        return Terms::NONE;
    }
    let mut fitting: Vec<&Rule> = fitting.collect();
    fitting.sort_unstable_by_key(|rule| preference(rule));
    let each = fitting.into_iter().map(Terms::of);
    each.reduce(Terms::and).unwrap_or_default()
}
