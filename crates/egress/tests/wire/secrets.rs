//! Secrets in requests: where a placeholder is replaced, where it is refused, and what answers show.

use std::io::{Read, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use testkit::{Authority as TestAuthority, Http, Response, websocket};

use crate::bench::{VALUE, bench, echo, rule, sent};
use crate::origin::{Origin, ok};
use crate::secure::{ask, get, head, open};
use crate::stand::{denial, eventually};

#[test]
fn a_placeholder_becomes_the_value_upstream_and_the_value_becomes_it_again() {
    let authority = TestAuthority::new();
    let server = echo(&authority);
    let definition = json!({ "name": "token", "hosts": ["a.test"] });
    let bench = bench(&authority, definition, &[rule(&server, "token")]);
    let mark = &bench.mark;
    for path in ["/x", "/error"] {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: a.test\r\nAuthorization: Bearer {mark}\r\nRange: bytes=0-3\r\n\r\n"
        );
        let answer = sent(&bench, &request);
        assert!(answer.contains(&format!("Bearer {mark}")), "{answer}");
        assert!(!answer.contains("sk-live"), "{answer}");
    }
    let seen = server.requests().remove(0);
    assert_eq!(
        seen.header("authorization"),
        Some(&*format!("Bearer {VALUE}"))
    );
    assert_eq!(
        (seen.header("range"), seen.header("host")),
        (None, Some("a.test"))
    );
    let events = bench.stand.finish();
    assert!(
        events
            .iter()
            .all(|event| event.secret.as_deref() == Some("token")),
        "{events:?}"
    );
    assert!(!bench.stand.log_text().contains("sk-live"));
    let usage = bench.stand.session.usage();
    assert_eq!(usage.by_secret["token"].requests, 2);
}

#[test]
fn an_agents_own_credentials_give_way_to_the_ones_that_the_rule_names() {
    let authority = TestAuthority::new();
    let server = echo(&authority);
    let definition = json!({ "name": "token", "hosts": ["a.test"] });
    let bench = bench(&authority, definition, &[rule(&server, "token")]);
    for own in ["", "Authorization: Bearer my-own\r\n"] {
        sent(
            &bench,
            &format!("GET / HTTP/1.1\r\nHost: a.test\r\n{own}\r\n"),
        );
    }
    for seen in server.requests() {
        assert_eq!(
            seen.header("authorization"),
            Some(&*format!("Bearer {VALUE}"))
        );
        assert_eq!(
            seen.headers
                .iter()
                .filter(|(name, _)| name.eq_ignore_ascii_case("authorization"))
                .count(),
            1
        );
    }
}

#[test]
fn a_placeholder_for_anybody_else_is_refused_and_an_operator_hears_of_it() {
    let authority = TestAuthority::new();
    let (server, plain) = (echo(&authority), Origin::http(ok("hi")));
    let other = Http::tls(&authority.identity(&["b.test"]), |_request| {
        Response::ok("hi")
    });
    let to_other =
        json!({ "host": "b.test", "paths": ["/**"], "connect": other.address().to_string() });
    let definition = json!({ "name": "token", "hosts": ["a.test"] });
    let rules = [rule(&server, "token"), to_other, plain.rule("c.test", 80)];
    let bench = bench(&authority, definition, &rules);
    let mark = &bench.mark;
    let field = format!("X-Any: {mark}\r\n");
    let chunks = format!(
        "{:x}\r\n{}\r\n{:x}\r\n{}\r\n0\r\n\r\n",
        9,
        &mark.get(..9).unwrap(),
        mark.len() - 9,
        &mark.get(9..).unwrap()
    );
    for rest in [
        format!("GET / HTTP/1.1\r\nHost: b.test\r\n{field}\r\n"),
        format!("GET /?q={mark} HTTP/1.1\r\nHost: b.test\r\n\r\n"),
        format!(
            "POST / HTTP/1.1\r\nHost: b.test\r\nContent-Length: {}\r\n\r\n{mark}",
            mark.len()
        ),
        format!("POST / HTTP/1.1\r\nHost: b.test\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}"),
    ] {
        let (head, _) = ask(&mut open(&bench.stand, "b.test"), &rest);
        assert_eq!(
            denial(&head),
            (403, "secret_misdirected".to_owned()),
            "{rest}"
        );
    }
    let clear = format!("GET http://c.test/ HTTP/1.1\r\nHost: c.test\r\n{field}\r\n");
    assert_eq!(denial(&bench.stand.ask(clear)).0, 403);
    assert!(!plain.seen().contains(mark.get(..12).unwrap()) && other.requests().is_empty());
    let alerts = || {
        bench
            .stand
            .log_text()
            .matches("\"alert\":\"secret_misdirected\"")
            .count()
    };
    eventually(|| (alerts() >= 4).then_some(()));
    assert!(!bench.stand.log_text().contains(mark.as_str()));
    // The same host without it is served.
    assert_eq!(
        ask(&mut open(&bench.stand, "b.test"), &get("b.test", "/")).1,
        "hi"
    );
}

#[test]
fn a_placeholder_for_its_own_host_is_refused_outside_of_its_place_and_without_tls() {
    let authority = TestAuthority::new();
    let (server, plain) = (echo(&authority), Origin::http(ok("hi")));
    let definition = json!({ "name": "token", "hosts": ["a.test", "a.test:80"] });
    let bench = bench(
        &authority,
        definition,
        &[rule(&server, "token"), plain.rule("a.test", 80)],
    );
    let mark = &bench.mark;
    let elsewhere = format!("GET /{mark} HTTP/1.1\r\nHost: a.test\r\n\r\n");
    let (head, _) = ask(&mut open(&bench.stand, "a.test"), &elsewhere);
    assert_eq!(denial(&head).1, "secret_misdirected");
    let clear = format!(
        "GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\nAuthorization: Bearer {mark}\r\n\r\n"
    );
    let answer = bench.stand.ask(clear);
    assert_eq!(denial(&answer).0, 403, "{answer}");
    assert!(server.requests().is_empty() && plain.connections() == 0);
}

#[test]
fn basic_authentication_and_a_query_have_their_secret_put_in() {
    let authority = TestAuthority::new();
    let server = echo(&authority);
    let definition =
        json!({ "name": "git", "hosts": ["a.test"], "place": { "basic": "x-access-token" } });
    let basic = bench(&authority, definition, &[rule(&server, "git")]);
    let encoded = STANDARD.encode(format!("x-access-token:{}", basic.mark));
    sent(
        &basic,
        &format!("GET / HTTP/1.1\r\nHost: a.test\r\nAuthorization: Basic {encoded}\r\n\r\n"),
    );
    let expected = format!(
        "Basic {}",
        STANDARD.encode(format!("x-access-token:{VALUE}"))
    );
    assert_eq!(
        server.requests()[0].header("authorization"),
        Some(&*expected)
    );
    let definition = json!({ "name": "key", "hosts": ["a.test"], "place": { "query": "key" } });
    let query = bench(&authority, definition, &[rule(&server, "key")]);
    let answer = sent(
        &query,
        &get("a.test", &format!("/q?a=b&key={}", query.mark)),
    );
    assert_eq!(server.requests()[1].target, format!("/q?a=b&key={VALUE}"));
    assert!(
        answer.contains(&query.mark) && !answer.contains(VALUE),
        "{answer}"
    );
    assert!(!query.stand.log_text().contains(VALUE));
}

#[test]
fn content_has_its_secret_put_in_and_is_framed_anew() {
    let authority = TestAuthority::new();
    let server = echo(&authority);
    let definition = json!({ "name": "body", "hosts": ["a.test"], "place": "body" });
    let bench = bench(&authority, definition, &[rule(&server, "body")]);
    let content = format!("{{\"token\":\"{}\"}}", bench.mark);
    let request = format!(
        "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{content}",
        content.len()
    );
    let answer = sent(&bench, &request);
    let seen = server.requests().remove(0);
    assert_eq!(seen.body, format!("{{\"token\":\"{VALUE}\"}}").as_bytes());
    assert!(!answer.contains(VALUE), "{answer}");
}

#[test]
fn a_secret_that_can_not_be_had_stops_the_request() {
    let authority = TestAuthority::new();
    let server = echo(&authority);
    let definition = json!({ "name": "gone", "hosts": ["a.test"] });
    let bench = bench(&authority, definition, &[rule(&server, "gone")]);
    let (head, body) = ask(&mut open(&bench.stand, "a.test"), &get("a.test", "/"));
    assert_eq!(denial(&head), (503, "secret_unavailable".to_owned()));
    assert!(
        !body.contains("the source is down"),
        "a jail is told less: {body}"
    );
    assert_eq!(server.traffic().connections(), 0);
}

#[test]
fn a_request_is_signed_with_the_hash_of_its_content() {
    let authority = TestAuthority::new();
    let server = echo(&authority);
    let kind = json!({ "aws_sigv4": { "region": "eu-west-1", "service": "dynamodb" } });
    let definition = json!({ "name": "aws", "hosts": ["a.test"], "kind": kind });
    let bench = bench(&authority, definition, &[rule(&server, "aws")]);
    let request = "POST / HTTP/1.1\r\nHost: a.test\r\nAuthorization: AWS4-HMAC-SHA256 own\r\n\
                   Transfer-Encoding: chunked\r\n\r\n3\r\n{\"a\r\n4\r\n\":1}\r\n0\r\n\r\n";
    sent(&bench, request);
    let seen = server.requests().remove(0);
    assert_eq!(
        (seen.body.as_slice(), seen.header("content-length")),
        (&b"{\"a\":1}"[..], Some("7"))
    );
    let signature = seen.header("authorization").unwrap();
    assert!(
        signature.starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"),
        "{signature}"
    );
    assert!(
        signature.contains("/eu-west-1/dynamodb/aws4_request, SignedHeaders="),
        "{signature}"
    );
}

#[test]
fn a_websockets_frames_are_looked_through_both_ways() {
    let authority = TestAuthority::new();
    let server = websocket::echo(Some(&authority.identity(&["a.test"])));
    let definition = json!({ "name": "token", "hosts": ["a.test"] });
    let bench = bench(&authority, definition, &[rule(&server, "token")]);
    let upgrade = "GET /ws HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let mut inside = open(&bench.stand, "a.test");
    inside.write_all(upgrade.as_bytes()).unwrap();
    assert!(head(&mut inside).starts_with("HTTP/1.1 101 "));
    let frame = |text: &str| {
        let length = u8::try_from(text.len()).unwrap();
        [&[0x81, 0x80 | length, 0, 0, 0, 0], text.as_bytes()].concat()
    };
    // The server says it back: on its way the value becomes the placeholder.
    inside.write_all(&frame(VALUE)).unwrap();
    let mut start = [0; 2];
    inside.read_exact(&mut start).unwrap();
    let mut payload = vec![0; usize::from(start[1])];
    inside.read_exact(&mut payload).unwrap();
    let mut shown = payload;
    while start[0] & 0x80 == 0 {
        inside.read_exact(&mut start).unwrap();
        let mut more = vec![0; usize::from(start[1])];
        inside.read_exact(&mut more).unwrap();
        shown.extend(more);
    }
    assert_eq!(String::from_utf8(shown).unwrap(), bench.mark);
    inside.write_all(&frame(&bench.mark)).unwrap();
    drop(inside.read_to_end(&mut Vec::new()));
    let close = bench.stand.close_event();
    assert_eq!(close.reason, "secret_misdirected");
    eventually(|| {
        bench
            .stand
            .log_text()
            .contains("\"alert\":\"secret_misdirected\"")
            .then_some(())
    });
}

#[test]
fn the_gateways_fetch_goes_the_same_way() {
    let authority = TestAuthority::new();
    let server = echo(&authority);
    let plain = Origin::http(ok("hi"));
    let definition = json!({ "name": "token", "hosts": ["a.test"] });
    let rules = [rule(&server, "token"), plain.rule("c.test", 80)];
    let bench = bench(&authority, definition, &rules);
    let fetch = |url: &str| {
        let request = sheriff_egress::FetchRequest {
            url: url.to_owned(),
            method: "GET".to_owned(),
            headers: vec![("authorization".to_owned(), format!("Bearer {}", bench.mark))],
            body: Vec::new(),
            timeout: crate::stand::PATIENCE,
        };
        let (runtime, session) = (&bench.stand.runtime, &bench.stand.session);
        runtime.block_on(bench.stand.proxy.fetch(session, request))
    };
    let answer = fetch("https://a.test/x").unwrap();
    let text = String::from_utf8(answer.body).unwrap();
    assert!(
        text.contains(&bench.mark) && !text.contains(VALUE),
        "{text}"
    );
    let sent = server.requests().remove(0);
    assert_eq!(
        sent.header("authorization"),
        Some(&*format!("Bearer {VALUE}"))
    );
    let refused = fetch("http://c.test/").unwrap_err().to_string();
    assert!(refused.contains("secret_misdirected"), "{refused}");
    assert_eq!(plain.connections(), 0);
}
