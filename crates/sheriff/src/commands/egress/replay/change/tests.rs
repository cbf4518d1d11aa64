//! Recorded decisions under other policies.

use policy::{EgressRules, Rule, Source};
use serde_json::json;

use super::*;

fn policy(rules: &str) -> EgressPolicy {
    let source = Source {
        file: "p.toml".to_owned(),
        text: format!("version = 1\nname = \"p\"\n{rules}"),
    };
    let rules = EgressRules::read(&"p".parse().unwrap(), &source).unwrap();
    EgressPolicy::new(0, rules).unwrap()
}

/// A decision with other values here and there.
fn event(other: &serde_json::Value) -> EgressEvent {
    let mut event = json!({
        "id": "e-0000000000000001", "time": "2026-01-01T00:00:00.000Z",
        "session": "s-0000000000000001", "run": null, "phase": "decision", "method": "GET",
        "host": "a.com", "port": 443, "path": "/v1/x", "via": "explicit", "tls": "intercept",
        "verdict": "allow", "reason": "allowed", "rule": "base:1", "secret": null, "status": null,
        "bytes_up": 0, "bytes_down": 0, "duration_ms": 0, "policy_generation": 1
    });
    let fields = event.as_object_mut().unwrap();
    fields.extend(other.as_object().unwrap().clone());
    serde_json::from_value(event).unwrap()
}

fn told(event: &EgressEvent, policy: &EgressPolicy) -> Told {
    let mut changes = Changes::default();
    changes.count(event, policy);
    changes.told()
}

fn change(event: &EgressEvent, policy: &EgressPolicy) -> Option<Kind> {
    told(event, policy).changes.first().map(|row| row.change)
}

const READS: &str = "[[allow]]\nhost = 'a.com'\nmethods = ['GET']\npaths = ['/v1/**']";
const TUNNEL: &str = "[[allow]]\nhost = 'a.com'";

#[test]
fn a_request_is_judged_as_it_would_be_under_each_policy() {
    let seen = event(&json!({}));
    let write = event(&json!({"method": "POST"}));
    let bare = event(&json!({"method": "CONNECT", "path": null, "tls": "tunnel"}));
    let refused = event(&json!({"verdict": "deny", "reason": "path_not_allowed", "path": "/v1/y"}));
    for (event, rules, expected) in [
        (&seen, READS, None),
        (&seen, "", Some(Kind::NewlyDenied)),
        (&seen, TUNNEL, Some(Kind::LeftClosed)),
        (&write, READS, Some(Kind::NewlyDenied)),
        (&bare, TUNNEL, None),
        (&bare, READS, Some(Kind::Opened)),
        (&bare, "", Some(Kind::NewlyDenied)),
        (&refused, READS, Some(Kind::NewlyAllowed)),
        (&refused, "", None),
    ] {
        assert_eq!(change(event, &policy(rules)), expected, "{event:?} {rules}");
    }
}

#[test]
fn what_was_refused_after_a_permission_counts_as_permitted() {
    let spent = event(&json!({"verdict": "deny", "reason": "budget_exceeded"}));
    assert_eq!(change(&spent, &policy(READS)), None);
    assert_eq!(change(&spent, &policy("")), Some(Kind::NewlyDenied));
}

#[test]
fn what_no_policy_was_asked_about_is_left_out_and_said() {
    for other in [
        json!({"verdict": "deny", "reason": "head_timeout", "host": "", "port": 0, "path": null}),
        json!({"verdict": "deny", "reason": "sni_mismatch", "method": "CONNECT", "path": null}),
        json!({"verdict": "deny", "reason": "path_not_allowed", "host": "not a host"}),
    ] {
        let told = told(&event(&other), &policy(READS));
        assert_eq!((told.judged, told.unjudged, told.changed), (0, 1, 0));
    }
}

#[test]
fn a_refused_look_up_is_judged_by_its_name() {
    let lookup = event(&json!({
        "method": "DNS", "via": "dns", "port": 53, "path": null, "tls": "none",
        "verdict": "deny", "reason": "dns_refused", "rule": null
    }));
    assert_eq!(change(&lookup, &policy(READS)), Some(Kind::NewlyAllowed));
    assert_eq!(change(&lookup, &policy("")), None);
}

#[test]
fn an_address_that_a_rule_names_is_no_matter_to_a_verdict() {
    let local = event(&json!({"rule": "cli:0"}));
    let rule = Rule::from_cli_connect("a.com=127.0.0.1:8080", 0).unwrap();
    let policy = EgressPolicy::new(0, EgressRules { rules: vec![rule] }).unwrap();
    assert_eq!(change(&local, &policy), Some(Kind::LeftClosed));
}

#[test]
fn equal_changes_are_one_row_and_rows_are_bounded_but_the_sum_is_not() {
    let mut changes = Changes::default();
    let policy = policy("");
    for number in 0..ROWS_MAX + 5 {
        let path = format!("/{number}");
        changes.count(&event(&json!({"path": path})), &policy);
    }
    for _ in 0..3 {
        changes.count(&event(&json!({"path": "/7"})), &policy);
    }
    let told = changes.told();
    assert_eq!((told.changes.len(), told.beyond), (ROWS_MAX, 5));
    assert_eq!(told.changed, ROWS_MAX as u64 + 8);
    let first = &told.changes[0];
    assert_eq!((first.count, first.path.as_deref()), (4, Some("/7")));
}
