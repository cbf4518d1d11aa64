//! One egress decision in words, and what would have changed it.
//!
//! Not for: the denial that the jail gets; the proxy writes that.

use model::{EgressEvent, Verdict};

/// The verdict in a sentence.
pub(super) fn sentence(event: &EgressEvent) -> String {
    let verdict = match event.verdict {
        Verdict::Allow => "allowed",
        Verdict::Deny => "denied",
    };
    let rule = match &event.rule {
        Some(rule) => format!("by rule {rule}"),
        None => "with no rule for it".to_owned(),
    };
    format!(
        "{} {}:{} was {verdict} {rule}: {} (policy generation {})",
        event.method, event.host, event.port, event.reason, event.policy_generation
    )
}

/// What an operator can do about a denial.
pub(super) fn next_steps(event: &EgressEvent) -> Vec<String> {
    if event.verdict == Verdict::Allow {
        return Vec::new();
    }
    let (host, port) = (&event.host, event.port);
    let step = match event.reason.as_str() {
        "not_in_allowlist" | "port_not_allowed" => format!(
            "allow it for one run with `--allow {host}:{port}`, or in the profile with an [[egress.allow]] rule"
        ),
        "ip_literal_not_allowed" => "have the agent use the host's name".to_owned(),
        "forbidden_address" | "own_address" => format!(
            "if the service is meant, name its address: `--connect {host}:{port}=ADDR:PORT`"
        ),
        "method_not_allowed" | "path_not_allowed" | "denied_by_rule" => {
            "change the rule that decided, if this request is meant to pass".to_owned()
        }
        "secret_needs_tls" => {
            "have the agent use https: the rule's secret leaves over TLS only".to_owned()
        }
        "above_ceiling" => {
            "the operator's ceiling, `[ceilings.egress]` in sheriffd.toml, would have to allow it"
                .to_owned()
        }
        "body_too_large" => {
            "raise the rule's `max_body`, if bodies of this size are meant to leave".to_owned()
        }
        "websocket_not_allowed" => {
            "a rule about this host has `websocket = false`; change it, if it is meant to pass".to_owned()
        }
        "rate_limited" => "raise the rule's `rate`, or have the agent ask less often".to_owned(),
        "secret_misdirected" => {
            "a placeholder went where its secret does not go; `sheriff secret list` says where each does".to_owned()
        }
        "secret_unavailable" => {
            "see that the secret has a value that can be read: `sheriff secret list`".to_owned()
        }
        "budget_exceeded" => "raise the byte budget in the profile's [budget]".to_owned(),
        _ => return Vec::new(),
    };
    let more = by_rules(&event.reason).then(|| {
        "`sheriff egress learn -- CMD` proposes rules for all that a command asks for, and `sheriff egress \
         replay` says what other rules would change"
            .to_owned()
    });
    std::iter::once(step).chain(more).collect()
}

/// Whether other rules of the session would have let it through.
fn by_rules(reason: &str) -> bool {
    [
        "not_in_allowlist",
        "port_not_allowed",
        "method_not_allowed",
        "path_not_allowed",
    ]
    .contains(&reason)
}
