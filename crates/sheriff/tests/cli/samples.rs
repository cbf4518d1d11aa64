//! Well-formed values to send.
//!
//! Not for: values that a test is about.

use api::Report;
use serde_json::{Value, json};

pub(crate) const SESSION: &str = "s-0000000000000001";

pub(crate) fn limits() -> Value {
    json!({
        "memory": "1GiB", "pids": 256, "cpu_millis": 1500, "open_files": 4096,
        "file_size": "1GiB", "wall_clock": null
    })
}

pub(crate) fn layers() -> Value {
    json!({
        "namespaces": { "user": 1, "mnt": 2, "pid": 3, "net": 4, "ipc": 5, "uts": 6, "cgroup": 7 },
        "no_new_privs": true, "seccomp_mode": 2, "seccomp_filters": 1, "seccomp_hash": "00",
        "seccomp_enforce_hash": "11",
        "landlock_abi": 7, "landlock_status": "fully_enforced", "cap_bounding": "0",
        "cap_effective": "0", "mounts": ["/"], "pivoted": true,
        "cgroup": { "mode": "v2", "memory_max": 1, "swap_max": 0, "pids_max": 1, "cpu_millis": 1 },
        "uids": [100_000, 100_001]
    })
}

pub(crate) fn usage() -> Value {
    json!({
        "requests": 2, "allowed": 1, "denied": 1, "bytes_up": 10, "bytes_down": 2048,
        "by_host": {}
    })
}

pub(crate) fn report(code: u8) -> Box<Report> {
    let report = json!({
        "session": SESSION, "profile": "base", "exit": { "code": code, "reason": "exited" },
        "duration_ms": 5, "layers": layers(), "egress": usage(),
        "kernel": {
            "bytes_up": 0, "bytes_down": 0, "packets_up": 0, "packets_down": 0, "socket_up": 0,
            "socket_down": 0, "client_up": 0, "client_down": 0, "unexplained_bytes": 0
        },
        "limits": limits(), "memory_peak": 1, "cpu_us": 1, "syscalls_denied": 3,
        "denials": [{
            "id": "e-0000000000000001", "method": "GET", "host": "x\u{9b}31m", "port": 80,
            "reason": "no_rule"
        }],
        "policy_generation": 1
    });
    Box::new(serde_json::from_value(report).unwrap())
}

pub(crate) fn event(host: &str) -> Value {
    json!({
        "id": "e-0000000000000001", "time": "2025-01-01T00:00:00.000Z", "session": SESSION,
        "run": null, "phase": "decision", "method": "CONNECT", "host": host, "port": 443,
        "path": null, "via": "explicit", "tls": "tunnel", "verdict": "deny", "reason": "no_rule",
        "rule": null, "secret": null, "status": 403, "bytes_up": 0, "bytes_down": 0,
        "duration_ms": 0, "policy_generation": 1
    })
}

pub(crate) fn line(command: &str) -> Value {
    json!({
        "session": SESSION, "profile": "base", "command": command, "state": "running",
        "started": "2025-01-01T00:00:00.000Z", "bytes_up": 10, "bytes_down": 2048
    })
}
