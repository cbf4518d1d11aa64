//! Ledgers of made-up logs.

use serde_json::{Value, json};

use super::*;

const SESSION: &str = "s-0000000000000001";

fn entry(kind: &str, time: &str, data: &Value) -> Entry {
    let zeros = "0".repeat(64);
    serde_json::from_value(json!({
        "seq": 7, "time": time, "kind": kind, "session": SESSION, "run": null, "step": null,
        "principal": "sheriff", "data": data, "prev": zeros, "hash": zeros
    }))
    .unwrap()
}

fn event(phase: &str, host: &str, (up, down): (u64, u64)) -> Value {
    json!({
        "id": "e-0000000000000001", "time": "2025-01-01T00:00:00.000Z", "session": SESSION,
        "run": null, "phase": phase, "method": "GET", "host": host, "port": 443, "path": "/",
        "via": "explicit", "tls": "intercept", "verdict": "allow", "reason": "allowed",
        "rule": null, "secret": "git", "status": 200, "bytes_up": up, "bytes_down": down,
        "duration_ms": 1, "policy_generation": 1
    })
}

fn one(ledger: &Ledger) -> &SessionLedger {
    ledger.sessions().values().next().unwrap()
}

#[test]
fn sums_what_is_recent_and_remembers_all_that_ended() {
    let mut ledger = Ledger::new(Some("2025-06-01T00:00:00.000Z".to_owned()));
    for (time, bytes) in [
        ("2025-05-31T23:59:59.999Z", (100, 200)),
        ("2025-06-01T00:00:00.000Z", (1, 2)),
        ("2025-06-02T00:00:00.000Z", (10, 20)),
    ] {
        for (kind, phase) in [("egress.decision", "decision"), ("egress.close", "close")] {
            let bytes = if phase == "close" { bytes } else { (0, 0) };
            ledger.add(&entry(kind, time, &event(phase, "a.test", bytes)));
        }
    }
    let session = one(&ledger);
    let host = session.hosts["a.test"];
    assert_eq!((host.requests, host.bytes_up, host.bytes_down), (2, 11, 22));
    assert_eq!(session.secrets["git"].bytes_up, 11);
    assert_eq!(session.closed["a.test"], (111, 222));
    assert!(session.is_recent);
}

#[test]
fn an_allowance_that_the_proxy_took_back_is_a_denial() {
    let mut ledger = Ledger::new(None);
    let time = "2025-06-01T00:00:00.000Z";
    ledger.add(&entry(
        "egress.decision",
        time,
        &event("decision", "a.test", (0, 0)),
    ));
    let mut close = event("close", "a.test", (0, 0));
    close["verdict"] = json!("deny");
    ledger.add(&entry("egress.close", time, &close));
    let host = one(&ledger).hosts["a.test"];
    assert_eq!((host.requests, host.allowed, host.denied), (1, 0, 1));
}

#[test]
fn keeps_the_kernels_word_and_the_alerts() {
    let mut ledger = Ledger::new(None);
    let time = "2025-06-01T00:00:00.000Z";
    let alert = json!({ "alert": "unexplained_bytes", "bytes": 5 });
    ledger.add(&entry("alert", time, &alert));
    ledger.add(&entry(
        "alert",
        time,
        &json!({ "alert": "other", "bytes": 9 }),
    ));
    let kernel = KernelUsage {
        socket_up: 9,
        client_up: 4,
        unexplained_bytes: 5,
        ..KernelUsage::default()
    };
    ledger.add(&entry("session.ended", time, &json!({ "kernel": kernel })));
    let session = one(&ledger);
    assert_eq!((session.alerted, session.kernel), (5, Some(kernel)));
    assert_eq!(session.ended.as_deref(), Some(time));
}

#[test]
fn hosts_are_bounded_and_no_byte_is_lost() {
    let mut ledger = Ledger::new(None);
    for number in 0..1000 {
        let close = event("close", &format!("h{number}.test"), (1, 0));
        ledger.add(&entry("egress.close", "2025-06-01T00:00:00.000Z", &close));
    }
    let session = one(&ledger);
    assert_eq!(session.hosts.len(), HOSTS_MAX + 1);
    let sum: u64 = session.hosts.values().map(|host| host.bytes_up).sum();
    let closed: u64 = session.closed.values().map(|closed| closed.0).sum();
    assert_eq!((sum, closed), (1000, 1000));
}
