//! The one place that writes answers of our own: the denial as HTTP/1.1.
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

/// The bytes of a denial.
pub(crate) fn denial(refusal: &Refusal, manner: Manner) -> Vec<u8> {
    // Serialising a struct of plain fields can't fail; an empty object would still deny.
    let body = serde_json::to_vec(refusal).unwrap_or_else(|_impossible| b"{}".to_vec());
    let (status, phrase, reason) = (refusal.status, phrase(refusal.status), &refusal.reason);
    let connection = if manner.keep_alive {
        "keep-alive"
    } else {
        "close"
    };
    let length = body.len();
    let mut answer = format!(
        "HTTP/1.1 {status} {phrase}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\
         x-sheriff-reason: {reason}\r\ncache-control: no-store\r\nconnection: {connection}\r\n"
    )
    .into_bytes();
    if matches!(status, 429 | 503) {
        // Neither passes by itself within seconds; the value keeps clients from a tight loop.
        answer.extend_from_slice(b"retry-after: 30\r\n");
    }
    answer.extend_from_slice(b"\r\n");
    if !manner.head_only {
        answer.extend_from_slice(&body);
    }
    answer
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
        "needs_interception" => "the rule restricts methods or paths, which a tunnel hides",
        "host_mismatch" => "the Host field and the request target name different hosts",
        "opaque_name" => {
            "the name is too long or looks like encoded data, where the rule leaves it open"
        }
        "too_many_names" => "too many new names below wildcards in the last minute",
        "sni_mismatch" => "the TLS handshake names another host than CONNECT",
        "not_tls" => "only TLS may pass through this port",
        "upgrade_refused" => "only an upgrade to websocket is possible",
        "explicit_proxy_required" => "direct connections are closed: use the proxy",
        "dns_refused" => "names are resolved by the proxy alone",
        "budget_exceeded" => "the byte budget of the session is used up",
        "too_many_connections" => "the session has too many connections open",
        "resolve_failed" => "the host name could not be resolved",
        "upstream_unreachable" => "the host could not be reached",
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
    let why = format!("the operator sees more with `sheriff egress why {id}`");
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
        "method_not_allowed" | "path_not_allowed" | "denied_by_rule" => {
            "ask the operator whether the rule that denies this is meant".to_owned()
        }
        "ip_literal_not_allowed" => "use the host's name instead of its address".to_owned(),
        "forbidden_address" | "metadata_service" | "own_address" => {
            "an internal service is opened by the operator with `connect = \"ADDR:PORT\"` on a rule"
                .to_owned()
        }
        "explicit_proxy_required" => {
            "use the proxy that HTTP_PROXY and HTTPS_PROXY name".to_owned()
        }
        "dns_refused" => "send the host's name to the proxy, which resolves it".to_owned(),
        "sni_mismatch" | "host_mismatch" => "use one host name throughout the request".to_owned(),
        "not_tls" => "speak TLS on this port, or have the operator allow another port".to_owned(),
        "opaque_name" => format!("have the operator allow {host} by its whole name"),
        "too_many_names" => {
            "wait a minute, or have the operator allow the names one by one".to_owned()
        }
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
