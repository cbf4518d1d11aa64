//! Entries as OpenTelemetry log records in OTLP's JSON form: one export request a line, as a collector's
//! file receiver and `POST /v1/logs` take them.
//!
//! Not for: sending. The office has no business with collectors; a shipper of the host reads files and
//! retries better than it would.

use serde_json::{Value, json};

use crate::{Entry, Kind, timestamp};

/// The export request with this entry as its one record; `None` when its time is none.
#[must_use]
pub fn request(entry: &Entry) -> Option<Value> {
    let (number, severity) = severity(entry);
    let nanos = timestamp::millis(&entry.time)?.saturating_mul(1_000_000);
    let record = json!({
        // 64-bit numbers are texts in the JSON form of protocol buffers.
        "timeUnixNano": nanos.to_string(),
        "severityNumber": number,
        "severityText": severity,
        "eventName": entry.kind,
        "body": { "stringValue": entry.data.to_string() },
        "attributes": attributes(entry),
    });
    Some(json!({
        "resourceLogs": [{
            "resource": { "attributes": [text("service.name", "sheriff")] },
            "scopeLogs": [{
                "scope": { "name": "sheriff.audit", "version": env!("CARGO_PKG_VERSION") },
                "logRecords": [record],
            }],
        }],
    }))
}

fn severity(entry: &Entry) -> (u64, &'static str) {
    let denied = entry
        .data
        .get("verdict")
        .is_some_and(|verdict| verdict == "deny");
    match entry.kind {
        Kind::Alert => (17, "ERROR"),
        Kind::SyscallDenied | Kind::CapabilityDenied | Kind::SessionRefused => (13, "WARN"),
        _ if denied => (13, "WARN"),
        _ => (9, "INFO"),
    }
}

fn attributes(entry: &Entry) -> Vec<Value> {
    let of = |key: &str| entry.data.get(key).and_then(Value::as_str);
    let mut out = vec![
        text("sheriff.principal", &entry.principal.to_string()),
        text("sheriff.hash", &entry.hash.to_string()),
        json!({ "key": "sheriff.seq", "value": { "intValue": entry.seq.to_string() } }),
    ];
    if let Some(session) = &entry.session {
        out.push(text("sheriff.session", session.as_str()));
    }
    for (name, key) in [
        ("server.address", "host"),
        ("http.request.method", "method"),
        ("url.path", "path"),
        ("sheriff.verdict", "verdict"),
        ("sheriff.reason", "reason"),
        ("sheriff.rule", "rule"),
    ] {
        out.extend(of(key).map(|value| text(name, value)));
    }
    for (name, key) in [
        ("server.port", "port"),
        ("http.response.status_code", "status"),
        ("sheriff.bytes_up", "bytes_up"),
        ("sheriff.bytes_down", "bytes_down"),
    ] {
        let number = entry.data.get(key).and_then(Value::as_u64);
        out.extend(
            number
                .map(|number| json!({ "key": name, "value": { "intValue": number.to_string() } })),
        );
    }
    out
}

fn text(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": { "stringValue": value } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_denial_is_a_warning_with_semantic_attributes() {
        let zeros = "0".repeat(64);
        let entry: Entry = serde_json::from_value(json!({
            "seq": 7, "time": "1970-01-01T00:00:01.002Z", "kind": "egress.decision",
            "session": "s-0000000000000001", "run": null, "step": null, "principal": "sheriff",
            "data": {"verdict": "deny", "host": "a.test", "port": 443}, "prev": zeros, "hash": zeros
        }))
        .unwrap();
        let request = request(&entry).unwrap();
        let record = &request["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0];
        assert_eq!(record["timeUnixNano"], "1002000000");
        assert_eq!(
            (
                record["severityNumber"].clone(),
                record["eventName"].clone()
            ),
            (json!(13), json!("egress.decision"))
        );
        let attributes = record["attributes"].as_array().unwrap();
        assert!(attributes.contains(&text("server.address", "a.test")));
        let port = json!({ "key": "server.port", "value": { "intValue": "443" } });
        assert!(attributes.contains(&port));
    }
}
