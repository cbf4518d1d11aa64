//! The operator's ceiling: rules that a request must pass besides the session's own.
//!
//! A ceiling only ever takes away. What it allows is not allowed by that; what it denies stays denied;
//! its terms add to the rules' own. A ceiling without allow rules bounds by what it denies alone.
//!
//! Not for: reading one (`ceiling`).

use std::sync::Arc;

use super::fit::{Fit, fit, preference, terms};
use super::{EgressPolicy, Request, RequestKind};
use crate::decision::{Decision, Handling, Reason};
use crate::rule::Rule;
use crate::terms::Terms;

impl EgressPolicy {
    /// These rules under a ceiling, beside any that they are under already: a request must be allowed by
    /// all. The ceiling's generation is of no meaning.
    #[must_use]
    pub fn under(self, ceiling: Arc<Self>) -> Self {
        let ceiling = match self.ceiling {
            None => ceiling,
            Some(first) => Arc::new(Self::clone(&first).under(ceiling)),
        };
        Self {
            ceiling: Some(ceiling),
            ..self
        }
    }

    /// What this ceiling leaves of a permission.
    pub(super) fn bound(&self, request: &Request<'_>, own: Decision) -> Decision {
        let above = |rule| Decision::denied(Reason::AboveCeiling, rule);
        if let Some(denied) = self.denial(request) {
            return above(denied.rule);
        }
        let mut rules = self.allow.matching(&request.destination.host);
        let nearest = nearest(&rules, request);
        rules.retain(|rule| permits(rule, request, &own));
        if rules.is_empty() && !self.allow.rules().is_empty() {
            return above(nearest);
        }
        let opened = self.handling(request, rules.iter().copied()) == Handling::Intercept;
        let handling = if opened {
            Handling::Intercept
        } else {
            own.handling
        };
        let bounded = Decision {
            handling,
            terms: match handling {
                Handling::Intercept => Terms::NONE,
                Handling::Tunnel => own.terms.and(terms(request, handling, rules.into_iter())),
            },
            ..own
        };
        match &self.ceiling {
            Some(next) => next.bound(request, bounded),
            None => bounded,
        }
    }
}

/// The rule that comes nearest to permitting a request, to explain why none does.
fn nearest(rules: &[&Rule], request: &Request<'_>) -> Option<String> {
    let nearest = rules
        .iter()
        .min_by_key(|rule| (std::cmp::Reverse(fit(rule, request)), preference(rule)));
    nearest.map(|rule| rule.origin().to_string())
}

/// An address that the session's rule dials must be the ceiling's, too: a name that the ceiling allows
/// must not become a way into the host's networks.
fn permits(rule: &Rule, request: &Request<'_>, own: &Decision) -> bool {
    let dialled = request.kind != RequestKind::Name;
    fit(rule, request) == Fit::Full && (!dialled || rule.connect() == own.connect)
}
