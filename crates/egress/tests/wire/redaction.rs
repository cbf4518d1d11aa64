//! What answers show of secrets: codings, trailers, extensions, and answers that can't be looked into.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;
use testkit::{Authority as TestAuthority, Http, Raw, Response, Step, websocket};

use crate::bench::{VALUE, bench, rule, sent};
use crate::secure::{ask, get, head, open, until};
use crate::stand::{denial, eventually};

#[test]
fn a_coding_is_undone_and_digests_and_lengths_of_it_go() {
    let authority = TestAuthority::new();
    let server = Http::tls(&authority.identity(&["a.test"]), |request| {
        assert!(request.header("accept-encoding").unwrap().contains("gzip"));
        let mut packed = GzEncoder::new(Vec::new(), Compression::default());
        let token = request.header("authorization").unwrap();
        packed
            .write_all(format!("you said {token}").as_bytes())
            .unwrap();
        Response::ok(packed.finish().unwrap())
            .header("Content-Encoding", "gzip")
            .header("Digest", "sha-256=AAAA")
            .header("Set-Cookie", &format!("t={}", token.replace(' ', "%20")))
    });
    let definition = json!({ "name": "token", "hosts": ["a.test"] });
    let bench = bench(&authority, definition, &[rule(&server, "token")]);
    let answer = sent(&bench, &get("a.test", "/"));
    assert!(
        answer.contains("you said Bearer ") && !answer.contains(VALUE),
        "{answer}"
    );
    let lower = answer.to_ascii_lowercase();
    for gone in ["content-encoding", "content-length", "digest"] {
        assert!(!lower.contains(gone), "{answer}");
    }
    assert!(lower.contains("set-cookie: t=bearer%20"), "{answer}");
    let mut inside = open(&bench.stand, "a.test");
    inside
        .write_all(b"HEAD / HTTP/1.1\r\nHost: a.test\r\n\r\n")
        .unwrap();
    assert!(head(&mut inside).starts_with("HTTP/1.1 200 "));
    // Nothing follows an answer without content, and the connection goes on.
    inside.write_all(get("a.test", "/").as_bytes()).unwrap();
    assert!(head(&mut inside).starts_with("HTTP/1.1 200 "));
}

#[test]
fn an_answer_in_a_coding_that_nobody_knows_is_not_passed_on() {
    let authority = TestAuthority::new();
    let server = Http::tls(&authority.identity(&["a.test"]), |_request| {
        Response::ok("????").header("Content-Encoding", "secret-sauce")
    });
    let definition = json!({ "name": "token", "hosts": ["a.test"] });
    let bench = bench(&authority, definition, &[rule(&server, "token")]);
    let (head, _) = ask(&mut open(&bench.stand, "a.test"), &get("a.test", "/"));
    assert_eq!(denial(&head), (502, "answer_unreadable".to_owned()));
}

#[test]
fn trailers_are_looked_through_both_ways() {
    let authority = TestAuthority::new();
    let identity = authority.identity(&["a.test"]);
    let answer = format!(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-Echo: {VALUE}\r\n\
         Content-Length: 5\r\n\r\n"
    );
    let script = vec![
        Step::Await(b"\r\n\r\n".to_vec()),
        Step::Send(answer.into_bytes()),
        Step::Drain,
    ];
    let server = Raw::under(Some(&identity), script);
    let definition = json!({ "name": "token", "hosts": ["a.test"] });
    let connect = server.address().to_string();
    let only = json!({ "host": "a.test", "secret": "token", "connect": connect });
    let bench = bench(&authority, definition, &[only]);
    let mark = &bench.mark;
    let mut inside = open(&bench.stand, "a.test");
    let wanted = "GET / HTTP/1.1\r\nHost: a.test\r\nTE: trailers\r\nConnection: TE\r\n\r\n";
    inside.write_all(wanted.as_bytes()).unwrap();
    let got = String::from_utf8(until(&mut inside, b"X-Echo: ")).unwrap();
    assert!(got.ends_with("\r\n0\r\nX-Echo: "), "{got}");
    let rest = String::from_utf8(until(&mut inside, b"\r\n\r\n")).unwrap();
    assert_eq!(rest, format!("{mark}\r\n\r\n"), "no framing comes behind");
    let stray = format!(
        "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX: {mark}\r\n\r\n"
    );
    let mut inside = open(&bench.stand, "a.test");
    inside.write_all(stray.as_bytes()).unwrap();
    drop(inside.read_to_end(&mut Vec::new()));
    let log = || bench.stand.log_text();
    eventually(|| {
        log()
            .contains("\"alert\":\"secret_misdirected\"")
            .then_some(())
    });
}

#[test]
fn compression_of_a_websocket_is_not_agreed_on_where_its_frames_are_looked_through() {
    let authority = TestAuthority::new();
    let server = websocket::echo(Some(&authority.identity(&["b.test"])));
    let connect = server.address().to_string();
    let other = json!({ "host": "b.test", "paths": ["/**"], "connect": connect });
    let definition = json!({ "name": "token", "hosts": ["a.test"] });
    let bench = bench(&authority, definition, &[other]);
    let upgrade = "GET /ws HTTP/1.1\r\nHost: b.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                   Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n";
    let mut inside = open(&bench.stand, "b.test");
    inside.write_all(upgrade.as_bytes()).unwrap();
    assert!(head(&mut inside).starts_with("HTTP/1.1 101 "));
    assert_eq!(
        server.requests()[0].header("sec-websocket-extensions"),
        None
    );
}
