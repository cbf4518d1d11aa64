//! Egress events in the words of the Open Cybersecurity Schema Framework, version 1.3: Network Activity
//! (4001), HTTP Activity (4002), DNS Activity (4003). `docs/ocsf.md` has the table.
//!
//! Not for: entries of other kinds, which have no class there that says what they say.

use model::{EgressEvent, Phase, Verdict, Via};
use serde_json::{Value, json};

use crate::{Entry, Kind, timestamp};

/// The schema's version.
const VERSION: &str = "1.3.0";
/// Network Activity.
const CATEGORY: u64 = 4;

/// The event of an entry; `None` for one that is no egress event.
#[must_use]
pub fn event(entry: &Entry) -> Option<Value> {
    if !matches!(entry.kind, Kind::EgressDecision | Kind::EgressClose) {
        return None;
    }
    let event: EgressEvent = serde_json::from_value(entry.data.clone()).ok()?;
    let class = class(&event);
    let (activity, name) = activity(&event, class);
    let denied = event.verdict == Verdict::Deny;
    let mut out = json!({
        "category_uid": CATEGORY,
        "class_uid": class,
        "activity_id": activity,
        "activity_name": name,
        "type_uid": class * 100 + activity,
        "time": timestamp::millis(&event.time)?,
        "severity_id": if denied { 2 } else { 1 },
        "status_id": if is_failure(&event) { 2 } else { 1 },
        "status_detail": event.reason,
        "action_id": if denied { 2 } else { 1 },
        "disposition_id": if denied { 2 } else { 1 },
        "metadata": metadata(entry, &event),
        "src_endpoint": { "uid": event.session, "type": "jail" },
        "dst_endpoint": endpoint(&event),
        "firewall_rule": event.rule.as_ref().map(|rule| json!({ "name": rule })),
        "unmapped": {
            "via": event.via, "tls": event.tls, "secret": event.secret, "note": event.note,
            "policy_generation": event.policy_generation, "llm": event.llm,
        },
    });
    if let Some(fields) = out.as_object_mut() {
        if event.phase == Phase::Close {
            fields.insert("duration".to_owned(), json!(event.duration_ms));
            fields.insert("traffic".to_owned(), traffic(&event));
        }
        match class {
            4002 => {
                fields.insert("http_request".to_owned(), request(&event));
                let response = event.status.map(|code| json!({ "code": code }));
                fields.insert("http_response".to_owned(), json!(response));
            }
            4003 => {
                let query = json!({ "hostname": event.host });
                fields.insert("query".to_owned(), query);
            }
            _ => {}
        }
        fields.retain(|_, value| !value.is_null());
    }
    Some(out)
}

fn class(event: &EgressEvent) -> u64 {
    match (event.via, event.method.as_str()) {
        (Via::Dns, _) => 4003,
        (_, "CONNECT" | "") => 4001,
        _ => 4002,
    }
}

fn activity(event: &EgressEvent, class: u64) -> (u64, &str) {
    match (class, event.phase, event.method.as_str()) {
        (4003, _, _) => (1, "Query"),
        (4001, Phase::Close, _) => (2, "Close"),
        (4001, _, _) if event.verdict == Verdict::Deny => (5, "Refuse"),
        (4001, _, _) => (1, "Open"),
        (_, _, "DELETE") => (2, "Delete"),
        (_, _, "GET") => (3, "Get"),
        (_, _, "HEAD") => (4, "Head"),
        (_, _, "OPTIONS") => (5, "Options"),
        (_, _, "POST") => (6, "Post"),
        (_, _, "PUT") => (7, "Put"),
        (_, _, "TRACE") => (8, "Trace"),
        (_, _, other) => (99, other),
    }
}

fn is_failure(event: &EgressEvent) -> bool {
    event.verdict == Verdict::Deny || event.reason != "allowed"
}

fn metadata(entry: &Entry, event: &EgressEvent) -> Value {
    json!({
        "version": VERSION,
        "product": {
            "name": "Sheriff",
            "vendor_name": "Sheriff",
            "version": env!("CARGO_PKG_VERSION"),
        },
        "profiles": ["security_control"],
        "log_name": entry.kind,
        "uid": event.id,
        "correlation_uid": event.session,
        "sequence": entry.seq,
    })
}

fn endpoint(event: &EgressEvent) -> Value {
    let is_address = event
        .host
        .trim_matches(['[', ']'])
        .parse::<std::net::IpAddr>()
        .is_ok();
    let key = if is_address { "ip" } else { "hostname" };
    json!({ key: event.host, "port": event.port })
}

fn traffic(event: &EgressEvent) -> Value {
    json!({
        "bytes_out": event.bytes_up,
        "bytes_in": event.bytes_down,
        "bytes": event.bytes_up.saturating_add(event.bytes_down),
    })
}

fn request(event: &EgressEvent) -> Value {
    let scheme = match event.tls {
        model::TlsMode::None => "http",
        model::TlsMode::Tunnel | model::TlsMode::Intercept => "https",
    };
    json!({
        "http_method": event.method,
        "url": { "scheme": scheme, "hostname": event.host, "port": event.port, "path": event.path },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(kind: &str, change: &Value) -> Entry {
        let zeros = "0".repeat(64);
        let mut data = json!({
            "id": "e-0000000000000001", "time": "2025-06-01T12:00:00.250Z",
            "session": "s-0000000000000001", "run": null, "phase": "close", "method": "POST",
            "host": "api.example.com", "port": 443, "path": "/v1", "via": "explicit",
            "tls": "intercept", "verdict": "allow", "reason": "allowed", "rule": "coder:3",
            "secret": null, "status": 200, "bytes_up": 3, "bytes_down": 4, "duration_ms": 12,
            "policy_generation": 1
        });
        for (key, value) in change.as_object().unwrap() {
            data[key] = value.clone();
        }
        serde_json::from_value(json!({
            "seq": 7, "time": "2025-06-01T12:00:00.250Z", "kind": kind,
            "session": "s-0000000000000001", "run": null, "step": null, "principal": "sheriff",
            "data": data, "prev": zeros, "hash": zeros
        }))
        .unwrap()
    }

    #[test]
    fn a_request_is_an_http_activity() {
        let event = event(&entry("egress.close", &json!({}))).unwrap();
        assert_eq!(
            (event["class_uid"].clone(), event["type_uid"].clone()),
            (json!(4002), json!(400_206))
        );
        assert_eq!(event["time"], json!(1_748_779_200_250_u64));
        assert_eq!(
            event["traffic"],
            json!({"bytes_out": 3, "bytes_in": 4, "bytes": 7})
        );
        assert_eq!(event["http_request"]["url"]["scheme"], "https");
        assert_eq!(event["http_response"]["code"], 200);
        assert_eq!(event["firewall_rule"]["name"], "coder:3");
        assert_eq!(
            (event["action_id"].clone(), event["status_id"].clone()),
            (json!(1), json!(1))
        );
    }

    #[test]
    fn a_refused_tunnel_is_a_refused_connection() {
        let change = json!({
            "method": "CONNECT", "tls": "tunnel", "phase": "decision", "verdict": "deny",
            "reason": "not_in_allowlist", "rule": null, "host": "192.0.2.1"
        });
        let event = event(&entry("egress.decision", &change)).unwrap();
        assert_eq!(event["type_uid"], 400_105);
        assert_eq!(event["dst_endpoint"]["ip"], "192.0.2.1");
        assert_eq!(
            (event["action_id"].clone(), event["disposition_id"].clone()),
            (json!(2), json!(2))
        );
        assert!(event.get("traffic").is_none() && event.get("firewall_rule").is_none());
    }

    #[test]
    fn other_entries_have_no_class() {
        assert!(event(&entry("alert", &json!({}))).is_none());
    }
}
