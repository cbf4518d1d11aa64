//! Learning: whatever no deny rule, ceiling or address class forbids is let through, so that a record shows
//! what a program needs. **This is dangerous, and it is the whole point of it**: it is for a command that
//! an operator watches, never for one that is not trusted.
//!
//! Not for: who may learn (`control`), nor what is made of the record (`proposal`).

use super::{EgressPolicy, Request, RequestKind};
use crate::decision::{Decision, Reason};
use crate::terms::Terms;

/// What records name in place of a rule when there was none.
pub const LEARNING: &str = "learning";

impl EgressPolicy {
    /// The same deny rules, ceiling and addresses to connect to; everything else is allowed, and free of
    /// the terms of allow rules: no secret goes anywhere.
    #[must_use]
    pub fn learning(self) -> Self {
        Self {
            learning: true,
            ..self
        }
    }

    /// Whether this policy lets everything through that is not forbidden.
    #[must_use]
    pub const fn is_learning(&self) -> bool {
        self.learning
    }

    /// What is said to a request that no deny rule forbids. A tunnel is to be opened only where a deny
    /// rule (or the ceiling, later) must see inside; the proxy may open others to learn what is in them.
    pub(super) fn lesson(&self, request: &Request<'_>) -> Decision {
        // By host and port alone, which is also what decides on an address to connect to.
        let kind = match request.kind {
            RequestKind::Http => RequestKind::Tunnel,
            other => other,
        };
        let own = self.permission(&Request { kind, ..*request });
        if let Reason::ForbiddenAddress(_) = own.reason {
            return own;
        }
        let rule = own.is_allowed().then_some(own.rule).flatten();
        Decision {
            rule: rule.or_else(|| Some(LEARNING.to_owned())),
            connect: own.connect,
            handling: self.handling(request, std::iter::empty()),
            ..Decision::free()
        }
    }
}

impl Decision {
    /// Allowed, with nothing to keep to.
    const fn free() -> Self {
        Self {
            verdict: model::Verdict::Allow,
            reason: Reason::Allowed,
            rule: None,
            connect: None,
            open: None,
            handling: crate::decision::Handling::Tunnel,
            terms: Terms::NONE,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::decision::Handling;
    use crate::egress::EgressRules;
    use crate::{Destination, Effect, Origin, Rule};

    fn policy(tables: &[(&str, Effect)]) -> EgressPolicy {
        let rules = tables.iter().zip(0..).map(|((text, effect), number)| {
            let table = toml::from_str(text).unwrap();
            Rule::new(table, *effect, Origin::cli(number)).unwrap()
        });
        let rules = rules.collect();
        EgressPolicy::new(1, EgressRules { rules }).unwrap()
    }

    fn judge(policy: &EgressPolicy, kind: RequestKind, to: &str, path: &str) -> Decision {
        let destination = Destination::from_authority(to.as_bytes(), None).unwrap();
        policy.judge(&Request {
            destination: &destination,
            kind,
            method: Some("GET"),
            path: Some(path),
            tls: true,
        })
    }

    const TUNNEL: RequestKind = RequestKind::Tunnel;
    const HTTP: RequestKind = RequestKind::Http;

    #[test]
    fn lets_any_host_port_and_path_through_that_the_same_rules_would_deny() {
        let rules = policy(&[(
            "host = 'a.com'\nsecret = 's'\npaths = ['/v1']",
            Effect::Allow,
        )]);
        let learning = rules.clone().learning();
        assert!(learning.is_learning() && !rules.is_learning());
        for (kind, to, path) in [
            (TUNNEL, "b.com:443", "/"),
            (HTTP, "a.com:443", "/other"),
            (HTTP, "a.com:81", "/v1"),
            (TUNNEL, "1.1.1.1:9", "/"),
            (RequestKind::Name, "c.com:53", "/"),
        ] {
            assert!(!judge(&rules, kind, to, path).is_allowed(), "{to}");
            let decision = judge(&learning, kind, to, path);
            assert!(decision.is_allowed(), "{to}: {}", decision.reason);
            assert_eq!(decision.terms, Terms::NONE, "no secret is put in");
        }
    }

    #[test]
    fn keeps_denying_what_rules_the_ceiling_and_address_classes_forbid() {
        let rules = [
            ("host = '**.evil.com'", Effect::Deny),
            ("host = 'a.com'\npaths = ['/x/**']", Effect::Deny),
        ];
        let ceiling = policy(&[("host = '**.b.com'\nmethods = ['GET']", Effect::Allow)]);
        let learning = policy(&rules).learning();
        let bounded = learning.clone().under(Arc::new(ceiling));
        for (kind, to, path, reason) in [
            (TUNNEL, "x.evil.com:443", "/", "denied_by_rule"),
            (HTTP, "a.com:443", "/x/y", "denied_by_rule"),
            (TUNNEL, "127.0.0.1:80", "/", "forbidden_address"),
            (TUNNEL, "169.254.169.254:80", "/", "metadata_service"),
            (HTTP, "b.org:443", "/", "above_ceiling"),
        ] {
            assert_eq!(
                judge(&bounded, kind, to, path).reason.code(),
                reason,
                "{to}"
            );
        }
        assert!(judge(&learning, HTTP, "b.org:443", "/").is_allowed());
        assert!(judge(&bounded, HTTP, "b.com:443", "/").is_allowed());
        let handling = |policy, to| judge(policy, TUNNEL, to, "/").handling;
        assert_eq!(handling(&learning, "b.com:443"), Handling::Tunnel);
        assert_eq!(handling(&learning, "a.com:443"), Handling::Intercept);
        assert_eq!(handling(&bounded, "b.com:443"), Handling::Intercept);
    }

    #[test]
    fn dials_the_address_that_a_rule_names_for_any_request_to_its_host_and_port() {
        let rule = "host = 'a.com'\nconnect = '127.0.0.1:9'\npaths = ['/v1']";
        let learning = policy(&[(rule, Effect::Allow)]).learning();
        let decision = judge(&learning, HTTP, "a.com:443", "/other");
        assert_eq!(decision.connect, Some("127.0.0.1:9".parse().unwrap()));
        assert_eq!(judge(&learning, HTTP, "a.com:80", "/").connect, None);
    }
}
