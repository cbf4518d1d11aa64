//! A request as somebody writes it down, and what a policy says to it.
//!
//! It is judged as the proxy would: a tunnel first, where TLS is spoken, and the request inside if the
//! tunnel is opened.
//!
//! Not for: what only shows when it is made: addresses, budgets, rates that are used up, other names.

use api::control::RulePlace;
use model::{ByteSize, LlmKind, SecretName, Verdict};
use policy::target::TargetError;
use policy::{
    Decision, Destination, DestinationError, EgressPolicy, Handling, Request, RequestKind, Scheme,
    Target,
};
use serde::Serialize;

/// Longest method; the longest registered one has 17 letters.
const METHOD_MAX: usize = 32;

/// A request that is none.
#[derive(Debug, thiserror::Error)]
pub(crate) enum QuestionError {
    #[error("method {given:?} is none: letters and hyphens, at most {METHOD_MAX}")]
    Method { given: String },
    #[error("{given:?}: {source}; write http://, https://, ws:// or wss:// and HOST[:PORT][/PATH]")]
    Url { given: String, source: TargetError },
    #[error("{given:?}: {source}; write HOST:PORT after CONNECT")]
    Authority {
        given: String,
        source: DestinationError,
    },
}

/// What is asked.
#[derive(Debug)]
pub(super) struct Question {
    method: String,
    destination: Destination,
    /// None for a bare tunnel.
    path: Option<String>,
    tls: bool,
    websocket: bool,
}

/// What a policy says.
#[derive(Debug, Serialize)]
pub(crate) struct Ruling {
    /// The method as it was given.
    pub(crate) method: String,
    /// Host and port.
    pub(crate) destination: String,
    /// The canonical path, which is what rules are held against.
    pub(crate) path: Option<String>,
    /// Allow or deny.
    pub(crate) verdict: Verdict,
    /// Stable code of the reason.
    pub(crate) reason: &'static str,
    /// How the connection is treated.
    pub(crate) handling: Treatment,
    /// The rule that decides, or comes nearest.
    pub(crate) rule: Option<String>,
    /// Where it stands.
    pub(crate) place: Option<RulePlace>,
    /// The address that is dialled in place of the host's.
    pub(crate) connect: Option<String>,
    /// What an allowed request must keep to.
    pub(crate) terms: Option<Bound>,
}

/// What the proxy does with the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Treatment {
    /// Plain HTTP: each request is seen.
    Plain,
    /// TLS that is carried unread.
    Tunnel,
    /// TLS that is opened: each request is seen.
    Intercepted,
}

/// Terms for a reader.
#[derive(Debug, Serialize)]
pub(crate) struct Bound {
    /// Secrets that may be put in.
    pub(crate) secrets: Vec<SecretName>,
    /// Most bytes of the body.
    pub(crate) max_body: Option<ByteSize>,
    /// Whether it may become a WebSocket.
    pub(crate) websocket: bool,
    /// How the answer tells what it cost.
    pub(crate) llm: Option<LlmKind>,
    /// How often, by which rule.
    pub(crate) rates: Vec<String>,
}

impl Question {
    /// Reads a method and a URL, or `CONNECT` and `HOST:PORT`.
    pub(super) fn read(method: &str, url: &str) -> Result<Self, QuestionError> {
        let given = || url.chars().take(200).collect::<String>();
        let letters = method.bytes().all(|b| b.is_ascii_alphabetic() || b == b'-');
        if method.is_empty() || method.len() > METHOD_MAX || !letters {
            let given = method.chars().take(64).collect();
            return Err(QuestionError::Method { given });
        }
        if method == "CONNECT" {
            let destination = Destination::from_authority(url.as_bytes(), None);
            let destination = destination.map_err(|source| QuestionError::Authority {
                given: given(),
                source,
            })?;
            return Ok(Self {
                method: method.to_owned(),
                destination,
                path: None,
                tls: true,
                websocket: false,
            });
        }
        let (websocket, http) = as_http(url);
        let target = Target::from_absolute_uri(http.as_bytes());
        let target = target.map_err(|source| QuestionError::Url {
            given: given(),
            source,
        })?;
        Ok(Self {
            method: method.to_owned(),
            destination: target.destination,
            path: Some(target.path.as_str().to_owned()),
            tls: target.scheme == Scheme::Https,
            websocket,
        })
    }

    /// The policy's ruling.
    pub(super) fn put_to(&self, policy: &EgressPolicy) -> Ruling {
        let (handling, decision) = self.judge(policy);
        let mut reason = decision.reason.code();
        let mut verdict = decision.verdict;
        if verdict == Verdict::Allow {
            if self.websocket && !decision.terms.websocket {
                (verdict, reason) = (Verdict::Deny, "websocket_not_allowed");
            } else if self.is_opaque(&decision) {
                (verdict, reason) = (Verdict::Deny, "opaque_name");
            }
        }
        Ruling {
            method: self.method.clone(),
            destination: self.destination.to_string(),
            path: self.path.clone(),
            verdict,
            reason,
            handling,
            rule: decision.rule.clone(),
            place: None,
            connect: decision.connect.map(|address| address.to_string()),
            terms: (verdict == Verdict::Allow).then(|| Bound::of(decision)),
        }
    }

    fn judge(&self, policy: &EgressPolicy) -> (Treatment, Decision) {
        if !self.tls {
            return (Treatment::Plain, self.judge_as(RequestKind::Http, policy));
        }
        let tunnel = self.judge_as(RequestKind::Tunnel, policy);
        match tunnel.handling {
            Handling::Intercept if self.path.is_some() => {
                let inside = self.judge_as(RequestKind::Http, policy);
                (Treatment::Intercepted, inside)
            }
            Handling::Intercept => (Treatment::Intercepted, tunnel),
            Handling::Tunnel => (Treatment::Tunnel, tunnel),
        }
    }

    fn judge_as(&self, kind: RequestKind, policy: &EgressPolicy) -> Decision {
        policy.judge(&Request {
            destination: &self.destination,
            kind,
            method: (kind == RequestKind::Http).then_some(self.method.as_str()),
            path: self.path.as_deref(),
            tls: self.tls,
        })
    }

    /// Whether the part of the name that a wildcard leaves open says too much.
    fn is_opaque(&self, decision: &Decision) -> bool {
        let name = self.destination.host.name();
        let open = name.zip(decision.open);
        let open = open.and_then(|(name, open)| name.as_str().get(..open));
        open.is_some_and(|open| policy::check_open(open).is_err())
    }
}

impl Bound {
    fn of(decision: Decision) -> Self {
        let rates = decision.terms.rates.iter();
        Self {
            rates: rates
                .map(|(rule, rate)| format!("{rate} ({rule})"))
                .collect(),
            secrets: decision.terms.secrets,
            max_body: decision.terms.max_body.map(ByteSize),
            websocket: decision.terms.websocket,
            llm: decision.terms.llm,
        }
    }
}

/// A WebSocket begins as an HTTP request to the same place (RFC 6455 3).
fn as_http(url: &str) -> (bool, String) {
    for (scheme, http) in [("ws://", "http://"), ("wss://", "https://")] {
        if let Some(rest) = url.strip_prefix(scheme) {
            return (true, format!("{http}{rest}"));
        }
    }
    (false, url.to_owned())
}
