//! The one place that writes answers of our own: the denial, and its form in HTTP/1.1.
//!
//! Not for: relayed answers.

use model::EventId;

use crate::refusal::Refusal;

/// What an answer of ours leaves behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Manner {
    /// The request was a HEAD: the body is announced and not sent.
    pub(crate) head_only: bool,
    /// The connection stays open for another request.
    pub(crate) keep_alive: bool,
}

impl Manner {
    /// The whole answer, and then the connection closes.
    pub(crate) const LAST: Self = Self {
        head_only: false,
        keep_alive: false,
    };
}

/// Seconds to wait after what does not pass by itself within seconds: it keeps clients from a tight loop.
const RETRY_AFTER: u32 = 30;

/// The bytes of a denial.
pub(crate) fn denial(refusal: &Refusal, manner: Manner) -> Vec<u8> {
    let Denial {
        status,
        fields,
        body,
    } = Denial::of(refusal);
    let connection = if manner.keep_alive {
        "keep-alive"
    } else {
        "close"
    };
    let mut answer = format!("HTTP/1.1 {status} {}\r\n", phrase(status)).into_bytes();
    for (name, value) in fields {
        answer.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    answer.extend_from_slice(format!("connection: {connection}\r\n").as_bytes());
    answer.extend_from_slice(b"\r\n");
    if !manner.head_only {
        answer.extend_from_slice(&body);
    }
    answer
}

/// What a denial says, in whatever protocol.
pub(crate) struct Denial {
    pub(crate) status: u16,
    pub(crate) fields: Vec<(&'static str, String)>,
    /// JSON.
    pub(crate) body: Vec<u8>,
}

impl Denial {
    pub(crate) fn of(refusal: &Refusal) -> Self {
        // Serialising a struct of plain fields can't fail; an empty object would still deny.
        let body = serde_json::to_vec(refusal).unwrap_or_else(|_impossible| b"{}".to_vec());
        let mut fields = vec![
            ("content-type", "application/json".to_owned()),
            ("content-length", body.len().to_string()),
            ("x-sheriff-reason", refusal.reason.clone()),
            ("cache-control", "no-store".to_owned()),
        ];
        if matches!(refusal.status, 429 | 503) {
            let wait = refusal.retry_after.unwrap_or(RETRY_AFTER);
            fields.push(("retry-after", wait.to_string()));
        }
        Self {
            status: refusal.status,
            fields,
            body,
        }
    }
}

/// The answer to a CONNECT whose upstream connection stands.
pub(crate) const ESTABLISHED: &[u8] = b"HTTP/1.1 200 Connection established\r\n\r\n";

/// What happened, in words; for a malformed request its code says where.
pub(crate) fn text(reason: &str) -> &'static str {
    match reason {
        "not_in_allowlist" => "no rule allows this host",
        "denied_by_rule" => "a rule denies this",
        "port_not_allowed" => "the host is allowed on other ports only",
        "ip_literal_not_allowed" => "addresses are not allowed in place of names",
        "metadata_service" => "metadata services are never reached",
        "forbidden_address" => "addresses of this class are never dialled",
        "own_address" => "the host resolves to an address of this machine",
        "method_not_allowed" => "the host is allowed with other methods only",
        "path_not_allowed" => "the host is allowed with other paths only",
        "needs_interception" => {
            "the rule restricts what a tunnel hides, and TLS can't be opened here"
        }
        "host_mismatch" => "the Host field names another host than the request or its connection",
        "above_ceiling" => "the operator's ceiling forbids this",
        "body_too_large" => "the request's content is longer than the rule lets pass",
        "websocket_not_allowed" => "the rule forbids WebSockets",
        "certificate_unavailable" => "no certificate could be made for this host",
        "client_tls_failed" => "the client did not take the certificate of the jail's authority",
        "secret_misdirected" => "a secret's placeholder was sent where the secret is not for",
        "secret_needs_tls" => "a secret is only sent under TLS",
        "secret_unavailable" => "the secret's value can't be had now, so nothing was sent",
        "unreadable_body" => {
            "the request's content is in a coding that can't be looked into for secrets"
        }
        "answer_unreadable" => "the answer's content can't be looked into for secrets",
        "rate_limited" => "more requests than the rule's rate",
        "opaque_name" => {
            "the name is too long or looks like encoded data, where the rule leaves it open"
        }
        "too_many_names" => "too many new names below wildcards in the last minute",
        "sni_mismatch" => "the TLS handshake names another host than CONNECT",
        "not_tls" => "only TLS may pass through this port",
        "upgrade_refused" => "only an upgrade to websocket is possible",
        "dns_refused" => "names are resolved by the proxy alone",
        "budget_exceeded" => "a budget of the session is used up",
        "too_many_connections" => "the session has too many connections open",
        "resolve_failed" => "the host name could not be resolved",
        "upstream_unreachable" => "the host could not be reached",
        "upstream_proxy" => "the proxy that egress goes through failed",
        "upstream_protocol" => "the host's answer was not well-formed",
        "upstream_timeout" => "the host did not answer in time",
        "upstream_aborted" => "the host broke off",
        "tls_failed" => "the host could not prove who it is",
        "answer_too_large" => "the answer is longer than a fetch returns",
        "not_recorded" => "the decision could not be recorded, so nothing was sent",
        "session_closed" => "the session is being closed",
        "policy_changed" => "the policy was changed and forbids this now",
        "idle_timeout" => "nothing moved for too long",
        "client_aborted" => "the client broke off",
        _ => "the request is not well-formed",
    }
}

/// What the reader of a denial can do.
pub(crate) fn next_steps(reason: &str, host: &str, id: &EventId) -> Vec<String> {
    let why = match reason {
        "not_in_allowlist" | "port_not_allowed" | "method_not_allowed" | "path_not_allowed" => {
            format!(
                "the operator sees more with `sheriff egress why {id}`, and gets rules proposed by `sheriff egress learn`"
            )
        }
        _ => format!("the operator sees more with `sheriff egress why {id}`"),
    };
    own_step(reason, host).into_iter().chain([why]).collect()
}

/// The same for a denial that was counted and not recorded.
pub(crate) fn next_steps_unrecorded(reason: &str, host: &str) -> Vec<String> {
    let counted = "too many denials: this one was counted, and its id is not in the log";
    let slow = "slow down: denials are recorded one by one again when there are fewer";
    let ours = [counted.to_owned(), slow.to_owned()];
    own_step(reason, host).into_iter().chain(ours).collect()
}

fn own_step(reason: &str, host: &str) -> Option<String> {
    let own = match reason {
        "not_in_allowlist" | "port_not_allowed" => {
            format!(
                "ask the operator to allow {host}: `sheriff run --allow HOST[:PORT]` or an [[egress.allow]] rule"
            )
        }
        "method_not_allowed"
        | "path_not_allowed"
        | "denied_by_rule"
        | "body_too_large"
        | "websocket_not_allowed" => {
            "ask the operator whether the rule that denies this is meant".to_owned()
        }
        "ip_literal_not_allowed" => "use the host's name instead of its address".to_owned(),
        "forbidden_address" | "metadata_service" | "own_address" => {
            "an internal service is opened by the operator with `connect = \"ADDR:PORT\"` on a rule"
                .to_owned()
        }
        "dns_refused" => "send the host's name to the proxy, which resolves it".to_owned(),
        "sni_mismatch" | "host_mismatch" => "use one host name throughout the request".to_owned(),
        "not_tls" => "speak TLS on this port, or have the operator allow another port".to_owned(),
        "opaque_name" => format!("have the operator allow {host} by its whole name"),
        "too_many_names" => {
            "wait a minute, or have the operator allow the names one by one".to_owned()
        }
        "client_tls_failed" => {
            "have the program trust the certificates that SSL_CERT_FILE names".to_owned()
        }
        "secret_misdirected" => "use the secret for the host that it is bound to".to_owned(),
        "secret_needs_tls" => "use https".to_owned(),
        "unreadable_body" => "send the content as it is, or with gzip".to_owned(),
        "rate_limited" => "wait as long as Retry-After says".to_owned(),
        "budget_exceeded" => "ask the operator for a larger budget".to_owned(),
        "too_many_connections" => "close connections that are no longer needed".to_owned(),
        _ => return None,
    };
    Some(own)
}

const fn phrase(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        403 => "Forbidden",
        413 => "Content Too Large",
        421 => "Misdirected Request",
        429 => "Too Many Requests",
        502 => "Bad Gateway",
        _ => "Service Unavailable",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal() -> Refusal {
        let id = EventId::from_random([1; 8]);
        Refusal {
            status: 403,
            error: "x".to_owned(),
            reason: "not_in_allowlist".to_owned(),
            host: "a\\r\\nb".to_owned(),
            port: 443,
            rule: None,
            retry_after: None,
            next_steps: next_steps("not_in_allowlist", "a.test", &id),
            id,
        }
    }

    #[test]
    fn a_denial_announces_the_body_that_it_sends() {
        let text = String::from_utf8(denial(&refusal(), Manner::LAST)).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}\r\n", body.len())));
        assert!(head.contains("x-sheriff-reason: not_in_allowlist\r\n"));
        let json: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(json["id"], "e-0101010101010101");
        assert_eq!(json["next_steps"].as_array().unwrap().len(), 2);
    }

    #[test]
    fn a_denied_head_has_the_length_but_not_the_body() {
        let manner = Manner {
            head_only: true,
            keep_alive: true,
        };
        let text = String::from_utf8(denial(&refusal(), manner)).unwrap();
        assert!(text.ends_with("\r\n\r\n"));
        assert!(text.contains("connection: keep-alive"));
    }
}
