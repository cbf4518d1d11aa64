//! Frames of HTTP/2 that an honest client does not send.

use std::io::{Read, Write};

use testkit::http2::{Answering, Http2};
use testkit::{Authority, Body, Http, Response};

use crate::secure::{self, Inside};
use crate::stand::{Stand, eventually};
use crate::streams::{connect, frame, get, literal, pseudo, raw, rule};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const ENDS: u8 = END_STREAM | END_HEADERS;

fn plain(authority: &Authority) -> Http {
    Http::tls(&authority.identity(&["a.test"]), |_request| {
        Response::ok("hi")
    })
}

fn stand(authority: &Authority, server: &Http) -> Stand {
    secure::stand(authority, &[secure::rule(server, "a.test", &["/**"])])
}

/// The next frame: kind, flags, stream and content. `None` at the end.
fn next(inside: &mut Inside) -> Option<(u8, u8, u32, Vec<u8>)> {
    let mut head = [0; 9];
    inside.read_exact(&mut head).ok()?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let mut content = vec![0; usize::try_from(length).unwrap()];
    inside.read_exact(&mut content).ok()?;
    let stream = u32::from_be_bytes(head[5..].try_into().unwrap());
    Some((head[3], head[4], stream, content))
}

/// The first frame of this kind.
fn wait_for(inside: &mut Inside, kind: u8) -> (u32, Vec<u8>) {
    loop {
        let (came, _, stream, content) = next(inside).unwrap();
        if came == kind {
            return (stream, content);
        }
    }
}

fn code(content: &[u8], at: usize) -> u32 {
    let bytes = content.iter().skip(at).take(4);
    bytes.fold(0, |sum, byte| sum << 8 | u32::from(*byte))
}

#[test]
fn heads_that_break_the_protocol_are_reset_and_recorded_and_reach_nobody() {
    let authority = Authority::new();
    let server = plain(&authority);
    let stand = stand(&authority, &server);
    let [method, scheme, path] = [0x82, 0x87, 0x84];
    let host = literal(":authority", "a.test");
    let bad = [
        [&pseudo()[..], &literal("connection", "close")].concat(),
        [&pseudo()[..], &literal("transfer-encoding", "chunked")].concat(),
        [&pseudo()[..], &literal("upgrade", "websocket")].concat(),
        [&pseudo()[..], &literal("te", "gzip")].concat(),
        [&pseudo()[..], &[0x84]].concat(),
        [&pseudo()[..], &literal("a", "b"), &[0x82]].concat(),
        [&[method, scheme][..], &host].concat(),
        [&[scheme, path][..], &host].concat(),
        [&[method, path][..], &host].concat(),
        [&pseudo()[..], &literal(":authority", "b.test")].concat(),
    ];
    let mut inside = raw(&stand, "a.test");
    for (number, head) in bad.iter().enumerate() {
        let stream = u32::try_from(number).unwrap() * 2 + 1;
        inside
            .write_all(&frame(HEADERS, ENDS, stream, head))
            .unwrap();
        let (reset, content) = wait_for(&mut inside, RST_STREAM);
        assert_eq!((reset, code(&content, 0)), (stream, 1), "{number}");
    }
    let recorded =
        eventually(|| Some(stand.session.denials()).filter(|all| all.len() == bad.len()));
    assert!(
        recorded
            .iter()
            .all(|event| event.reason == "http2_malformed")
    );
    assert!(
        recorded
            .iter()
            .all(|event| event.host == "a.test" && event.port == 443)
    );
    assert_eq!(server.traffic().connections(), 0);
    let fine = frame(HEADERS, ENDS, 101, &pseudo());
    inside.write_all(&fine).unwrap();
    assert_eq!(wait_for(&mut inside, HEADERS).0, 101);
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn heads_that_are_too_long_or_never_end_are_refused_and_recorded() {
    let authority = Authority::new();
    let server = plain(&authority);
    let stand = stand(&authority, &server);
    let reason = |reason: &'static str| {
        eventually(|| {
            let denials = stand.session.denials();
            denials.into_iter().find(|event| event.reason == reason)
        })
    };
    let long = literal("x", &"y".repeat(120)).repeat(300);
    let mut inside = raw(&stand, "a.test");
    inside
        .write_all(&frame(HEADERS, END_STREAM, 1, &pseudo()))
        .unwrap();
    for (number, part) in long.chunks(16_000).enumerate() {
        let last = if number == long.len() / 16_000 {
            END_HEADERS
        } else {
            0
        };
        inside
            .write_all(&frame(CONTINUATION, last, 1, part))
            .unwrap();
    }
    assert_eq!(wait_for(&mut inside, HEADERS).0, 1);
    reason("head_too_large");
    // CVE-2024-27316: a head that goes on for ever.
    let mut inside = raw(&stand, "a.test");
    inside
        .write_all(&frame(HEADERS, END_STREAM, 1, &pseudo()))
        .unwrap();
    for _ in 0..10_000 {
        if inside
            .write_all(&frame(CONTINUATION, 0, 1, &literal("x", "y")))
            .is_err()
        {
            break;
        }
    }
    drop(inside);
    eventually(|| {
        let denials = stand.session.denials();
        denials
            .into_iter()
            .find(|event| event.reason.starts_with("http2_"))
    });
    let peer = connect(&stand, "a.test");
    stand.runtime.block_on(async {
        assert_eq!(peer.ask(get("/"), b"").await.text(), "hi");
    });
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn streams_that_are_given_up_at_once_end_the_connection_before_they_are_many() {
    let authority = Authority::new();
    let server = Http2::start(&authority.identity(&["a.test"]), |mut call| {
        Box::pin(async move { call.reset().await }) as Answering
    });
    let stand = secure::stand(&authority, &[rule(&server, "a.test", &["/**"])]);
    let mut inside = raw(&stand, "a.test");
    // CVE-2023-44487.
    let mut sent = 0;
    for number in 0..4000_u32 {
        let stream = 2 * number + 1;
        let begun = frame(HEADERS, ENDS, stream, &pseudo());
        let given_up = frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes());
        if inside.write_all(&[begun, given_up].concat()).is_err() {
            break;
        }
        sent += 1;
    }
    let (_, content) = wait_for(&mut inside, GOAWAY);
    assert_eq!(code(&content, 4), 0xb, "ENHANCE_YOUR_CALM");
    eventually(|| {
        let denials = stand.session.denials();
        denials
            .into_iter()
            .find(|event| event.reason == "http2_flood")
    });
    drop(inside);
    stand.finish();
    let begun = stand.session.usage().allowed;
    assert!(begun < 1000, "{begun} of {sent} were begun");
    assert!(server.requests().len() < 1000);
}

#[test]
fn more_streams_than_are_granted_are_refused_and_the_granted_ones_live() {
    let authority = Authority::new();
    let server = Http2::start(&authority.identity(&["a.test"]), |mut call| {
        Box::pin(async move {
            if call.path() == "/" {
                call.reset().await
            } else {
                call.ok("hi").await
            }
        }) as Answering
    });
    let stand = secure::stand(&authority, &[rule(&server, "a.test", &["/**"])]);
    let mut inside = raw(&stand, "a.test");
    let streams: Vec<u8> = (0..150_u32)
        .flat_map(|number| frame(HEADERS, ENDS, 2 * number + 1, &pseudo()))
        .collect();
    inside.write_all(&streams).unwrap();
    for _ in 0..50 {
        let (stream, content) = wait_for(&mut inside, RST_STREAM);
        assert!(stream > 200, "{stream}");
        assert_eq!(code(&content, 0), 7, "REFUSED_STREAM");
    }
    eventually(|| (server.requests().len() == 100).then_some(()));
    let other = connect(&stand, "a.test");
    stand.runtime.block_on(async {
        assert_eq!(other.ask(get("/x"), b"").await.text(), "hi");
    });
}

#[test]
fn what_came_of_an_answer_arrives_before_its_stream_is_reset() {
    let authority = Authority::new();
    let server = Http::tls(&authority.identity(&["a.test"]), |_request| {
        Response::new(200, Body::Cut(10, b"abc".to_vec()))
    });
    let stand = stand(&authority, &server);
    let mut inside = raw(&stand, "a.test");
    inside
        .write_all(&frame(HEADERS, ENDS, 1, &pseudo()))
        .unwrap();
    assert_eq!(wait_for(&mut inside, HEADERS).0, 1);
    assert_eq!(wait_for(&mut inside, DATA), (1, b"abc".to_vec()));
    assert_eq!(wait_for(&mut inside, RST_STREAM).0, 1);
    assert_eq!(stand.close_event().reason, "upstream_aborted");
}
