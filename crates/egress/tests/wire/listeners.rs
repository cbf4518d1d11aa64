//! The other ways in, and what a flood of connections does.

use std::io::{Read, Write};
use std::net::UdpSocket;

use model::Via;
use sheriff_egress::limits::{DENIALS_FIRST, DENIALS_PER_SECOND};

use crate::origin::{Origin, ok};
use crate::stand::{PATIENCE, Stand, denial, dial, eventually, read_answer, read_exact};

fn question(name: &[u8]) -> Vec<u8> {
    let mut message = vec![0xab, 0xcd, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split(|byte| *byte == b'.') {
        message.push(u8::try_from(label.len()).unwrap());
        message.extend_from_slice(label);
    }
    message.extend_from_slice(&[0, 0, 1, 0, 1]);
    message
}

#[test]
fn every_question_is_answered_with_no_such_name() {
    let stand = Stand::new(&[]);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    // Another address than the listener's own: the answer must come from where the question went.
    let asked = std::net::SocketAddr::from(([127, 9, 9, 9], stand.dns_udp.port()));
    socket.connect(asked).unwrap();
    let mut reply = [0; 512];
    socket.send(b"garbage").unwrap();
    socket.send(&question(b"secret\x1b.a.test")).unwrap();
    let length = socket.recv(&mut reply).unwrap();
    assert_eq!(
        (length, reply[3] & 15),
        (question(b"secret\x1b.a.test").len(), 3)
    );
    let mut stream = dial(stand.dns_tcp);
    let message = question(b"b.test");
    for _ in 0..2 {
        let length = u16::try_from(message.len()).unwrap().to_be_bytes();
        stream.write_all(&[&length[..], &message].concat()).unwrap();
        let reply = read_exact(&mut stream, message.len() + 2);
        assert_eq!((&reply[..2], reply[5] & 15), (&length[..], 3));
    }
    let events = stand.events();
    let hosts: Vec<_> = events.iter().map(|event| event.host.as_str()).collect();
    assert_eq!(hosts, [r"secret\x1b.a.test", "b.test", "b.test"]);
    assert!(
        events
            .iter()
            .all(|event| event.via == Via::Dns && event.method == "DNS")
    );
}

#[test]
fn a_flood_of_questions_is_counted_but_does_not_fill_the_log() {
    let stand = Stand::new(&[]);
    let mut stream = dial(stand.dns_tcp);
    let message = question(b"a.test");
    let framed = [
        &u16::try_from(message.len()).unwrap().to_be_bytes()[..],
        &message,
    ]
    .concat();
    for _ in 0..500 {
        stream.write_all(&framed).unwrap();
        read_exact(&mut stream, framed.len());
    }
    drop(stream);
    let events = stand.finish();
    assert!(events.len() < 100, "{} events", events.len());
    assert_eq!(stand.session.usage().denied, 500);
    assert!(stand.log_text().contains("denials_suppressed"));
}

/// What so many denials of policy on one connection were told.
fn flood(stand: &Stand, count: usize) -> Vec<serde_json::Value> {
    let mut stream = stand.dial();
    let request = b"GET http://b.test/ HTTP/1.1\r\nHost: b.test\r\n\r\n";
    let told = (0..count).map(|_| {
        stream.write_all(request).unwrap();
        let (head, body) = read_answer(&mut stream);
        assert_eq!(denial(&head), (403, "not_in_allowlist".to_owned()));
        serde_json::from_str(&body).unwrap()
    });
    told.collect()
}

/// Whether an answer says that its id leads to the log.
fn leads_to_the_log(told: &serde_json::Value) -> bool {
    let text = told.to_string();
    let counted = text.contains("its id is not in the log");
    assert_eq!(text.contains("sheriff egress why e-"), !counted, "{text}");
    !counted
}

#[test]
fn a_flood_of_judged_denials_has_the_same_verdict_but_does_not_fill_the_log() {
    let origin = Origin::http(ok("hi"));
    let stand = Stand::new(&[origin.rule("a.test", 80)]);
    let begun = std::time::Instant::now();
    let first = usize::try_from(DENIALS_FIRST).unwrap();
    assert!(flood(&stand, first).iter().all(leads_to_the_log));
    assert_eq!(stand.events().len(), first);
    let told = flood(&stand, 1000);
    assert!(told.iter().any(|one| !leads_to_the_log(one)));
    let log = stand.log_text();
    for one in told {
        let id = one["id"].as_str().unwrap();
        assert_eq!(log.contains(id), leads_to_the_log(&one), "{one}");
    }
    // What is allowed is on record all the same.
    let get = "GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";
    assert!(stand.ask(get).ends_with("hi"));
    let seconds = begun.elapsed().as_secs() + 2;
    let events = stand.finish();
    let allowed = events.iter().filter(|event| event.host == "a.test").count();
    assert_eq!(allowed, 2);
    let denied = (events.len() - allowed) as u64;
    let most = u64::from(DENIALS_FIRST) + u64::from(DENIALS_PER_SECOND) * seconds;
    assert!(denied <= most, "{denied} in {seconds} s");
    assert_eq!(stand.session.usage().denied, 2000);
    assert_eq!(denied + suppressed(&stand), 2000);
}

/// How many denials were counted instead of recorded, by the log's own account.
fn suppressed(stand: &Stand) -> u64 {
    let text = stand.log_text();
    let entries = text
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    entries
        .filter(|entry| {
            entry.pointer("/data/alert") == Some(&serde_json::json!("denials_suppressed"))
        })
        .map(|entry| entry.pointer("/data/count").unwrap().as_u64().unwrap())
        .sum()
}

#[test]
fn connections_beyond_the_limit_are_refused_and_later_ones_served_again() {
    let origin = Origin::echo();
    let stand = Stand::new(&[origin.rule("a.test", 9000)]);
    let held: Vec<_> = (0..sheriff_egress::limits::SESSION_CONNECTIONS)
        .map(|_| stand.dial())
        .collect();
    let request = "CONNECT a.test:9000 HTTP/1.1\r\nHost: a.test:9000\r\n\r\n";
    // The last of the held ones may not have been taken in yet.
    eventually(|| {
        (denial(&stand.ask(request)) == (503, "too_many_connections".into())).then_some(())
    });
    drop(held);
    eventually(|| {
        stand
            .ask(request)
            .starts_with("HTTP/1.1 200 ")
            .then_some(())
    });
}

#[test]
fn a_client_that_never_reads_makes_the_proxy_hold_no_more_than_a_buffer() {
    // Beyond what the four sockets on the way hold at most (tcp_rmem and tcp_wmem, some MiB each).
    const ENDLESS: usize = 256 << 20;
    let origin = Origin::start(|caller| {
        caller.head();
        caller.say(format!("HTTP/1.1 200 OK\r\nContent-Length: {ENDLESS}\r\n\r\n").as_bytes());
        let block = vec![b'x'; 1 << 20];
        for _ in 0..ENDLESS >> 20 {
            caller.say(&block);
        }
    });
    let stand = Stand::new(&[origin.rule("a.test", 80), origin.rule("a.test", 9000)]);
    let mut forwarded = stand.dial();
    let get = b"GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n";
    forwarded.write_all(get).unwrap();
    let mut tunnel = stand.tunnel("a.test:9000");
    tunnel.write_all(b"\r\n\r\n").unwrap();
    let down = || stand.session.usage().bytes_down;
    eventually(|| {
        let before = down();
        // Stillness is what is awaited, so time has to pass.
        std::thread::sleep(std::time::Duration::from_millis(200));
        (before > 0 && down() == before).then_some(())
    });
    assert!(down() < (ENDLESS / 2) as u64, "{}", down());
    // The control: whoever reads gets all of it.
    let mut got = 0;
    let mut block = vec![0; 1 << 20];
    while got < ENDLESS {
        got += forwarded.read(&mut block).unwrap();
    }
    assert!(down() > ENDLESS as u64);
}
