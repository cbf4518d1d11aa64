//! Connections that never asked for a proxy: what they say decides where they go.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use model::{TlsMode, Verdict, Via};
use serde_json::json;
use testkit::{Authority, Http, Response};

use crate::connect::client_hello;
use crate::origin::{Origin, ok};
use crate::secure::{ask, direct, get, rule, stand};
use crate::stand::{
    FURTHER_PORT, Stand, denial, dial, eventually, exchange, read_answer, read_exact,
};

/// Denials are to be quick; a client that waits would look hung.
const AT_ONCE: Duration = Duration::from_millis(100);

#[test]
fn plain_http_goes_where_its_host_field_says() {
    let (a, b) = (Origin::http(ok("a")), Origin::http(ok("b")));
    let stand = Stand::new(&[a.rule("a.test", 80), b.rule("b.test", 80)]);
    let mut stream = dial(stand.http);
    for (host, body) in [("a.test", "a"), ("B.test.:80", "b"), ("a.test", "a")] {
        stream.write_all(get(host, "/x/../y").as_bytes()).unwrap();
        assert_eq!(read_answer(&mut stream).1, body);
    }
    assert!(
        b.seen().starts_with("GET /y HTTP/1.1\r\nHost: b.test\r\n"),
        "{}",
        b.seen()
    );
    let event = stand.events().remove(0);
    assert_eq!(
        (event.via, event.tls, event.port),
        (Via::Transparent, TlsMode::None, 80)
    );
}

#[test]
fn plain_http_that_is_not_allowed_or_not_clear_is_refused_at_once() {
    let origin = Origin::http(ok("hi"));
    let stand = Stand::new(&[origin.rule("a.test", 80)]);
    for (request, expected) in [
        (get("b.test", "/"), (403, "not_in_allowlist")),
        (get("a.test:8080", "/"), (421, "host_mismatch")),
        (get("127.0.0.1", "/"), (403, "forbidden_address")),
        (get("169.254.169.254", "/"), (403, "metadata_service")),
        (get("1.1.1.1", "/"), (403, "ip_literal_not_allowed")),
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), (400, "host_missing")),
        ("GET / HTTP/1.0\r\n\r\n".to_owned(), (400, "host_missing")),
        (
            "GET / HTTP/1.1\r\nHost: a.test\r\nHost: a.test\r\n\r\n".to_owned(),
            (400, "duplicate_field"),
        ),
        (
            "GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n".to_owned(),
            (400, "origin_form_required"),
        ),
        (
            "CONNECT a.test:443 HTTP/1.1\r\nHost: a.test\r\n\r\n".to_owned(),
            (400, "origin_form_required"),
        ),
    ] {
        let start = Instant::now();
        let answer = exchange(stand.http, request.as_bytes());
        assert!(
            start.elapsed() < AT_ONCE,
            "{request}: {:?}",
            start.elapsed()
        );
        let (status, reason) = denial(&answer);
        assert_eq!((status, reason.as_str()), expected, "{request}");
    }
    assert_eq!(origin.connections(), 0);
    assert!(exchange(stand.http, get("a.test", "/").as_bytes()).ends_with("hi"));
}

#[test]
fn tls_goes_where_its_server_name_says_unread() {
    let origin = Origin::echo();
    let stand = Stand::new(&[origin.rule("a.test", 443)]);
    let hello = client_hello("a.test");
    let mut stream = dial(stand.https);
    for piece in hello.chunks(100) {
        stream.write_all(piece).unwrap();
    }
    assert_eq!(read_exact(&mut stream, hello.len()), hello);
    drop(stream);
    let close = stand.close_event();
    assert_eq!(
        (close.via, close.tls, close.host.as_str()),
        (Via::Transparent, TlsMode::Tunnel, "a.test")
    );
    assert_eq!(close.bytes_up, hello.len() as u64);
}

#[test]
fn tls_that_is_not_allowed_is_refused_at_once_with_an_alert() {
    let origin = Origin::echo();
    let stand = Stand::new(&[origin.rule("a.test", 443)]);
    for (hello, reason, alert) in [
        (client_hello("b.test"), "not_in_allowlist", true),
        (client_hello("192.0.2.1"), "forbidden_address", true),
        (b"GET / HTTP/1.1\r\n\r\n".to_vec(), "not_tls", false),
    ] {
        let start = Instant::now();
        let mut stream = dial(stand.https);
        stream.write_all(&hello).unwrap();
        let mut answer = Vec::new();
        drop(stream.read_to_end(&mut answer));
        assert!(start.elapsed() < AT_ONCE, "{reason}: {:?}", start.elapsed());
        let expected: &[u8] = if alert { &[21, 3, 3, 0, 2, 2, 49] } else { &[] };
        assert_eq!(answer, expected, "{reason}");
        let denied = eventually(|| {
            stand
                .session
                .denials()
                .pop()
                .filter(|event| event.reason == reason)
        });
        assert_eq!(
            (denied.via, denied.verdict),
            (Via::Transparent, Verdict::Deny)
        );
    }
    assert_eq!(origin.connections(), 0);
}

#[test]
fn tls_is_opened_where_a_rule_speaks_of_what_is_inside() {
    let authority = Authority::new();
    let server = Http::tls(&authority.identity(&["a.test"]), |request| {
        Response::ok(request.target.clone())
    });
    let stand = stand(&authority, &[rule(&server, "a.test", &["/ok"])]);
    let mut inside = direct(&stand, "a.test");
    assert_eq!(ask(&mut inside, &get("a.test", "/ok")).1, "/ok");
    assert_eq!(
        denial(&ask(&mut inside, &get("a.test", "/no")).0).1,
        "path_not_allowed"
    );
    let event = stand.events().remove(0);
    assert_eq!(
        (event.via, event.tls),
        (Via::Transparent, TlsMode::Intercept)
    );
}

#[test]
fn a_further_port_goes_to_the_address_that_was_dialled_when_it_has_no_name() {
    let echo = Origin::echo();
    let denied = Stand::new(&[echo.rule("a.test", FURTHER_PORT)]);
    drop(dial(denied.further).read_to_end(&mut Vec::new()));
    let event = eventually(|| denied.session.denials().pop());
    assert_eq!(
        (event.reason.as_str(), event.host.as_str()),
        ("forbidden_address", "127.0.0.1")
    );
    assert_eq!((event.port, event.via), (FURTHER_PORT, Via::Transparent));
    let stand = Stand::new(&[echo.rule("127.0.0.1", FURTHER_PORT)]);
    let mut stream = dial(stand.further);
    stream.write_all(b"hello").unwrap();
    assert_eq!(read_exact(&mut stream, 5), b"hello");
    let mut stream = dial(stand.further);
    stream.write_all(&client_hello("b.test")).unwrap();
    drop(stream.read_to_end(&mut Vec::new()));
    let event = eventually(|| stand.session.denials().pop());
    assert_eq!((event.reason.as_str(), event.bytes_up), ("sni_mismatch", 0));
}

#[test]
fn a_further_port_is_judged_request_by_request_where_a_rule_wants_it() {
    let server = Http::plain(|request| Response::ok(request.target.clone()));
    let connect = server.address().to_string();
    let only = json!({
        "host": "127.0.0.1", "ports": [FURTHER_PORT], "paths": ["/ok"], "connect": connect,
    });
    let stand = Stand::new(&[only]);
    let host = format!("127.0.0.1:{FURTHER_PORT}");
    let mut stream = dial(stand.further);
    stream.write_all(get(&host, "/no").as_bytes()).unwrap();
    assert_eq!(denial(&read_answer(&mut stream).0).1, "path_not_allowed");
    stream.write_all(get(&host, "/ok").as_bytes()).unwrap();
    assert_eq!(read_answer(&mut stream).1, "/ok");
}

#[test]
fn a_host_inside_that_the_handshake_did_not_name_is_refused() {
    let authority = Authority::new();
    let server = Http::tls(&authority.identity(&["a.test"]), |_request| {
        Response::ok("hi")
    });
    let rules = [
        rule(&server, "a.test", &["/**"]),
        rule(&server, "b.test", &["/**"]),
    ];
    let stand = stand(&authority, &rules);
    let (head, _) = ask(&mut direct(&stand, "a.test"), &get("b.test", "/"));
    assert_eq!(denial(&head), (421, "host_mismatch".to_owned()));
    assert_eq!(server.traffic().connections(), 0);
    assert_eq!(
        ask(&mut direct(&stand, "a.test"), &get("a.test", "/")).1,
        "hi"
    );
}
