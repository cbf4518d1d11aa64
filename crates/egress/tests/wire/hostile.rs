//! What an agent, or a server, tries that no honest one does: ways around looking through, and past limits.

use std::io::Write;
use std::sync::Mutex;

use http::header::CONTENT_LENGTH;
use http::{HeaderMap, Response as Answer};
use serde_json::json;
use testkit::http2::{Answering, Call, Http2};
use testkit::{Authority, Http, Response, websocket};

use crate::bench::{VALUE, bench};
use crate::secure::{self, ask, head, open};
use crate::stand::{denial, eventually};
use crate::streams::{connect, request};

/// Says what it was shown in trailers, behind content or behind none.
async fn trail(call: Call) -> Result<(), h2::Error> {
    let mut call = call;
    let shown = call.head.headers.get("authorization").unwrap().clone();
    let length = call.path().strip_prefix("/").unwrap_or_default().to_owned();
    let mut answer = Answer::new(());
    if let Ok(length) = length.parse::<u64>() {
        answer.headers_mut().insert(CONTENT_LENGTH, length.into());
    }
    let mut reply = call.begin(answer)?;
    if length != "0" && call.head.method != "HEAD" {
        reply.send(vec![b'x'; 2].into()).await?;
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("x-shown", shown);
    reply.end(trailers)
}

#[test]
fn trailers_show_no_value_whatever_they_come_behind() {
    let authority = Authority::new();
    let server = Http2::start(&authority.identity(&["a.test"]), |call| {
        Box::pin(trail(call)) as Answering
    });
    let definition = json!({ "name": "token", "hosts": ["a.test"] });
    let rule =
        json!({ "host": "a.test", "secret": "token", "connect": server.address().to_string() });
    let bench = bench(&authority, definition, &[rule]);
    let peer = connect(&bench.stand, "a.test");
    bench.stand.runtime.block_on(async {
        for (method, path) in [
            ("GET", "/2"),
            ("GET", "/any"),
            ("GET", "/0"),
            ("HEAD", "/2"),
        ] {
            let got = peer.ask(request(method, path, &[]), b"").await;
            let shown = got.trailers["x-shown"].to_str().unwrap();
            assert!(!shown.contains(VALUE), "{method} {path}");
            assert_eq!(shown, format!("Bearer {}", bench.mark), "{method} {path}");
        }
    });
}

/// Keeps the credentials that it was last shown, and tells them to whoever asks.
fn keeper(authority: &Authority) -> Http {
    let kept = Mutex::new("nothing".to_owned());
    Http::tls(&authority.identity(&["a.test"]), move |request| {
        let mut kept = kept.lock().unwrap();
        if let Some(shown) = request.header("authorization") {
            shown.clone_into(&mut kept);
        }
        Response::ok(kept.clone())
    })
}

#[test]
fn what_a_server_kept_is_redacted_in_later_answers_also_after_a_reload() {
    let authority = Authority::new();
    let server = keeper(&authority);
    let connect = server.address().to_string();
    let rules = [
        json!({ "host": "a.test", "secret": "token", "paths": ["/use"], "connect": connect }),
        json!({ "host": "a.test", "paths": ["/ask"], "connect": connect }),
    ];
    let definition = json!({ "name": "token", "hosts": ["a.test"] });
    let bench = bench(&authority, definition, &rules);
    let shown = format!("Bearer {}", bench.mark);
    let asked = |path: &str| {
        let mut inside = open(&bench.stand, "a.test");
        inside
            .write_all(secure::get("a.test", path).as_bytes())
            .unwrap();
        let answer = String::from_utf8(secure::until(&mut inside, b"0\r\n\r\n")).unwrap();
        let (_, chunks) = answer.split_once("\r\n\r\n").unwrap();
        // Every second line is a size.
        chunks.split("\r\n").skip(1).step_by(2).collect::<String>()
    };
    assert_eq!(asked("/ask"), "nothing");
    for path in ["/use", "/ask"] {
        assert_eq!(asked(path), shown, "{path}");
    }
    bench.stand.session.renew(sheriff_egress::Renewal {
        policy: crate::stand::policy(&rules),
        generation: 2,
        budget: crate::stand::UNLIMITED,
        wallet: bench.renewed(),
    });
    let answer = asked("/ask");
    assert!(
        answer.contains(&shown) && !answer.contains(VALUE),
        "{answer}"
    );
}

const UPGRADE: &str = "GET /ws HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                       Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

#[test]
fn a_websocket_is_no_way_past_a_limit_of_bodies_or_the_count_of_tokens() {
    let authority = Authority::new();
    let server = websocket::echo(Some(&authority.identity(&["a.test"])));
    let connect = server.address().to_string();
    for (term, allowed) in [
        (json!({ "max_body": "1KiB" }), false),
        (json!({ "llm": "openai" }), false),
        (json!({ "max_body": "1KiB", "websocket": true }), true),
        (json!({ "paths": ["/**"] }), true),
    ] {
        let mut rule = term.clone();
        rule["host"] = "a.test".into();
        rule["connect"] = connect.as_str().into();
        let stand = secure::stand(&authority, &[rule]);
        let mut inside = open(&stand, "a.test");
        if allowed {
            inside.write_all(UPGRADE.as_bytes()).unwrap();
            assert!(head(&mut inside).starts_with("HTTP/1.1 101 "), "{term}");
        } else {
            let (head, _) = ask(&mut inside, UPGRADE);
            let refused = (403, "websocket_not_allowed".to_owned());
            assert_eq!(denial(&head), refused, "{term}");
        }
    }
}

#[test]
fn content_that_takes_much_memory_waits_for_room_and_other_content_does_not() {
    let authority = Authority::new();
    let server = Http::tls(&authority.identity(&["a.test"]), |request| {
        Response::ok(request.target.clone())
    });
    let stand = secure::stand(&authority, &[secure::rule(&server, "a.test", &["/**"])]);
    let begin = |path: &str, coding: &str| {
        let mut inside = open(&stand, "a.test");
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: a.test\r\nContent-Encoding: {coding}\r\n\
             Transfer-Encoding: chunked\r\n\r\n"
        );
        inside.write_all(head.as_bytes()).unwrap();
        inside
    };
    let end = |inside: &mut secure::Inside| ask(inside, "0\r\n\r\n").1;
    // 16 MiB each, and 128 MiB are there.
    let mut all: Vec<_> = (0..8).map(|_| begin("/first", "br")).collect();
    eventually(|| (server.traffic().connections() == 8).then_some(()));
    let mut late = begin("/late", "br");
    late.write_all(b"0\r\n\r\n").unwrap();
    for coding in ["gzip", "identity"] {
        assert_eq!(end(&mut begin("/small", coding)), "/small", "{coding}");
    }
    assert_eq!(server.requests().len(), 2, "the late one waits");
    assert_eq!(end(&mut all[0]), "/first");
    assert_eq!(secure::answer(&mut late).1, "/late");
}
