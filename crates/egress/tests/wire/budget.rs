//! Byte budgets: exact, cut in the middle, and final.

use std::io::{Read, Write};

use model::{ByteSize, Verdict};
use policy::{Budget, OnExceeded};
use rustls::RootCertStore;

use crate::origin::{Origin, ok};
use crate::stand::{Stand, UNLIMITED, budget, denial, eventually, read_exact};

const CONNECT: &str = "CONNECT a.test:9000 HTTP/1.1\r\nHost: a.test:9000\r\n\r\n";

fn stand(origin: &Origin, budget: Budget) -> Stand {
    Stand::with(
        &[origin.rule("a.test", 9000), origin.rule("a.test", 80)],
        budget,
        RootCertStore::empty(),
    )
}

#[test]
fn a_tunnel_is_cut_at_the_very_byte_and_nothing_is_let_in_afterwards() {
    let origin = Origin::start(|caller| while caller.read().is_some() {});
    let stand = stand(&origin, budget(Some(100_000), None));
    let mut stream = stand.tunnel("a.test:9000");
    stream.write_all(&[1; 60_000]).unwrap();
    eventually(|| (origin.seen().len() == 60_000).then_some(()));
    drop(stream.write_all(&[2; 400_000]));
    assert!(matches!(stream.read(&mut [0]), Ok(0) | Err(_)));
    stand.runtime.block_on(stand.session.budget_exceeded());
    let close = stand.close_event();
    assert_eq!(
        (close.bytes_up, close.reason.as_str()),
        (100_000, "budget_exceeded")
    );
    assert_eq!(close.verdict, Verdict::Allow, "it was allowed, and cut");
    eventually(|| (origin.seen().len() == 100_000).then_some(()));
    let answer = stand.ask(CONNECT);
    assert_eq!(denial(&answer), (429, "budget_exceeded".to_owned()));
    assert!(answer.contains("retry-after: "));
}

#[test]
fn many_tunnels_share_one_budget_to_the_byte() {
    let origin = Origin::start(|caller| while caller.read().is_some() {});
    let stand = stand(&origin, budget(Some(1_000_000), None));
    let streams: Vec<_> = (0..8).map(|_| stand.tunnel("a.test:9000")).collect();
    let writers: Vec<_> = streams
        .into_iter()
        .map(|mut stream| {
            let write = move || drop(stream.write_all(&[3; 300_000]));
            tasks::thread("writer", write).unwrap()
        })
        .collect();
    writers
        .into_iter()
        .for_each(|writer| writer.join().unwrap());
    stand.runtime.block_on(stand.session.budget_exceeded());
    stand.finish();
    assert_eq!(stand.session.usage().bytes_up, 1_000_000);
    eventually(|| (origin.seen().len() == 1_000_000).then_some(()));
}

#[test]
fn an_answer_is_cut_when_the_budget_for_coming_in_is_used_up() {
    let origin = Origin::http_closing(ok(&"x".repeat(50_000)));
    let stand = stand(&origin, budget(None, Some(20_000)));
    let mut stream = stand.dial();
    stream
        .write_all(b"GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n")
        .unwrap();
    let mut got = Vec::new();
    stream.read_to_end(&mut got).unwrap();
    let body = got.iter().filter(|byte| **byte == b'x').count();
    assert!(
        (19_000..20_000).contains(&body),
        "what was paid for arrives, and is not all that was announced: {body}"
    );
    assert_eq!(stand.session.usage().bytes_down, 20_000);
    assert_eq!(stand.close_event().reason, "budget_exceeded");
}

#[test]
fn a_budget_that_only_warns_cuts_nothing_and_raises_one_alert() {
    let origin = Origin::echo();
    let warn = Budget {
        egress_up: Some(ByteSize(10)),
        egress_down: None,
        on_exceeded: OnExceeded::Warn,
        ..UNLIMITED
    };
    let stand = stand(&origin, warn);
    for _ in 0..2 {
        let mut stream = stand.tunnel("a.test:9000");
        stream.write_all(&[1; 1000]).unwrap();
        read_exact(&mut stream, 1000);
    }
    stand.finish();
    let log = stand.log_text();
    assert_eq!(
        log.matches("\"alert\":\"budget_exceeded\"").count(),
        1,
        "{log}"
    );
    assert_eq!(stand.session.usage().bytes_up, 2000);
}

#[test]
fn an_upload_without_a_length_is_cut_at_the_very_byte() {
    let origin = Origin::start(|caller| while caller.read().is_some() {});
    let stand = stand(&origin, budget(Some(50_000), None));
    let mut stream = stand.dial();
    let head = "PUT http://a.test/ HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let chunk = [b"1000\r\n", &[7; 4096][..], b"\r\n"].concat();
    for _ in 0..100 {
        // The proxy stops reading when it answers.
        if stream.write_all(&chunk).is_err() {
            break;
        }
    }
    let close = stand.close_event();
    assert_eq!(
        (close.bytes_up, close.reason.as_str()),
        (50_000, "budget_exceeded")
    );
    eventually(|| (origin.seen().len() == 50_000).then_some(()));
    // The control: the same upload within its budget is taken whole.
    let origin = Origin::start(|caller| {
        let mut got = Vec::new();
        while !got.ends_with(b"0\r\n\r\n") {
            got.extend(caller.read().unwrap());
        }
        caller.say(ok("done").as_bytes());
    });
    let stand = self::stand(&origin, budget(Some(50_000), None));
    let whole = [head.as_bytes(), &chunk, b"0\r\n\r\n"].concat();
    assert!(stand.ask(whole).ends_with("done"));
}

#[test]
fn a_websockets_frames_count_whatever_they_are_and_the_budget_cuts_them() {
    let origin = Origin::start(|caller| {
        caller.head();
        caller.say(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        );
        while caller.read().is_some() {}
    });
    let stand = stand(&origin, budget(Some(20_000), None));
    let mut stream = stand.dial();
    let head = "GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    crate::stand::read_head(&mut stream);
    let before = stand.session.usage().bytes_up;
    // Masked: a ping, a binary fragment without its end, and a continuation of it.
    let frames = [
        &[0x89, 0x80, 1, 2, 3, 4][..],
        &[0x02, 0x81, 1, 2, 3, 4, 5],
        &[0x00, 0x81, 1, 2, 3, 4, 5],
    ]
    .concat();
    stream.write_all(&frames).unwrap();
    let counted = before + frames.len() as u64;
    eventually(|| (stand.session.usage().bytes_up == counted).then_some(()));
    drop(stream.write_all(&frames.repeat(2000)));
    let close = stand.close_event();
    assert_eq!(
        (close.bytes_up, close.reason.as_str(), close.status),
        (20_000, "budget_exceeded", Some(101))
    );
}
