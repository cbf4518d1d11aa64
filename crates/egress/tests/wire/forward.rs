//! Plain HTTP through the proxy: what is rewritten, what is kept, and that each request is judged.

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use model::Verdict;
use serde_json::json;

use sheriff_egress::limits::INTERIM_MAX;

use crate::origin::{Origin, ok};
use crate::stand::{Stand, denial, eventually, read_answer, read_exact, read_head};

fn get(uri: &str) -> String {
    let host = uri.split('/').nth(2).unwrap();
    format!("GET {uri} HTTP/1.1\r\nHost: {host}\r\n\r\n")
}

#[test]
fn sends_the_canonical_path_and_host_and_drops_what_concerns_one_connection() {
    let origin = Origin::http(ok("hi"));
    let stand = Stand::new(&[origin.rule("a.test", 80)]);
    let mut stream = stand.dial();
    stream
        .write_all(
            b"GET HTTP://A.test:80/x/../%7ey?q=%2f HTTP/1.1\r\nHost: a.test.\r\nAccept: */*\r\n\
              Connection: keep-alive, X-Hop\r\nX-Hop: 1\r\nProxy-Authorization: s3cret\r\n\
              Proxy-Connection: keep-alive\r\nTE: trailers\r\nKeep-Alive: 5\r\n\r\n",
        )
        .unwrap();
    let (head, body) = read_answer(&mut stream);
    assert_eq!(body, "hi");
    assert!(head.contains("connection: keep-alive"), "{head}");
    assert_eq!(
        origin.seen(),
        "GET /~y?q=%2f HTTP/1.1\r\nHost: a.test\r\nAccept: */*\r\n\r\n"
    );
    // The close is recorded after the answer, so it has to be waited for.
    stand.close_event();
    let events = stand.events();
    assert_eq!(events[0].path.as_deref(), Some("/~y"));
    assert_eq!(
        (events[1].bytes_up, events[1].status),
        (origin.seen().len() as u64, Some(200))
    );
    assert_eq!(events[1].bytes_down, ok("hi").len() as u64);
}

#[test]
fn judges_each_request_of_a_kept_connection_afresh() {
    let (a, b) = (Origin::http(ok("a")), Origin::http(ok("b")));
    let only_x = json!({
        "host": "b.test", "ports": [80], "methods": ["GET"], "paths": ["/x/**"],
        "connect": b.address.to_string(),
    });
    let stand = Stand::new(&[a.rule("a.test", 80), only_x]);
    let mut stream = stand.dial();
    for (request, expected) in [
        (get("http://a.test/1"), (200, "")),
        (get("http://a.test/2"), (200, "")),
        (get("http://c.test/"), (403, "not_in_allowlist")),
        (get("http://b.test/y"), (403, "path_not_allowed")),
        (get("http://b.test/x/../y"), (403, "path_not_allowed")),
        (get("http://b.test/x/1"), (200, "")),
        (
            get("http://b.test/x/1").replace("GET", "DELETE"),
            (403, "method_not_allowed"),
        ),
        (get("http://b.test/x/2"), (200, "")),
        (get("http://a.test/3"), (200, "")),
    ] {
        stream.write_all(request.as_bytes()).unwrap();
        let (head, _) = read_answer(&mut stream);
        let (status, reason) = denial(&head);
        assert_eq!((status, reason.as_str()), expected, "{request}");
    }
    assert_eq!(
        (a.connections(), b.connections()),
        (2, 1),
        "kept for a host, not across hosts"
    );
    assert_eq!(b.seen().matches("GET ").count(), 2);
}

#[test]
fn refuses_paths_with_two_readings() {
    let origin = Origin::http_closing(ok("hi"));
    let stand = Stand::new(&[origin.rule("a.test", 80)]);
    for path in [
        "//x", "/a;b", "/%2fx", "/%5cx", "/%252e", "/../x", "/%00", "/a#b", "/\\x", "/%c0%ae",
    ] {
        let answer = stand.ask(get(&format!("http://a.test{path}")));
        assert!(answer.starts_with("HTTP/1.1 400 "), "{path}: {answer}");
    }
    assert_eq!(origin.connections(), 0);
    assert!(stand.ask(get("http://a.test/fine")).ends_with("hi"));
}

#[test]
fn refuses_other_forms_and_schemes_and_mismatched_hosts() {
    let origin = Origin::http_closing(ok("hi"));
    let stand = Stand::new(&[origin.rule("a.test", 80), origin.rule("a.test", 443)]);
    for (request, expected) in [
        (
            "GET http://a.test/ HTTP/1.1\r\nHost: b.test\r\n\r\n",
            (400, "host_mismatch"),
        ),
        (
            "GET http://a.test/ HTTP/1.1\r\nHost: a.test:81\r\n\r\n",
            (400, "host_mismatch"),
        ),
        ("GET http://a.test/ HTTP/1.1\r\n\r\n", (400, "host_missing")),
        (
            "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n",
            (400, "bad_scheme"),
        ),
        (
            "GET https://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n",
            (400, "https_needs_connect"),
        ),
        (
            "GET ftp://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n",
            (400, "bad_scheme"),
        ),
        (
            "GET http://a.test:443/ HTTP/1.1\r\nHost: a.test:443\r\n\r\n",
            (403, "not_tls"),
        ),
        (
            "GET http://b@a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n",
            (400, "userinfo_refused"),
        ),
        (
            "OPTIONS * HTTP/1.1\r\nHost: a.test\r\n\r\n",
            (400, "bad_scheme"),
        ),
    ] {
        let (status, reason) = denial(&stand.ask(request));
        assert_eq!((status, reason.as_str()), expected, "{request:?}");
    }
    assert_eq!(origin.connections(), 0);
    assert!(
        stand
            .ask("GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n")
            .ends_with("hi")
    );
}

#[test]
fn streams_request_bodies_by_length_and_in_chunks() {
    let origin = Origin::start(|caller| {
        let Some(head) = caller.head() else { return };
        let end: &[u8] = if head.contains("chunked") {
            b"0\r\n\r\n"
        } else {
            b"world"
        };
        let mut got = Vec::new();
        while !got.ends_with(end) {
            got.extend_from_slice(&caller.read().unwrap());
        }
        caller.say(ok("done").as_bytes());
    });
    let stand = Stand::new(&[origin.rule("a.test", 80)]);
    let head = "POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\n";
    let plain = format!("{head}Content-Length: 10\r\n\r\nhelloworld");
    assert!(stand.ask(plain).ends_with("done"));
    let chunked =
        format!("{head}Transfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nT: x\r\n\r\n");
    assert!(stand.ask(chunked).ends_with("done"));
    let seen = origin.seen();
    assert!(
        seen.contains("Content-Length: 10\r\n\r\nhelloworld"),
        "{seen}"
    );
    assert!(
        seen.ends_with("Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
        "{seen}"
    );
}

#[test]
fn waits_for_100_continue_and_passes_other_interim_answers() {
    let origin = Origin::start(|caller| {
        caller.head();
        caller.say(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n");
        caller.read();
        caller.say(ok("done").as_bytes());
    });
    let stand = Stand::new(&[origin.rule("a.test", 80)]);
    let mut stream = stand.dial();
    let request = "PUT http://a.test/ HTTP/1.1\r\nHost: a.test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    assert_eq!(
        read_head(&mut stream),
        "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
    );
    assert_eq!(read_head(&mut stream), "HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"hello").unwrap();
    assert_eq!(read_answer(&mut stream).1, "done");
}

#[test]
fn passes_an_early_answer_and_does_not_wait_for_the_rest_of_the_body() {
    let origin = Origin::start(|caller| {
        caller.head();
        caller.say(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n");
    });
    let stand = Stand::new(&[origin.rule("a.test", 80)]);
    let mut stream = stand.dial();
    let request =
        "PUT http://a.test/ HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5000000\r\n\r\npart";
    stream.write_all(request.as_bytes()).unwrap();
    let (head, _) = read_answer(&mut stream);
    assert!(head.starts_with("HTTP/1.1 413 "), "{head}");
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
}

#[test]
fn never_delays_the_first_byte_of_a_stream() {
    let go = Arc::new(AtomicBool::new(false));
    let waits = Arc::clone(&go);
    let origin = Origin::start(move |caller| {
        caller.head();
        caller.say(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n");
        eventually(|| waits.load(Ordering::SeqCst).then_some(()));
        caller.say(b"data: 2\n\n");
    });
    let stand = Stand::new(&[origin.rule("a.test", 80)]);
    let mut stream = stand.dial();
    stream.write_all(get("http://a.test/").as_bytes()).unwrap();
    assert!(read_head(&mut stream).contains("transfer-encoding: chunked"));
    assert_eq!(read_exact(&mut stream, 14), b"9\r\ndata: 1\n\n\r\n");
    let live = stand.session.usage().bytes_down;
    assert!(live > 0, "the meter must move while the stream runs");
    go.store(true, Ordering::SeqCst);
    assert_eq!(
        read_exact(&mut stream, 19),
        b"9\r\ndata: 2\n\n\r\n0\r\n\r\n"
    );
    assert_eq!(stand.close_event().bytes_down, live + 9);
}

#[test]
fn answers_to_head_204_and_304_have_no_body() {
    for (method, answer) in [
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n"),
        (
            "GET",
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 50\r\n\r\n",
        ),
        ("GET", "HTTP/1.1 204 No Content\r\n\r\n"),
    ] {
        let origin = Origin::http(answer);
        let stand = Stand::new(&[origin.rule("a.test", 80)]);
        let mut stream = stand.dial();
        for _ in 0..2 {
            stream
                .write_all(get("http://a.test/").replace("GET", method).as_bytes())
                .unwrap();
            assert_eq!(read_head(&mut stream).lines().next(), answer.lines().next());
        }
        assert_eq!(origin.connections(), 1);
        let denied = get("http://b.test/").replace("GET", method);
        stream.write_all(denied.as_bytes()).unwrap();
        assert!(read_head(&mut stream).starts_with("HTTP/1.1 403 "));
    }
}

#[test]
fn serves_http_1_0_clients_without_chunks() {
    let origin = Origin::http_closing(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
    );
    let stand = Stand::new(&[origin.rule("a.test", 80)]);
    let answer = stand.ask("GET http://a.test/ HTTP/1.0\r\n\r\n");
    assert!(answer.ends_with("connection: close\r\n\r\nhi"), "{answer}");
}

#[test]
fn repeats_a_get_on_a_new_connection_when_the_kept_one_was_closed() {
    let origin = Origin::http_closing(ok("hi"));
    let stand = Stand::new(&[origin.rule("a.test", 80)]);
    let mut stream = stand.dial();
    for _ in 0..20 {
        stream.write_all(get("http://a.test/").as_bytes()).unwrap();
        assert_eq!(read_answer(&mut stream).1, "hi");
    }
    assert_eq!(origin.connections(), 20);
}

#[test]
fn answers_502_for_broken_servers_and_never_passes_their_answers_on() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nhi",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi",
        "HTTP/1.1 200 OK\nContent-Length: 2\n\nhi",
        "HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 2\r\n\r\nhi",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\nPRI",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nhi",
        "HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nhi",
        "HTTP/1.1 204 No Content\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\rX-Injected: c\r\nContent-Length: 2\r\n\r\nhi",
        "HTTP/1.1 200 OK\r\nA: b\0c\r\nContent-Length: 2\r\n\r\nhi",
        "HTTP/1.1 200 OK\r\nA B: c\r\nContent-Length: 2\r\n\r\nhi",
        "HTTP/1.1 200 OK\r\nno colon\r\nContent-Length: 2\r\n\r\nhi",
        "HTTP/1.1 200 O\x01K\r\nContent-Length: 2\r\n\r\nhi",
        "HTTP/1.1  200 OK\r\nContent-Length: 2\r\n\r\nhi",
        "HTTP/1.1 2000 OK\r\nContent-Length: 2\r\n\r\nhi",
        "HTTP/1.1 099 Odd\r\n\r\n",
        "HTTP/1.1 700 Odd\r\nContent-Length: 2\r\n\r\nhi",
        "HTTP/2 200\r\n\r\n",
        "\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
        "HTTP/1.1 103 Early\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
        "garbage\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Le",
        "",
    ] {
        let origin = Origin::http_closing(answer);
        let stand = Stand::new(&[origin.rule("a.test", 80)]);
        let got = stand.ask(get("http://a.test/"));
        assert!(got.starts_with("HTTP/1.1 502 "), "{answer:?}: {got}");
        assert_eq!(origin.connections(), 1);
    }
    let control = Origin::http_closing(ok("hi"));
    let stand = Stand::new(&[control.rule("a.test", 80)]);
    assert!(stand.ask(get("http://a.test/")).ends_with("hi"));
}

/// What a client got of an answer, and whether its connection ended in order.
fn all_of(stand: &Stand, request: &str) -> (String, bool) {
    let mut stream = stand.dial();
    stream.write_all(request.as_bytes()).unwrap();
    let mut got = Vec::new();
    let end = stream.read_to_end(&mut got);
    (String::from_utf8(got).unwrap(), end.is_ok())
}

#[test]
fn a_cut_answer_ends_in_order_where_its_framing_tells_and_all_that_came_arrives() {
    let body = "x".repeat(300_000);
    for (head, sent, tail) in [
        ("Content-Length: 300001\r\n", body.clone(), "x"),
        (
            "Transfer-Encoding: chunked\r\n",
            format!("493e0\r\n{body}\r\n"),
            "x\r\n",
        ),
        // In the middle of a chunk: what there was of it is passed on as a chunk of its own.
        (
            "Transfer-Encoding: chunked\r\n",
            format!("493e1\r\n{body}"),
            "x\r\n",
        ),
    ] {
        let origin = Origin::http_closing(format!("HTTP/1.1 200 OK\r\n{head}\r\n{sent}"));
        let stand = Stand::new(&[origin.rule("a.test", 80)]);
        let (got, in_order) = all_of(&stand, &get("http://a.test/"));
        assert!(in_order && got.ends_with(tail), "{head}");
        assert_eq!(got.matches('x').count(), 300_000, "{head}");
        let close = stand.close_event();
        assert_eq!(close.reason, "upstream_aborted");
        assert_eq!((close.status, close.verdict), (Some(200), Verdict::Allow));
        assert!(close.bytes_down > 300_000);
    }
    // The control: whole answers end with what says so.
    let origin = Origin::http_closing(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
    );
    let stand = Stand::new(&[origin.rule("a.test", 80)]);
    let request = get("http://a.test/").replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
    assert!(all_of(&stand, &request).0.ends_with("1\r\nx\r\n0\r\n\r\n"));
    assert_eq!(stand.close_event().reason, "allowed");
}

#[test]
fn a_server_that_resets_in_the_middle_of_an_answer_takes_nothing_back_that_came() {
    let go = Arc::new(AtomicBool::new(false));
    let waits = Arc::clone(&go);
    let origin = Origin::start(move |caller| {
        caller.head();
        caller.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n");
        eventually(|| waits.load(Ordering::SeqCst).then_some(()));
        let linger = Some(std::time::Duration::ZERO);
        socket2::SockRef::from(&caller.stream)
            .set_linger(linger)
            .unwrap();
    });
    let stand = Stand::new(&[origin.rule("a.test", 80)]);
    let mut stream = stand.dial();
    stream.write_all(get("http://a.test/").as_bytes()).unwrap();
    read_head(&mut stream);
    go.store(true, Ordering::SeqCst);
    let mut got = Vec::new();
    stream.read_to_end(&mut got).unwrap();
    assert_eq!(got, b"2\r\nhi\r\n", "no last chunk");
    assert_eq!(stand.close_event().reason, "upstream_aborted");
}

#[test]
fn a_cut_answer_is_reset_where_a_clean_end_would_pass_for_its_end() {
    let origin =
        Origin::http_closing("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
    let stand = Stand::new(&[origin.rule("a.test", 80)]);
    let (got, in_order) = all_of(&stand, "GET http://a.test/ HTTP/1.0\r\n\r\n");
    assert!(!in_order, "{got}");
    assert_eq!(stand.close_event().reason, "upstream_aborted");
}

#[test]
fn a_flood_of_interim_answers_ends_and_is_no_answer() {
    let interim = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n";
    let some = usize::try_from(INTERIM_MAX).unwrap();
    for (count, expected) in [(some, true), (some + 1, false), (5000, false)] {
        let origin = Origin::http_closing(format!("{}{}", interim.repeat(count), ok("hi")));
        let stand = Stand::new(&[origin.rule("a.test", 80)]);
        let answer = stand.ask(get("http://a.test/"));
        assert_eq!(answer.ends_with("hi"), expected, "{count}");
        assert!(
            answer.matches("HTTP/1.1 103 ").count() <= some + 1,
            "{count}"
        );
        assert_eq!(answer.contains("upstream_protocol"), !expected, "{count}");
    }
}

#[test]
fn what_a_server_says_beyond_its_answer_is_no_answer_to_the_next_request() {
    let split = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n9";
    let origin = Origin::http(format!("{}{split}", ok("hi")));
    let stand = Stand::new(&[origin.rule("a.test", 80)]);
    let mut stream = stand.dial();
    for _ in 0..3 {
        stream.write_all(get("http://a.test/").as_bytes()).unwrap();
        assert_eq!(read_answer(&mut stream).1, "hi");
    }
    assert_eq!(
        origin.connections(),
        3,
        "a connection with more on it is not used again"
    );
}

#[test]
fn a_server_can_not_forge_our_denials() {
    let origin = Origin::http_closing(
        "HTTP/1.1 403 Forbidden\r\nX-Sheriff-Reason: budget_exceeded\r\nContent-Length: 0\r\n\r\n",
    );
    let stand = Stand::new(&[origin.rule("a.test", 80)]);
    let answer = stand.ask(get("http://a.test/"));
    assert!(
        answer.starts_with("HTTP/1.1 403 ") && !answer.to_lowercase().contains("x-sheriff"),
        "{answer}"
    );
}
