//! What rules ask of the requests that they allow: the length of content.

use std::io::Write;

use serde_json::{Value, json};
use testkit::{Authority, Http, Response};

use crate::origin::{Origin, ok};
use crate::secure::{answer, ask, open, stand};
use crate::stand::{Stand, denial, eventually};

fn limited(address: std::net::SocketAddr, port: u16) -> Value {
    json!({ "host": "a.test", "ports": [port], "max_body": "10B", "connect": address.to_string() })
}

#[test]
fn content_with_a_length_beyond_the_limit_is_refused_before_anything_is_dialled() {
    let authority = Authority::new();
    let server = Http::tls(&authority.identity(&["a.test"]), |request| {
        Response::ok(request.body_bytes.to_string())
    });
    let stand = stand(&authority, &[limited(server.address(), 443)]);
    let post = |length: usize| {
        let body = "x".repeat(length);
        format!("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: {length}\r\n\r\n{body}")
    };
    let (head, _) = ask(&mut open(&stand, "a.test"), &post(11));
    assert_eq!(denial(&head), (413, "body_too_large".to_owned()));
    assert_eq!(server.traffic().connections(), 0);
    assert_eq!(ask(&mut open(&stand, "a.test"), &post(10)).1, "10");
}

#[test]
fn content_without_a_length_is_cut_off_upstream_at_the_limit_and_counted_exactly() {
    let authority = Authority::new();
    let server = Http::tls(&authority.identity(&["a.test"]), |request| {
        Response::ok(request.body_bytes.to_string())
    });
    let stand = stand(&authority, &[limited(server.address(), 443)]);
    let start =
        "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n12345678\r\n";
    let mut inside = open(&stand, "a.test");
    assert_eq!(
        ask(&mut inside, &format!("{start}2\r\nab\r\n0\r\n\r\n")).1,
        "10"
    );
    inside.write_all(start.as_bytes()).unwrap();
    eventually(|| (server.traffic().received() > 0).then_some(()));
    inside.write_all(b"3\r\nabc\r\n0\r\n\r\n").unwrap();
    let (head, _) = answer(&mut inside);
    assert_eq!(denial(&head), (413, "body_too_large".to_owned()));
    drop(inside);
    assert_eq!(
        server.requests().len(),
        1,
        "the second one never became whole"
    );
    let events = stand.finish();
    let close = events.last().unwrap();
    assert_eq!(close.reason, "body_too_large");
    let sent = events.iter().map(|event| event.bytes_up).sum::<u64>();
    // The server may still be reading.
    eventually(|| (server.traffic().received() >= sent).then_some(()));
    assert_eq!(server.traffic().received(), sent);
}

#[test]
fn the_limit_holds_for_plain_http_as_well() {
    let origin = Origin::http(ok("hi"));
    let stand = Stand::new(&[limited(origin.address, 80)]);
    let request = "POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n\
                   b\r\nhello world\r\n0\r\n\r\n";
    assert_eq!(
        denial(&stand.ask(request)),
        (413, "body_too_large".to_owned())
    );
    assert!(!origin.seen().contains("hello"));
    let fine = request.replace("b\r\nhello world", "5\r\nhello");
    assert!(stand.ask(fine).ends_with("hi"));
}

#[test]
fn a_rate_refuses_what_comes_too_soon_and_says_how_long_to_wait() {
    let (slow, quick) = (Origin::http(ok("slow")), Origin::http(ok("quick")));
    let mut limited = slow.rule("a.test", 80);
    limited["rate"] = json!("2/h");
    let stand = Stand::new(&[limited, quick.rule("b.test", 80)]);
    let get = |host: &str| {
        let request =
            format!("GET http://{host}/ HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        stand.ask(request)
    };
    for _ in 0..2 {
        assert!(get("a.test").ends_with("slow"));
    }
    let answer = get("a.test");
    assert_eq!(denial(&answer), (429, "rate_limited".to_owned()));
    let wait = answer
        .lines()
        .find_map(|line| line.strip_prefix("retry-after: "));
    let wait: u32 = wait.unwrap().parse().unwrap();
    assert!((1700..=1800).contains(&wait), "{wait}");
    assert!(
        answer.contains(&format!("\"retry_after\":{wait}")),
        "{answer}"
    );
    assert!(
        get("b.test").ends_with("quick"),
        "other rules have their own"
    );
    assert_eq!(stand.session.denials().len(), 1);
}

#[test]
fn answers_of_language_models_are_counted_also_when_they_are_cut() {
    let authority = Authority::new();
    let usage =
        r#"{"model":"m-1","usage":{"prompt_tokens":11,"completion_tokens":7,"total_tokens":18}}"#;
    let server = Http::tls(&authority.identity(&["a.test"]), move |request| {
        assert_eq!(request.header("accept-encoding"), Some("identity"));
        match request.path() {
            "/error" => Response::new(500, testkit::Body::Bytes(usage.into())),
            _ => Response::ok(usage),
        }
    });
    let rule = json!({
        "host": "a.test", "llm": "openai", "connect": server.address().to_string(),
    });
    let stand = stand(&authority, &[rule]);
    let mut inside = open(&stand, "a.test");
    let post = |path: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nHost: a.test\r\nAccept-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{{}}"
        )
    };
    let (head, body) = ask(&mut inside, &post("/v1/chat/completions"));
    assert_eq!(body, usage);
    assert!(
        head.contains("content-length: "),
        "what only looks on leaves the length: {head}"
    );
    ask(&mut inside, &post("/error"));
    let events = stand.finish();
    let charges: Vec<_> = events
        .iter()
        .filter_map(|event| event.llm.as_ref())
        .collect();
    assert_eq!(charges.len(), 1, "{charges:?}");
    assert_eq!((charges[0].usage.input, charges[0].usage.output), (11, 7));
}

#[test]
fn a_budget_cuts_what_goes_through_opened_tls_at_the_very_byte() {
    let authority = Authority::new();
    let server = Http::tls(&authority.identity(&["a.test"]), |_request| {
        Response::new(200, testkit::Body::Zeros(1_000_000))
    });
    let rule =
        json!({ "host": "a.test", "paths": ["/**"], "connect": server.address().to_string() });
    let roots = crate::secure::roots(authority.pem());
    let stand = Stand::with(&[rule], crate::stand::budget(None, Some(100_000)), roots);
    let mut inside = open(&stand, "a.test");
    inside
        .write_all(crate::secure::get("a.test", "/").as_bytes())
        .unwrap();
    let mut got = Vec::new();
    drop(std::io::Read::read_to_end(&mut inside, &mut got));
    assert!(got.len() < 100_000 && got.len() > 50_000, "{}", got.len());
    let close = stand.close_event();
    assert_eq!(
        (close.bytes_down, close.reason.as_str()),
        (100_000, "budget_exceeded")
    );
}

#[test]
fn a_tunnel_that_a_new_policy_wants_opened_is_cut() {
    let origin = Origin::echo();
    let stand = Stand::new(&[origin.rule("a.test", 9000)]);
    let mut stream = stand.tunnel("a.test:9000");
    stream.write_all(b"one").unwrap();
    assert_eq!(crate::stand::read_exact(&mut stream, 3), b"one");
    let mut narrowed = origin.rule("a.test", 9000);
    narrowed["paths"] = json!(["/x"]);
    let narrowed = crate::stand::policy(&[narrowed]);
    stand.session.replace_policy(narrowed, 2);
    assert!(matches!(
        std::io::Read::read(&mut stream, &mut [0]),
        Ok(0) | Err(_)
    ));
    assert_eq!(stand.close_event().reason, "policy_changed");
}
