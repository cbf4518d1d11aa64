//! The gateway's door, attacked from inside.
//!
//! Not for: what it offers to honest agents (the story `gateway` outside of this folder).

use serde_json::json;

use super::probe::{ask, on_host};
use crate::harness::{Daemon, Jail, PATIENCE};

/// Calls over the gateway's socket with raw bytes.
const CALL: &str = r#"
import json, threading
TOKEN = open('/run/sheriff/token').read().strip()
def door(path='/run/sheriff/gateway.sock'):
    s = socket.socket(socket.AF_UNIX); s.settimeout(20); s.connect(path); return s
def status(s):
    try: text = s.recv(65536)
    except TimeoutError: return 'silence'
    except ConnectionResetError: return 'cut'
    return text.split()[1].decode() if text else 'cut'
def send(data):
    s = door()
    try: s.sendall(data)
    except (BrokenPipeError, ConnectionResetError): pass
    return status(s)
def call(method, path, body=None, token=TOKEN, extra=''):
    data = b'' if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    head = f'{method} {path} HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n{extra}'
    if token is not None: head += f'X-Agent-Token: {token}\r\n'
    if body is not None: head += f'Content-Type: application/json\r\nContent-Length: {len(data)}\r\n'
    return send(head.encode() + b'\r\n' + data)
def execute(body): return call('POST', '/chat/execute', body)
"#;

fn statuses(daemon: &Daemon, calls: &[(&str, &str)]) -> std::collections::BTreeMap<String, String> {
    ask(&Jail::on(daemon), CALL, calls)
}

/// What only operators may do, and ids that are none, asked for with the agent's own token.
const OVERREACHING: [(&str, &str); 15] = [
    (
        "header",
        "call('GET', '/chat/policy', token=None, extra='X-Session: x\\r\\nX-Forwarded-User: root\\r\\n')",
    ),
    (
        "two_tokens",
        "call('GET', '/chat/policy', extra='X-Agent-Token: x\\r\\n')",
    ),
    (
        "start",
        "call('POST', '/v1/sessions', {'cmd': ['/bin/true']})",
    ),
    ("stop", "call('POST', '/v1/sessions/x/kill', {})"),
    (
        "approve",
        "call('POST', '/chat/approve', {'id': 'x', 'approvedBy': 'root', 'approved_by': 'root'})",
    ),
    ("approvals", "call('GET', '/v1/approvals')"),
    (
        "policy",
        "call('PUT', '/chat/policy', {'allow': ['**.example.com']})",
    ),
    ("secrets", "call('GET', '/v1/secrets')"),
    ("sessions", "call('GET', '/v1/sessions')"),
    ("audit", "call('GET', '/v1/audit')"),
    ("dots", "call('GET', '/chat/session/../../v1/sessions')"),
    (
        "encoded",
        "call('GET', '/chat/session/%2e%2e%2f%2e%2e%2fetc%2fpasswd')",
    ),
    ("newline", "call('GET', '/chat/session/a%0a%0db')"),
    ("nul", "call('GET', '/chat/session/a%00b')"),
    (
        "own",
        "call('GET', '/chat/session/' + os.environ['SHERIFF_SESSION'])",
    ),
];

#[test]
fn an_agent_can_not_act_as_an_operator_or_as_another_session() {
    let daemon = Daemon::ephemeral();
    let neighbour = Jail::on(&daemon);
    let mut other = neighbour.start(&[
        "/bin/bash",
        "-c",
        "echo id=$SHERIFF_SESSION.$(cat /run/sheriff/token).; cat",
    ]);
    let text = other.await_text(".", PATIENCE);
    let mut words = text.trim().trim_start_matches("id=").split('.');
    let (id, token) = (words.next().unwrap(), words.next().unwrap());
    let fetch = json!({ "capability_id": "network.http_fetch", "inputs": { "url": "http://evil.example/" }, "session_id": id });
    let foreign = format!("call('GET', '/chat/session/{id}')");
    let stolen = format!("call('GET', '/chat/policy', token='{token}')");
    let body = format!("execute({fetch})");
    let path = format!("attempt(door, '/run/sheriff/../sheriff/{id}/gateway.sock')");
    let host_path = format!(
        "attempt(door, '{}/sessions/{id}/gateway.sock')",
        daemon.runtime().display()
    );
    let calls = [
        ("foreign", foreign.as_str()),
        ("stolen", stolen.as_str()),
        ("body", body.as_str()),
        ("path", path.as_str()),
        ("host_path", host_path.as_str()),
    ];
    let calls = [&calls[..], &OVERREACHING[..]].concat();
    let found = statuses(&daemon, &calls);
    other.close_input();
    other.wait(PATIENCE);
    for (name, status) in &found {
        let expected: &[&str] = match name.as_str() {
            "own" => &["200"],
            "path" | "host_path" => &["ENOENT", "EACCES"],
            "stolen" | "header" | "two_tokens" => &["401", "403"],
            "foreign" | "body" => &["403", "404"],
            "policy" => &["404", "405"],
            _ => &["400", "403", "404"],
        };
        assert!(
            expected.contains(&status.as_str()),
            "{name} {status}: {found:?}"
        );
    }
    assert_eq!(found.len(), calls.len(), "{found:?}");
    // Tries of an operator's routes are on record.
    let files = std::fs::read_dir(daemon.audit()).unwrap();
    let text: String = files
        .filter_map(|entry| std::fs::read_to_string(entry.unwrap().path()).ok())
        .collect();
    assert!(text.contains("operator_only"), "{text}");
}

#[test]
fn malformed_and_oversized_messages_are_refused_and_the_door_stays_open() {
    let daemon = Daemon::ephemeral();
    let calls = [
        (
            "huge",
            "execute(b'{\"capability_id\":\"' + b'x' * (2 << 20) + b'\"}')",
        ),
        (
            "huge_announced",
            "send(f'POST /chat/execute HTTP/1.1\\r\\nHost: g\\r\\nX-Agent-Token: {TOKEN}\\r\\nContent-Type: application/json\\r\\nContent-Length: 99999999999\\r\\n\\r\\n'.encode())",
        ),
        ("deep", "execute(b'[' * 100000 + b']' * 100000)"),
        (
            "deep_inputs",
            "execute(b'{\"capability_id\":\"x\",\"inputs\":' + b'{\"a\":' * 5000 + b'1' + b'}' * 5000 + b'}')",
        ),
        (
            "duplicate",
            "execute(b'{\"capability_id\":\"no.such\",\"capability_id\":\"network.http_fetch\",\"inputs\":{\"url\":\"http://evil.example/\"}}')",
        ),
        (
            "unknown_key",
            "execute({'capability_id': 'network.http_fetch', 'inputs': {'url': 'http://evil.example/'}, 'approved': True})",
        ),
        ("utf8", "execute(b'{\"capability_id\":\"\\xff\\xfe\"}')"),
        ("truncated", "execute(b'{\"capability_id\":')"),
        ("garbage", "send(b'\\0\\1\\2' * 1000 + b'\\r\\n\\r\\n')"),
        (
            "long_head",
            "call('GET', '/chat/health', extra='A: ' + 'b' * 40000 + '\\r\\n')",
        ),
        (
            "many_fields",
            "call('GET', '/chat/health', extra='A: b\\r\\n' * 500)",
        ),
        (
            "both_lengths",
            "send(f'POST /chat/execute HTTP/1.1\\r\\nHost: g\\r\\nX-Agent-Token: {TOKEN}\\r\\nContent-Length: 5\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n0\\r\\n\\r\\n'.encode())",
        ),
        (
            "form",
            "send(f'POST /chat/execute HTTP/1.1\\r\\nHost: g\\r\\nConnection: close\\r\\nX-Agent-Token: {TOKEN}\\r\\nContent-Type: text/plain\\r\\nContent-Length: 2\\r\\n\\r\\n{{}}'.encode())",
        ),
        ("health", "call('GET', '/chat/health')"),
    ];
    let found = statuses(&daemon, &calls);
    for (name, status) in &found {
        let expected: &[&str] = match name.as_str() {
            "health" => &["200"],
            "huge" | "huge_announced" => &["413", "cut"],
            "long_head" | "many_fields" => &["400", "413", "431", "cut"],
            "form" => &["400", "415"],
            "unknown_key" | "duplicate" => &["400", "422"],
            _ => &["400", "404", "422"],
        };
        assert!(
            expected.contains(&status.as_str()),
            "{name} {status}: {found:?}"
        );
    }
    assert_eq!(found.len(), calls.len(), "{found:?}");
}

#[test]
fn a_flood_of_connections_is_bounded_and_no_other_jail_waits() {
    let daemon = Daemon::ephemeral();
    let flood = Jail::on(&daemon).limit("open_files=12000");
    let script = "
kept = []
refused = 0
for _ in range(10000):
    s = socket.socket(socket.AF_UNIX); s.setblocking(False)
    try: s.connect('/run/sheriff/gateway.sock'); kept.append(s)
    except (BlockingIOError, OSError): refused += 1
print('flooded', len(kept), refused, '.', flush=True)
sys.stdin.read()
kept.clear()
end = time.monotonic() + 20
while True:
    s = socket.socket(socket.AF_UNIX); s.settimeout(20)
    try: s.connect('/run/sheriff/gateway.sock'); break
    except BlockingIOError:
        # What the flood left in the queue is being worked off.
        assert time.monotonic() < end
        time.sleep(0.05)
s.sendall(b'GET /chat/health HTTP/1.1\\r\\nHost: g\\r\\nConnection: close\\r\\n\\r\\n')
print('after', s.recv(100).split()[1].decode(), '.', flush=True)";
    let mut child = flood.start_python(script);
    let text = child.await_text(" .", PATIENCE);
    let kept: u32 = text.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!(kept < 10_000, "all connections were taken: {text}");
    let found = statuses(&daemon, &[("health", "call('GET', '/chat/health')")]);
    assert_eq!(found["health"], "200");
    child.close_input();
    let state = child.wait(PATIENCE);
    assert!(
        String::from_utf8_lossy(&state.stdout).contains("after 200"),
        "{state}"
    );
}

#[test]
fn a_slow_writer_is_cut_off() {
    let daemon = Daemon::ephemeral();
    let calls = [
        ("slow", "slow()"),
        ("health", "call('GET', '/chat/health')"),
    ];
    let setup = format!(
        "{CALL}
def slow():
    s = door(); t = time.monotonic()
    try:
        s.sendall(b'GET /chat/health HTTP/1.1\\r\\nHost: g')
        while time.monotonic() - t < 30:
            s.sendall(b'x'); s.settimeout(1)
            try:
                if s.recv(1000) is not None: break
            except TimeoutError: pass
    except OSError: pass
    return 5 < time.monotonic() - t < 20"
    );
    let found = ask(&Jail::on(&daemon), &setup, &calls);
    assert_eq!(
        (found["slow"].as_str(), found["health"].as_str()),
        ("True", "200")
    );
}

#[test]
fn arguments_reach_the_program_byte_for_byte_and_meet_no_shell() {
    let hostile = [
        "; touch /workspace/planted",
        "$(touch /workspace/planted)",
        "a\nb",
        "`id`",
        "--help",
        "\u{1b}[31m",
        "",
    ];
    let script = "import json, sys, os; print(json.dumps([sys.argv[1:], os.environ['ODD']]))";
    let jail = Jail::new().scratch().env("ODD", "a\nb;c=$(id)");
    let argv = [&["/usr/bin/python3", "-c", script], &hostile[..]].concat();
    let outcome = jail.run(&argv).ok();
    assert_eq!(outcome.json(), json!([hostile, "a\nb;c=$(id)"]));
    assert!(!jail.path("planted").exists());
}

#[test]
fn the_operators_sockets_answer_operators_only() {
    use std::os::unix::fs::{FileTypeExt, PermissionsExt};
    let daemon = Daemon::shared();
    for name in ["control.sock", "attach.sock"] {
        let path = daemon.runtime().join(name);
        let facts = std::fs::metadata(&path).unwrap();
        assert!(facts.file_type().is_socket());
        assert_eq!(
            facts.permissions().mode() & 0o007,
            0,
            "{name} is open to everybody"
        );
    }
    let path = daemon.runtime().join("control.sock");
    let line = format!(
        "curl -s -o /dev/null -w '%{{http_code}}' --unix-socket {} http://x/v1/sessions; true",
        path.display()
    );
    let call = |user: &str| {
        on_host(&[
            "setpriv",
            "--reuid",
            user,
            "--regid",
            user,
            "--clear-groups",
            "sh",
            "-c",
            &line,
        ])
    };
    assert_eq!(call("12345"), "000");
    assert_eq!(call("0"), "200");
}
