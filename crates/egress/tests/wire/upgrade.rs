//! Upgrades: a WebSocket that both sides agree on, and nothing else.

use std::io::Write;

use crate::origin::Origin;
use crate::stand::{Stand, denial, read_exact, read_head};

const HEAD: &str = "GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n";

fn websocket_server() -> Origin {
    Origin::start(|caller| {
        let Some(head) = caller.head() else { return };
        assert!(head.contains("Upgrade: websocket") && head.contains("Sec-WebSocket-Key: k"));
        caller.say(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nhello");
        while let Some(bytes) = caller.read() {
            caller.say(&bytes);
        }
    })
}

#[test]
fn a_websocket_becomes_a_metered_tunnel() {
    let origin = websocket_server();
    let stand = Stand::new(&[origin.rule("a.test", 80)]);
    let mut stream = stand.dial();
    let request = format!(
        "{HEAD}Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Key: k\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let head = read_head(&mut stream);
    assert!(
        head.starts_with("HTTP/1.1 101 ") && head.contains("upgrade: websocket"),
        "{head}"
    );
    assert_eq!(read_exact(&mut stream, 5), b"hello");
    stream.write_all(&[7; 100_000]).unwrap();
    assert_eq!(read_exact(&mut stream, 100_000), [7; 100_000]);
    drop(stream);
    let close = stand.close_event();
    assert_eq!(close.status, Some(101));
    assert_eq!(close.bytes_up, origin.seen().len() as u64);
    assert!(close.bytes_down > 100_005);
}

#[test]
fn refuses_every_other_upgrade_before_anything_is_sent() {
    let origin = websocket_server();
    let stand = Stand::new(&[origin.rule("a.test", 80)]);
    for fields in [
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n",
        "Connection: Upgrade\r\nUpgrade: notwebsocket\r\n",
        "Connection: Upgrade\r\nUpgrade: websocket, h2c\r\n",
        "Connection: Upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c\r\n",
        "Upgrade: websocket\r\n",
        "Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 3\r\n",
    ] {
        let answer = stand.ask(format!("{HEAD}{fields}\r\n"));
        assert_eq!(
            denial(&answer),
            (403, "upgrade_refused".to_owned()),
            "{fields:?}"
        );
    }
    assert_eq!(origin.connections(), 0);
}

#[test]
fn refuses_a_switch_to_something_that_was_not_asked_for() {
    for answer in [
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nContent-Length: 3\r\n\r\n",
    ] {
        let origin = Origin::http_closing(answer);
        let stand = Stand::new(&[origin.rule("a.test", 80)]);
        let got = stand.ask(format!(
            "{HEAD}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
        ));
        assert_eq!(
            denial(&got),
            (502, "upstream_protocol".to_owned()),
            "{answer:?}"
        );
    }
}
