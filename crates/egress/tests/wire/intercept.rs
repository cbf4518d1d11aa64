//! TLS that is opened because rules speak of what is inside: every request is judged by itself.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use model::{Phase, TlsMode, Verdict, Via};
use serde_json::json;
use testkit::{Authority, Body, Http, Response, events, websocket};

use crate::connect::client_hello;
use crate::secure::{answer, ask, get, head, open, rule, shake, stand, until};
use crate::stand::{Stand, denial, eventually, read_answer};

/// A server for `a.test` that says what was asked for.
fn server(authority: &Authority) -> Http {
    Http::tls(&authority.identity(&["a.test"]), |request| {
        let body = String::from_utf8_lossy(&request.body).into_owned();
        Response::ok(format!("{} {} {body}", request.method, request.target))
    })
}

#[test]
fn judges_records_and_meters_each_request_inside() {
    let authority = Authority::new();
    let server = server(&authority);
    let stand = stand(&authority, &[rule(&server, "a.test", &["/v1/**"])]);
    let mut inside = open(&stand, "a.test");
    let (head, body) = ask(&mut inside, &get("a.test", "/v1/x/../y?q=1"));
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert_eq!(body, "GET /v1/y?q=1 ");
    let post = "POST /v1/z HTTP/1.1\r\nHost: A.test.\r\nContent-Length: 5\r\n\r\nhello";
    assert_eq!(ask(&mut inside, post).1, "POST /v1/z hello");
    let chunked = "PUT /v1/c HTTP/1.1\r\nHost: a.test:443\r\nTransfer-Encoding: chunked\r\n\r\n\
                   3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n";
    assert_eq!(ask(&mut inside, chunked).1, "PUT /v1/c abcde");
    drop(inside);
    assert_eq!(server.traffic().connections(), 1, "kept for all of them");
    let host = server.requests().remove(1);
    assert_eq!(host.header("host"), Some("a.test"));
    let events = stand.finish();
    let phases: Vec<_> = events.iter().map(|event| event.phase).collect();
    assert_eq!(
        phases,
        [[Phase::Decision, Phase::Close]; 3].concat(),
        "CONNECT is no event"
    );
    assert!(
        events
            .iter()
            .all(|event| event.tls == TlsMode::Intercept && event.via == Via::Explicit)
    );
    assert_eq!(events[0].path.as_deref(), Some("/v1/y"));
    let sum = |field: fn(&model::EgressEvent) -> u64| -> u64 { events.iter().map(field).sum() };
    let (up, down) = (sum(|event| event.bytes_up), sum(|event| event.bytes_down));
    let usage = stand.session.usage();
    assert_eq!((up, down), (usage.bytes_up, usage.bytes_down));
    // Records, not content: what the server's socket saw, but for the end of it.
    let traffic = server.traffic();
    eventually(|| (traffic.received() >= up && traffic.sent() >= down).then_some(()));
    assert_eq!(up, traffic.received());
    assert!(down + 64 > traffic.sent(), "{down} {}", traffic.sent());
    let kernel = stand.session.kernel();
    assert_eq!(kernel.unexplained_bytes, 0);
    assert!(kernel.client_up > 500 && kernel.client_up == kernel.socket_up);
}

#[test]
fn denies_a_path_outside_the_rule_on_a_kept_connection_and_goes_on() {
    let authority = Authority::new();
    let server = server(&authority);
    let stand = stand(&authority, &[rule(&server, "a.test", &["/v1/**"])]);
    let mut inside = open(&stand, "a.test");
    assert!(
        ask(&mut inside, &get("a.test", "/v1/x"))
            .0
            .contains(" 200 ")
    );
    for path in ["/v2", "/v1/../admin", "/v1/%2e%2e/admin"] {
        let (head, _) = ask(&mut inside, &get("a.test", path));
        assert_eq!(
            denial(&head),
            (403, "path_not_allowed".to_owned()),
            "{path}"
        );
    }
    assert!(
        ask(&mut inside, &get("a.test", "/v1/y"))
            .0
            .contains(" 200 ")
    );
    assert_eq!(server.requests().len(), 2);
    let denied = stand.session.denials();
    assert_eq!(denied.len(), 3);
    assert!(
        denied
            .iter()
            .all(|event| event.tls == TlsMode::Intercept && event.bytes_up == 0)
    );
}

#[test]
fn refuses_a_host_inside_that_the_tunnel_is_not_for() {
    let authority = Authority::new();
    let (server, other) = (server(&authority), server(&authority));
    let rules = [
        rule(&server, "a.test", &["/**"]),
        rule(&other, "b.test", &["/**"]),
    ];
    let stand = stand(&authority, &rules);
    for (request, expected) in [
        (get("b.test", "/"), (421, "host_mismatch")),
        (get("a.test:8443", "/"), (421, "host_mismatch")),
        (get("a.test@b.test", "/"), (400, "userinfo_refused")),
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), (400, "host_missing")),
        (
            "GET / HTTP/1.1\r\nHost: a.test\r\nHost: b.test\r\n\r\n".to_owned(),
            (400, "duplicate_field"),
        ),
        (
            "GET https://b.test/ HTTP/1.1\r\nHost: b.test\r\n\r\n".to_owned(),
            (400, "origin_form_required"),
        ),
        (
            "CONNECT b.test:443 HTTP/1.1\r\nHost: b.test:443\r\n\r\n".to_owned(),
            (400, "origin_form_required"),
        ),
    ] {
        let (head, _) = ask(&mut open(&stand, "a.test"), &request);
        let (status, reason) = denial(&head);
        assert_eq!((status, reason.as_str()), expected, "{request}");
    }
    assert_eq!(
        server.traffic().connections() + other.traffic().connections(),
        0
    );
    let events = stand.events();
    assert!(
        events
            .iter()
            .all(|event| event.verdict == Verdict::Deny && event.host == "a.test")
    );
    assert!(
        ask(&mut open(&stand, "a.test"), &get("a.test", "/"))
            .0
            .contains(" 200 ")
    );
}

#[test]
fn a_handshake_for_another_name_gets_no_certificate() {
    let authority = Authority::new();
    let server = server(&authority);
    let stand = stand(&authority, &[rule(&server, "a.test", &["/**"])]);
    for (hello, reason) in [
        (client_hello("b.test"), "sni_mismatch"),
        (client_hello("192.0.2.1"), "sni_mismatch"),
        (
            b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n".to_vec(),
            "not_tls",
        ),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), "not_tls"),
    ] {
        let mut stream = stand.tunnel("a.test:443");
        stream.write_all(&hello).unwrap();
        let mut rest = Vec::new();
        drop(stream.read_to_end(&mut rest));
        assert!(
            rest.is_empty() || rest == [21, 3, 3, 0, 2, 2, 49],
            "{rest:?}"
        );
        let denied = eventually(|| {
            stand
                .session
                .denials()
                .pop()
                .filter(|event| event.reason == reason)
        });
        assert_eq!(
            (denied.host.as_str(), denied.method.as_str()),
            ("a.test", "CONNECT")
        );
    }
    assert_eq!(server.traffic().connections(), 0);
    assert!(
        ask(&mut open(&stand, "a.test"), &get("a.test", "/"))
            .0
            .contains(" 200 ")
    );
}

#[test]
fn a_client_that_does_not_trust_the_authority_is_on_record() {
    let authority = Authority::new();
    let server = server(&authority);
    let stand = stand(&authority, &[rule(&server, "a.test", &["/**"])]);
    let stranger = Stand::new(&[rule(&server, "a.test", &["/**"])]);
    let mut inside = shake(&stranger, stand.tunnel("a.test:443"), "a.test");
    assert!(inside.write_all(get("a.test", "/").as_bytes()).is_err());
    drop(inside);
    let denied = eventually(|| stand.session.denials().pop());
    assert_eq!(
        (denied.reason.as_str(), denied.host.as_str()),
        ("client_tls_failed", "a.test")
    );
    assert_eq!(server.traffic().connections(), 0);
}

#[test]
fn a_session_without_authority_is_refused_what_would_have_to_be_opened() {
    let authority = Authority::new();
    let server = server(&authority);
    let stand = Stand::without_authority(&[rule(&server, "a.test", &["/**"])]);
    let answer = stand.ask("CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n");
    assert_eq!(denial(&answer), (403, "needs_interception".to_owned()));
}

#[test]
fn smuggled_requests_are_refused_inside_tls_as_outside() {
    let authority = Authority::new();
    let server = server(&authority);
    let stand = stand(&authority, &[rule(&server, "a.test", &["/ok"])]);
    for (fields, code) in [
        (
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            "length_and_chunked",
        ),
        (
            "Content-Length: 5\r\nContent-Length: 6\r\n",
            "content_length_malformed",
        ),
        ("Content-Length: +5\r\n", "content_length_malformed"),
        (
            "Transfer-Encoding: xchunked\r\n",
            "transfer_encoding_refused",
        ),
        ("X: a\nY: b\r\n", "bare_lf"),
        ("X : a\r\n", "field_name_malformed"),
        ("X: a\r\n b\r\n", "field_name_malformed"),
        (
            "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n",
            "upgrade_refused",
        ),
    ] {
        let smuggled = get("a.test", "/secret");
        let request = format!("POST /ok HTTP/1.1\r\nHost: a.test\r\n{fields}\r\n{smuggled}");
        let mut inside = open(&stand, "a.test");
        inside.write_all(request.as_bytes()).unwrap();
        let mut all = Vec::new();
        inside.read_to_end(&mut all).unwrap();
        let all = String::from_utf8(all).unwrap();
        assert_eq!(denial(&all).1, code, "{fields:?}");
        assert_eq!(all.matches("HTTP/1.1").count(), 1, "{all}");
    }
    let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    assert_eq!(
        denial(&ask(&mut open(&stand, "a.test"), preface).0).1,
        "http2_refused"
    );
    assert_eq!(server.traffic().connections(), 0);
    let fine = "POST /ok HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\n\r\nhi";
    assert_eq!(ask(&mut open(&stand, "a.test"), fine).1, "POST /ok hi");
}

#[test]
fn a_websocket_inside_is_relayed_and_metered() {
    let authority = Authority::new();
    let server = websocket::echo(Some(&authority.identity(&["a.test"])));
    let stand = stand(&authority, &[rule(&server, "a.test", &["/ws"])]);
    let mut inside = open(&stand, "a.test");
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let request = format!("GET /ws HTTP/1.1\r\nHost: a.test\r\n{upgrade}\r\n");
    inside.write_all(request.as_bytes()).unwrap();
    let answered = head(&mut inside);
    assert!(answered.starts_with("HTTP/1.1 101 "), "{answered}");
    for round in 0..3_u8 {
        // A masked text frame of three bytes, the mask being 0.
        inside
            .write_all(&[0x81, 0x83, 0, 0, 0, 0, b'a', b'b', round])
            .unwrap();
        let mut frame = [0; 5];
        inside.read_exact(&mut frame).unwrap();
        assert_eq!(frame, [0x81, 3, b'a', b'b', round]);
    }
    inside.write_all(&[0x88, 0x80, 0, 0, 0, 0]).unwrap();
    assert_eq!(until(&mut inside, &[0x88, 0]), [0x88, 0]);
    drop(inside);
    let close = stand.close_event();
    assert_eq!((close.status, close.tls), (Some(101), TlsMode::Intercept));
    assert_eq!(close.bytes_up, stand.session.usage().bytes_up);
    // Elsewhere the same upgrade is judged like any request.
    let mut inside = open(&stand, "a.test");
    let elsewhere = request.replace("/ws", "/other");
    assert_eq!(
        denial(&ask(&mut inside, &elsewhere).0).1,
        "path_not_allowed"
    );
}

#[test]
fn a_rule_can_forbid_websockets_and_nothing_else() {
    let authority = Authority::new();
    let server = server(&authority);
    let connect = server.address().to_string();
    let plain_only = json!({ "host": "a.test", "websocket": false, "connect": connect });
    let stand = stand(&authority, &[plain_only]);
    let mut inside = open(&stand, "a.test");
    let upgrade =
        "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    let (head, _) = ask(&mut inside, upgrade);
    assert_eq!(denial(&head), (403, "websocket_not_allowed".to_owned()));
    assert!(server.requests().is_empty());
    assert!(ask(&mut inside, &get("a.test", "/")).0.contains(" 200 "));
}

#[test]
fn the_first_event_of_a_stream_is_not_held_back() {
    let authority = Authority::new();
    let pause = Duration::from_secs(2);
    let server = events::serve(Some(&authority.identity(&["a.test"])), 2, pause);
    let stand = stand(&authority, &[rule(&server, "a.test", &["/events"])]);
    let mut inside = open(&stand, "a.test");
    let start = Instant::now();
    inside
        .write_all(get("a.test", "/events").as_bytes())
        .unwrap();
    let first = until(&mut inside, b"\n\n");
    assert!(start.elapsed() < pause, "{:?}", start.elapsed());
    assert!(String::from_utf8_lossy(&first).contains("data: 0 "));
    let live = stand.session.usage().bytes_down;
    assert!(live > 0, "the meter moves while the stream runs");
    until(&mut inside, b"0\r\n\r\n");
    assert!(stand.session.usage().bytes_down > live);
}

#[test]
fn answers_of_every_framing_arrive_whole_inside() {
    let authority = Authority::new();
    let server = Http::tls(&authority.identity(&["a.test"]), |request| {
        match request.path() {
            "/big" => Response::new(200, Body::Zeros(3_000_000)),
            "/cut" => Response::new(200, Body::Cut(10, b"abc".to_vec())),
            _ => Response::new(
                200,
                Body::Stream(Box::new(|out| {
                    out.write_all(b"one").and_then(|()| out.write_all(b"two"))
                })),
            ),
        }
    });
    let stand = stand(&authority, &[rule(&server, "a.test", &["/**"])]);
    let mut inside = open(&stand, "a.test");
    let (_, body) = ask(&mut inside, &get("a.test", "/big"));
    assert_eq!(body.len(), 3_000_000);
    inside
        .write_all(get("a.test", "/chunks").as_bytes())
        .unwrap();
    let chunks = until(&mut inside, b"0\r\n\r\n");
    assert!(String::from_utf8(chunks).unwrap().contains("two"));
    let head_only = "HEAD /big HTTP/1.1\r\nHost: a.test\r\n\r\n";
    inside.write_all(head_only.as_bytes()).unwrap();
    assert!(head(&mut inside).contains("content-length: 3000000"));
    inside.write_all(get("a.test", "/cut").as_bytes()).unwrap();
    let mut rest = Vec::new();
    drop(inside.read_to_end(&mut rest));
    assert!(rest.ends_with(b"abc"));
    let cut = eventually(|| {
        stand
            .events()
            .into_iter()
            .find(|event| event.reason == "upstream_aborted")
    });
    assert_eq!(cut.path.as_deref(), Some("/cut"));
}

#[test]
fn a_tunnel_on_another_port_may_hold_tls_or_plain_http_and_both_are_judged() {
    let authority = Authority::new();
    let secure = server(&authority);
    let plain = Http::plain(|request| Response::ok(request.target.clone()));
    let on = |server: &Http, port: u16| {
        let connect = server.address().to_string();
        json!({ "host": "a.test", "ports": [port], "paths": ["/ok"], "connect": connect })
    };
    let stand = stand(&authority, &[on(&secure, 9443), on(&plain, 9080)]);
    let mut inside = shake(&stand, stand.tunnel("a.test:9443"), "a.test");
    assert!(
        ask(&mut inside, &get("a.test:9443", "/ok"))
            .0
            .contains(" 200 ")
    );
    assert_eq!(
        denial(&ask(&mut inside, &get("a.test:9443", "/no")).0).1,
        "path_not_allowed"
    );
    let mut clear = stand.tunnel("a.test:9080");
    clear
        .write_all(get("a.test:9080", "/no").as_bytes())
        .unwrap();
    let (head, _) = read_answer(&mut clear);
    assert_eq!(denial(&head).1, "path_not_allowed");
    clear
        .write_all(get("a.test:9080", "/ok").as_bytes())
        .unwrap();
    assert_eq!(read_answer(&mut clear).1, "/ok");
    let last = stand.events().pop().unwrap();
    assert_eq!((last.tls, last.port), (TlsMode::None, 9080));
}

#[test]
fn requests_sent_at_once_are_answered_one_by_one_and_each_is_judged() {
    let authority = Authority::new();
    let server = server(&authority);
    let stand = stand(&authority, &[rule(&server, "a.test", &["/ok"])]);
    let mut inside = open(&stand, "a.test");
    let post = "POST /ok HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\n\r\nhi";
    let all = [&*get("a.test", "/ok"), &*get("a.test", "/no"), post].concat();
    let (first, _) = ask(&mut inside, &all);
    assert!(first.contains(" 200 "));
    assert_eq!(denial(&answer(&mut inside).0).1, "path_not_allowed");
    assert_eq!(answer(&mut inside).1, "POST /ok hi");
    assert_eq!(server.requests().len(), 2);
}
