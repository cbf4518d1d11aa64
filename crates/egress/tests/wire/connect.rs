//! CONNECT: who gets a tunnel, and what may pass through it.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::sync::Arc;

use model::{Phase, Verdict};
use serde_json::json;

use crate::origin::Origin;
use crate::stand::{Stand, denial, eventually, policy, read_exact};

/// A real client's first flight for this name.
pub(crate) fn client_hello(name: &str) -> Vec<u8> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let server = name.to_owned().try_into().unwrap();
    let mut client = rustls::ClientConnection::new(Arc::new(config), server).unwrap();
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).unwrap();
    bytes
}

fn connect(authority: &str) -> String {
    format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n")
}

#[test]
fn relays_both_ways_keeps_half_open_tunnels_and_counts_every_byte() {
    let origin = Origin::echo();
    let stand = Stand::new(&[origin.rule("a.test", 9000)]);
    let mut stream = stand.tunnel("A.test:9000");
    let sent: Vec<u8> = (0..3_000_000_u32)
        .map(|number| number.to_le_bytes()[0])
        .collect();
    let mut reading = stream.try_clone().unwrap();
    let reader = tasks::thread("reader", move || {
        let mut got = Vec::new();
        reading.read_to_end(&mut got).unwrap();
        got
    });
    stream.write_all(&sent).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert!(reader.unwrap().join().unwrap() == sent, "the echo differs");
    let close = stand.close_event();
    assert_eq!((close.bytes_up, close.bytes_down), (3_000_000, 3_000_000));
    assert_eq!(
        (close.reason.as_str(), close.status),
        ("allowed", Some(200))
    );
    let usage = stand.session.usage();
    assert_eq!(
        (usage.bytes_up, usage.by_host["a.test"].bytes_down),
        (3_000_000, 3_000_000)
    );
    let kernel = eventually(|| Some(stand.session.kernel()).filter(|kernel| kernel.client_up > 0));
    assert_eq!(
        (kernel.socket_up, kernel.socket_down),
        (kernel.client_up, kernel.client_down)
    );
    assert_eq!(kernel.unexplained_bytes, 0);
}

#[test]
fn denies_what_no_rule_allows_and_dials_nothing() {
    let origin = Origin::echo();
    let stand = Stand::new(&[origin.rule("**.a.test", 443)]);
    for (authority, expected) in [
        ("b.test:443", (403, "not_in_allowlist")),
        ("nota.test:443", (403, "not_in_allowlist")),
        ("a.test:22", (403, "port_not_allowed")),
        ("1.1.1.1:443", (403, "ip_literal_not_allowed")),
        ("127.0.0.1:443", (403, "forbidden_address")),
        ("[::ffff:127.0.0.1]:443", (403, "forbidden_address")),
        ("169.254.169.254:443", (403, "metadata_service")),
        ("metadata.google.internal:443", (403, "metadata_service")),
        ("127.1:443", (400, "odd_ipv4")),
        ("2130706433:443", (400, "odd_ipv4")),
        ("0x7f.1:443", (400, "odd_ipv4")),
        ("[a.test]:443", (400, "bad_ipv6")),
        ("a.test", (400, "port_missing")),
        ("a.test:0", (400, "bad_port")),
        ("u@a.test:443", (400, "userinfo_refused")),
        ("a.test:443/x", (400, "host_bad_byte")),
        ("http://a.test:443", (400, "host_bad_byte")),
    ] {
        let answer = stand.ask(connect(authority));
        let (status, reason) = denial(&answer);
        assert_eq!((status, reason.as_str()), expected, "{authority}: {answer}");
    }
    assert_eq!(origin.connections(), 0);
    // The control: the same rule lets its own hosts through, in any spelling of theirs.
    let mut stream = stand.tunnel("x.A.TEST.:443");
    stream.write_all(&client_hello("x.a.test")).unwrap();
    eventually(|| (origin.connections() == 1).then_some(()));
}

#[test]
fn a_denial_names_its_reason_its_rule_and_the_id_in_the_log() {
    let stand = Stand::new(&[json!({ "host": "a.test", "ports": [443] })]);
    let answer = stand.ask(connect("a.test:25"));
    let body: serde_json::Value =
        serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    let event = stand.events().remove(0);
    assert_eq!(body["id"], event.id.as_str());
    assert_eq!(
        (&body["host"], &body["port"]),
        (&json!("a.test"), &json!(25))
    );
    assert_eq!(
        (&body["reason"], &body["rule"]),
        (&json!("port_not_allowed"), &json!("cli:0"))
    );
    assert!(
        body["next_steps"][1]
            .as_str()
            .unwrap()
            .contains(event.id.as_str())
    );
    assert_eq!((event.verdict, event.status), (Verdict::Deny, Some(403)));
    assert_eq!(stand.session.denials(), [event]);
}

#[test]
fn passes_a_handshake_for_the_very_host_and_dials_nobody_for_anything_else() {
    let origin = Origin::echo();
    for port in [443, 8443] {
        let stand = Stand::new(&[origin.rule("a.test", port)]);
        let authority = format!("a.test:{port}");
        let before = origin.connections();
        for (first, reason) in [
            (client_hello("b.test"), "sni_mismatch"),
            (client_hello("x.a.test"), "sni_mismatch"),
            (client_hello("a.test.b.test"), "sni_mismatch"),
            (client_hello("192.0.2.1"), "sni_mismatch"),
            (b"CANARY\r\n".to_vec(), "not_tls"),
            (
                b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n".to_vec(),
                "not_tls",
            ),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), "not_tls"),
            (b"SSH-2.0-x\r\n".to_vec(), "not_tls"),
            (b"\x17\x03\x03\x00\x05hello".to_vec(), "not_tls"),
            (b"\x80\x2e\x01\x03\x01".to_vec(), "not_tls"),
        ] {
            let mut stream = stand.tunnel(&authority);
            stream.write_all(&first).unwrap();
            let mut rest = Vec::new();
            drop(stream.read_to_end(&mut rest));
            assert!(
                rest.is_empty() || rest == [21, 3, 3, 0, 2, 2, 49],
                "only an alert may come back: {rest:?}"
            );
            let denied = eventually(|| {
                let mut denials = stand.session.denials();
                denials.pop().filter(|event| event.reason == reason)
            });
            assert_eq!((denied.bytes_up, denied.verdict), (0, Verdict::Deny));
        }
        // A tunnel on which nothing is said, or only a part of a handshake.
        drop(stand.tunnel(&authority));
        let mut cut = stand.tunnel(&authority);
        cut.write_all(&client_hello("a.test")[..40]).unwrap();
        cut.shutdown(Shutdown::Write).unwrap();
        drop(cut.read_to_end(&mut Vec::new()));
        assert_eq!(origin.connections(), before, "refused before any dial");
        let good = client_hello("A.test");
        let mut stream = stand.tunnel(&authority);
        // In pieces, as a client on a slow path sends it.
        for piece in good.chunks(50) {
            stream.write_all(piece).unwrap();
        }
        assert_eq!(read_exact(&mut stream, good.len()), good);
        assert_eq!(origin.connections(), before + 1);
    }
}

/// The same handshake with an `encrypted_client_hello` extension of some bytes at its end.
#[expect(
    clippy::indexing_slicing,
    reason = "a handshake that our own client made"
)]
fn with_encrypted_hello(hello: &[u8]) -> Vec<u8> {
    let more = [&[0xfe, 0x0d, 0, 4][..], &[0, 1, 2, 3]].concat();
    let mut hello = [hello, &more].concat();
    let grow = |bytes: &mut [u8]| {
        let length = u16::from_be_bytes([bytes[0], bytes[1]]) + 8;
        bytes.copy_from_slice(&length.to_be_bytes());
    };
    grow(&mut hello[3..5]); // record
    grow(&mut hello[7..9]); // message
    let mut at = 43; // record and message headers, version, random
    at += 1 + usize::from(hello[at]); // session id
    at += 2 + usize::from(u16::from_be_bytes([hello[at], hello[at + 1]])); // cipher suites
    at += 1 + usize::from(hello[at]); // compression
    grow(&mut hello[at..at + 2]);
    hello
}

#[test]
fn an_encrypted_handshake_passes_by_its_outer_name_and_its_record_says_so() {
    let origin = Origin::echo();
    let stand = Stand::new(&[origin.rule("a.test", 443)]);
    for (hello, note) in [
        (client_hello("a.test"), None),
        (
            with_encrypted_hello(&client_hello("a.test")),
            Some("encrypted_client_hello"),
        ),
    ] {
        let mut stream = stand.tunnel("a.test:443");
        stream.write_all(&hello).unwrap();
        assert_eq!(read_exact(&mut stream, hello.len()), hello);
        drop(stream);
        let closes = eventually(|| {
            let mut events = stand.events();
            events.retain(|event| event.phase == Phase::Close);
            events.pop().filter(|close| close.note.as_deref() == note)
        });
        assert_eq!(
            (closes.verdict, closes.reason.as_str()),
            (Verdict::Allow, "allowed")
        );
    }
    let mut stream = stand.tunnel("a.test:443");
    let outer = with_encrypted_hello(&client_hello("b.test"));
    stream.write_all(&outer).unwrap();
    drop(stream.read_to_end(&mut Vec::new()));
    let denied = eventually(|| stand.session.denials().pop());
    assert_eq!(denied.reason, "sni_mismatch");
    assert_eq!(denied.note.as_deref(), Some("encrypted_client_hello"));
    assert_eq!(origin.connections(), 2);
}

#[test]
fn a_policy_that_changes_while_a_handshake_is_awaited_is_the_one_that_counts() {
    let origin = Origin::echo();
    let stand = Stand::new(&[origin.rule("a.test", 443)]);
    let mut stream = stand.tunnel("a.test:443");
    stand.session.replace_policy(policy(&[]), 2);
    stream.write_all(&client_hello("a.test")).unwrap();
    let mut rest = Vec::new();
    drop(stream.read_to_end(&mut rest));
    assert_eq!(stand.close_event().reason, "policy_changed");
}

#[test]
fn checks_tls_on_other_ports_and_passes_other_protocols_there() {
    let origin = Origin::echo();
    let stand = Stand::new(&[origin.rule("a.test", 2222)]);
    for first in [client_hello("a.test"), b"hello".to_vec()] {
        let mut stream = stand.tunnel("a.test:2222");
        stream.write_all(&first).unwrap();
        assert_eq!(read_exact(&mut stream, first.len()), first);
    }
    let before = origin.seen().len();
    let mut stream = stand.tunnel("a.test:2222");
    stream.write_all(&client_hello("b.test")).unwrap();
    drop(stream.read_to_end(&mut Vec::new()));
    assert_eq!(origin.seen().len(), before);
    let speaks_first = Origin::start(|caller| caller.say(b"220 ready\r\n"));
    let stand = Stand::new(&[speaks_first.rule("a.test", 25)]);
    assert_eq!(
        read_exact(&mut stand.tunnel("a.test:25"), 11),
        b"220 ready\r\n"
    );
}

#[test]
fn refuses_connect_requests_with_two_readings() {
    let origin = Origin::echo();
    let stand = Stand::new(&[origin.rule("a.test", 9000)]);
    for (request, code) in [
        (
            "CONNECT a.test:9000 HTTP/1.1\r\nHost: b.test:9000\r\n\r\n",
            "host_mismatch",
        ),
        (
            "CONNECT a.test:9000 HTTP/1.1\r\nHost: a.test:9001\r\n\r\n",
            "host_mismatch",
        ),
        (
            "CONNECT a.test:9000 HTTP/1.1\r\nHost: a.test\r\nHost: a.test\r\n\r\n",
            "duplicate_field",
        ),
        ("CONNECT a.test:9000 HTTP/1.1\r\n\r\n", "host_missing"),
        (
            "CONNECT a.test:9000 HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello",
            "connect_with_body",
        ),
        (
            "CONNECT a.test:9000 HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n",
            "connect_with_body",
        ),
        (
            "CONNECT a.test\0.b:9000 HTTP/1.1\r\nHost: a.test\r\n\r\n",
            "nul_byte",
        ),
        ("CONNECT a.test:9000 HTTP/1.1\nHost: a.test\n\n", "bare_lf"),
        (
            "connect a.test:9000 HTTP/1.1\r\nHost: a.test\r\n\r\n",
            "method_malformed",
        ),
        (
            "CONNECT a.test:9000 HTTP/2.0\r\nHost: a.test\r\n\r\n",
            "version_unsupported",
        ),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "http2_refused"),
    ] {
        let answer = stand.ask(request);
        let (status, reason) = denial(&answer);
        assert_eq!((status, reason.as_str()), (400, code), "{request:?}");
    }
    assert_eq!(origin.connections(), 0);
    drop(stand.tunnel("a.test:9000"));
    let old = "CONNECT a.test:9000 HTTP/1.0\r\n\r\n";
    let mut stream = stand.dial();
    stream.write_all(old.as_bytes()).unwrap();
    assert_eq!(&read_exact(&mut stream, 12), b"HTTP/1.1 200");
}

#[test]
fn answers_502_when_nothing_listens_and_403_when_the_name_is_this_host() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let stand = Stand::new(&[
        json!({ "host": "gone.test", "ports": [443, 9000], "connect": closed.to_string() }),
        json!({ "host": "localhost", "ports": [443, 9000] }),
    ]);
    assert_eq!(
        denial(&stand.ask(connect("gone.test:9000"))),
        (502, "upstream_unreachable".into())
    );
    for port in [443, 9000] {
        assert_eq!(
            denial(&stand.ask(connect(&format!("localhost:{port}")))),
            (403, "forbidden_address".into())
        );
    }
    // On a TLS port the handshake comes before the server is tried, so the failure comes as an alert.
    let mut stream = stand.tunnel("gone.test:443");
    stream.write_all(&client_hello("gone.test")).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert_eq!(answer, [21, 3, 3, 0, 2, 2, 80]);
    let close = stand.finish().pop().unwrap();
    assert_eq!(
        (close.reason.as_str(), close.verdict, close.bytes_up),
        ("upstream_unreachable", Verdict::Allow, 0)
    );
    let usage = stand.session.usage();
    assert_eq!((usage.requests, usage.allowed, usage.denied), (4, 2, 2));
}

#[test]
fn cuts_an_open_tunnel_when_a_new_policy_denies_it_and_only_then() {
    let origin = Origin::echo();
    let stand = Stand::new(&[origin.rule("a.test", 9000)]);
    let mut stream = stand.tunnel("a.test:9000");
    stream.write_all(b"one").unwrap();
    assert_eq!(read_exact(&mut stream, 3), b"one");
    stand.session.replace_policy(
        policy(&[origin.rule("a.test", 9000), origin.rule("b.test", 1)]),
        2,
    );
    stream.write_all(b"two").unwrap();
    assert_eq!(read_exact(&mut stream, 3), b"two");
    stand.session.replace_policy(policy(&[]), 3);
    assert!(matches!(stream.read(&mut [0]), Ok(0) | Err(_)));
    assert_eq!(stand.close_event().reason, "policy_changed");
}

#[test]
fn the_end_of_a_session_ends_its_tunnels_and_records_them() {
    let origin = Origin::echo();
    let stand = Stand::new(&[origin.rule("a.test", 9000)]);
    let mut stream = stand.tunnel("a.test:9000");
    stream.write_all(b"one").unwrap();
    read_exact(&mut stream, 3);
    let events = stand.finish();
    assert_eq!(
        events.last().map(|event| event.reason.as_str()),
        Some("session_closed")
    );
    assert_eq!(events.last().map(|event| event.bytes_up), Some(3));
    assert!(matches!(stream.read(&mut [0]), Ok(0) | Err(_)));
}
