//! What the log says: escaped, before the effect, and complete.

use std::io::Write;

use model::{Phase, Verdict};
use sheriff_egress::limits::{DENIALS_FIRST, DENIALS_PER_SECOND};

use crate::origin::{Origin, ok};
use crate::stand::{Stand, denial, read_answer};

#[test]
fn hostile_text_is_escaped_and_cut() {
    let stand = Stand::new(&[]);
    for target in [
        "evil\u{1b}[31m.test:443".to_owned(),
        format!("{}:443", "a".repeat(7_000)),
        "http://a.test/\u{202e}?token=s3cret".to_owned(),
    ] {
        stand.ask(format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n"));
    }
    let events = stand.events();
    assert_eq!(events.len(), 3);
    for event in &events {
        assert!(
            event.host.len() < 300 && event.host.is_ascii(),
            "{}",
            event.host
        );
        assert!(!event.host.contains(char::is_control), "{}", event.host);
    }
    assert!(
        !stand.log_text().contains("s3cret"),
        "queries may hold secrets"
    );
}

#[test]
fn every_permitted_request_has_a_decision_and_a_close_with_one_id() {
    let origin = Origin::http(ok("hi"));
    let stand = Stand::new(&[origin.rule("a.test", 80)]);
    let mut stream = stand.dial();
    for path in ["1", "2?token=s3cret", "3"] {
        let request = format!("GET http://a.test/{path} HTTP/1.1\r\nHost: a.test\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        assert_eq!(read_answer(&mut stream).1, "hi");
    }
    drop(stream);
    let events = stand.finish();
    assert_eq!(events.len(), 6);
    for pair in events.chunks(2) {
        assert_eq!(
            (pair[0].phase, pair[1].phase),
            (Phase::Decision, Phase::Close)
        );
        assert_eq!(pair[0].id, pair[1].id);
        assert_eq!((pair[0].bytes_up, pair[0].verdict), (0, Verdict::Allow));
    }
    let total: u64 = events.iter().map(|event| event.bytes_up).sum();
    assert_eq!(total, stand.session.usage().bytes_up);
    assert!(!stand.log_text().contains("s3cret"));
}

#[test]
fn nothing_leaves_once_decisions_can_not_be_recorded() {
    let origin = Origin::http(ok("hi"));
    let stand = Stand::new(&[origin.rule("a.test", 80), origin.rule("a.test", 9000)]);
    let get = "GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";
    assert!(stand.ask(get).ends_with("hi"));
    let before = origin.connections();
    stand.log.close().unwrap();
    assert_eq!(denial(&stand.ask(get)), (503, "not_recorded".to_owned()));
    let connect = "CONNECT a.test:9000 HTTP/1.1\r\nHost: a.test:9000\r\n\r\n";
    assert_eq!(
        denial(&stand.ask(connect)),
        (503, "not_recorded".to_owned())
    );
    assert_eq!(origin.connections(), before);
}

#[test]
fn aborted_uploads_and_resets_leave_no_unexplained_byte() {
    let origin = Origin::start(|caller| while caller.read().is_some() {});
    let stand = Stand::new(&[origin.rule("a.test", 80), origin.rule("a.test", 9000)]);
    let mut upload = stand.dial();
    let head = "PUT http://a.test/ HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1000000\r\n\r\n";
    upload.write_all(head.as_bytes()).unwrap();
    upload.write_all(&[1; 300_000]).unwrap();
    drop(upload);
    let mut tunnel = stand.tunnel("a.test:9000");
    tunnel.write_all(&[1; 70_000]).unwrap();
    socket2::SockRef::from(&tunnel)
        .set_linger(Some(std::time::Duration::ZERO))
        .unwrap();
    drop(tunnel);
    stand.ask("garbage\r\n\r\nand what nobody reads");
    stand.finish();
    let kernel = stand.session.kernel();
    assert_eq!(kernel.unexplained_bytes, 0, "{kernel:?}");
    assert!(kernel.client_up > 300_000 && kernel.socket_up == kernel.client_up);
}

#[test]
fn permitted_requests_that_fail_at_once_fill_the_log_with_decisions_only() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = closed.local_addr().unwrap();
    drop(closed);
    let origin = Origin::http(ok("hi"));
    let gone =
        serde_json::json!({ "host": "gone.test", "ports": [80], "connect": address.to_string() });
    let stand = Stand::new(&[gone, origin.rule("a.test", 80)]);
    let begun = std::time::Instant::now();
    let count = usize::try_from(DENIALS_FIRST).unwrap() + 500;
    for _ in 0..count {
        let get = "GET http://gone.test/ HTTP/1.1\r\nHost: gone.test\r\n\r\n";
        assert_eq!(denial(&stand.ask(get)).1, "upstream_unreachable");
    }
    let get = "GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";
    assert!(stand.ask(get).ends_with("hi"));
    let seconds = usize::try_from(begun.elapsed().as_secs()).unwrap() + 2;
    let events = stand.finish();
    let of = |host: &str, phase| {
        let same = |event: &&model::EgressEvent| event.host == host && event.phase == phase;
        events.iter().filter(same).count()
    };
    assert_eq!(
        of("gone.test", Phase::Decision),
        count,
        "before the effect, always"
    );
    let closes = of("gone.test", Phase::Close);
    let rate = usize::try_from(DENIALS_PER_SECOND).unwrap();
    assert!(
        (count - 500..count - 500 + rate * seconds).contains(&closes),
        "{closes}"
    );
    assert_eq!(
        (of("a.test", Phase::Decision), of("a.test", Phase::Close)),
        (1, 1)
    );
    assert!(stand.log_text().contains("denials_suppressed"));
}
