//! Egress through a configured hop: what it is asked for, what it is not, and how its failures are told.

use std::io::{Read, Write};
use std::net::SocketAddr;

use policy::{Destination, HostPattern};
use serde_json::json;
use sheriff_egress::hop::{Credentials, Resolve};
use sheriff_egress::{Hop, HopSpec};
use testkit::{Hop as Proxy, Raw, Step};
use vault::SecretValue;

use crate::origin::{Origin, ok};
use crate::stand::{Stand, denial, eventually, read_exact, read_head};

/// A public address: it passes the check of classes, and nothing is sent to it here.
const PUBLIC: &str = "1.1.1.1:9000";

fn through(address: SocketAddr, resolve: Resolve) -> HopSpec {
    HopSpec {
        server: Destination::from_authority(address.to_string().as_bytes(), None).unwrap(),
        credentials: Credentials::None,
        direct: Vec::new(),
        resolve,
    }
}

fn stand(spec: HopSpec) -> Stand {
    let stand = Stand::new(&[
        json!({ "host": "1.1.1.1", "ports": [80, 443, 9000] }),
        json!({ "host": "a.test", "ports": [80, 443, 9000] }),
        json!({ "host": "localhost", "ports": [9000] }),
    ]);
    stand.proxy.set_hop(Some(Hop::new(spec)));
    stand
}

fn connect(target: &str) -> String {
    format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n")
}

#[test]
fn a_tunnel_goes_through_the_hop_byte_for_byte_and_its_preface_is_counted() {
    // It speaks first, so a byte that the hop's answer takes along would be missing.
    let origin = Origin::start(|caller| {
        caller.say(b"220 ready\r\n");
        while caller.read().is_some() {}
    });
    let hop = Proxy::start(origin.address, None);
    let stand = stand(through(hop.address(), Resolve::Here));
    let mut stream = stand.tunnel(PUBLIC);
    assert_eq!(read_exact(&mut stream, 11), b"220 ready\r\n");
    stream.write_all(b"hello").unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    let close = stand.close_event();
    assert_eq!(close.reason, "allowed");
    let asked = hop.asked();
    assert_eq!(asked, [connect(PUBLIC)]);
    assert_eq!(close.bytes_up, asked[0].len() as u64 + 5);
    eventually(|| (hop.traffic().received() >= close.bytes_up).then_some(()));
    assert_eq!(close.bytes_up, hop.traffic().received());
    assert!(close.bytes_down > 11);
    assert_eq!(origin.seen(), "hello");
}

#[test]
fn plain_requests_take_connect_too_and_several_share_one_tunnel() {
    let origin = Origin::http(ok("fine"));
    let hop = Proxy::start(origin.address, None);
    let stand = stand(through(hop.address(), Resolve::There));
    let mut stream = stand.dial();
    for _ in 0..2 {
        let request = "GET http://a.test/x HTTP/1.1\r\nHost: a.test\r\n\r\n";
        stream.write_all(request.as_bytes()).unwrap();
        let (head, body) = crate::stand::read_answer(&mut stream);
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        assert_eq!(body, "fine");
    }
    assert_eq!(hop.asked(), [connect("a.test:80")]);
    let seen = origin.seen();
    assert_eq!(seen.matches("GET /x HTTP/1.1\r\n").count(), 2, "{seen}");
}

#[test]
fn what_resolves_to_a_forbidden_address_here_never_gets_to_the_hop() {
    let origin = Origin::echo();
    let hop = Proxy::start(origin.address, None);
    let here = stand(through(hop.address(), Resolve::Here));
    for target in ["localhost:9000", "a.test:9000"] {
        let (status, reason) = denial(&here.ask(connect(target)));
        let expected = match target {
            "a.test:9000" => (502, "resolve_failed"),
            _ => (403, "forbidden_address"),
        };
        assert_eq!((status, reason.as_str()), expected);
    }
    assert_eq!(hop.asked(), Vec::<String>::new());
    // The control: left to the hop, both get there, and what no rule allows does not.
    let there = stand(through(hop.address(), Resolve::There));
    drop(there.tunnel("localhost:9000"));
    drop(there.tunnel("a.test:9000"));
    let refused = denial(&there.ask(connect("b.test:9000")));
    assert_eq!(refused, (403, "not_in_allowlist".to_owned()));
    assert_eq!(hop.asked().len(), 2);
}

#[test]
fn hosts_that_need_no_hop_and_addresses_of_rules_are_dialled_directly() {
    let origin = Origin::echo();
    let hop = Proxy::start(origin.address, None);
    let own = Stand::new(&[
        origin.rule("own.test", 9000),
        json!({ "host": "localhost", "ports": [9000] }),
    ]);
    let mut spec = through(hop.address(), Resolve::There);
    spec.direct = vec![HostPattern::parse("localhost").unwrap()];
    own.proxy.set_hop(Some(Hop::new(spec)));
    let mut stream = own.tunnel("own.test:9000");
    stream.write_all(b"one").unwrap();
    assert_eq!(read_exact(&mut stream, 3), b"one");
    let refused = denial(&own.ask(connect("localhost:9000")));
    assert_eq!(refused, (403, "forbidden_address".to_owned()));
    assert_eq!(hop.asked(), Vec::<String>::new());
}

#[test]
fn credentials_go_to_the_hop_and_into_no_record() {
    let origin = Origin::echo();
    let hop = Proxy::start(origin.address, Some("user:hunter22"));
    let mut spec = through(hop.address(), Resolve::Here);
    let value = |text: &str| SecretValue::new(text.as_bytes().to_vec()).unwrap();
    spec.credentials = Credentials::Basic(value("user:hunter22"));
    let stand = stand(spec);
    let mut stream = stand.tunnel(PUBLIC);
    stream.write_all(b"one").unwrap();
    assert_eq!(read_exact(&mut stream, 3), b"one");
    assert_eq!(origin.seen(), "one");
    drop(stream);
    let mut wrong = through(hop.address(), Resolve::Here);
    wrong.credentials = Credentials::Basic(value("user:wrong-one"));
    stand.proxy.set_hop(Some(Hop::new(wrong)));
    let answer = stand.ask(connect(PUBLIC));
    assert_eq!(denial(&answer), (502, "upstream_proxy".to_owned()));
    assert!(answer.contains("407"), "{answer}");
    stand.finish();
    let log = stand.log_text();
    assert!(log.contains("hop_status_407"), "{log}");
    let coded = hop.asked();
    let coded = coded[0].split("Basic ").nth(1).unwrap().trim();
    for secret in ["hunter22", "wrong-one", coded] {
        assert!(!log.contains(secret) && !answer.contains(secret));
    }
}

#[test]
fn a_hop_that_is_away_or_says_nonsense_is_a_502_of_its_own() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let gone = closed.local_addr().unwrap();
    drop(closed);
    let nonsense = Raw::start(vec![
        Step::Await(b"\r\n\r\n".to_vec()),
        Step::Send(b"220 smtp ready\r\n\r\n".to_vec()),
    ]);
    let endless = Raw::start(vec![Step::Flood(vec![b'x'; 4096])]);
    let silent = Raw::start(vec![Step::Await(b"\r\n\r\n".to_vec())]);
    for (address, note) in [
        (gone, "hop_unreachable"),
        (nonsense.address(), "hop_malformed"),
        (endless.address(), "hop_malformed"),
        (silent.address(), "hop_silent"),
    ] {
        let stand = stand(through(address, Resolve::Here));
        let refused = denial(&stand.ask(connect(PUBLIC)));
        assert_eq!(refused, (502, "upstream_proxy".to_owned()), "{note}");
        assert_eq!(stand.close_event().note.as_deref(), Some(note));
    }
    let mut missing = through(gone, Resolve::Here);
    let origin = Origin::echo();
    let hop = Proxy::start(origin.address, None);
    missing.server = through(hop.address(), Resolve::Here).server;
    missing.credentials = Credentials::Missing("no such file".to_owned());
    let stand = stand(missing);
    let refused = denial(&stand.ask(connect(PUBLIC)));
    assert_eq!(refused, (502, "upstream_proxy".to_owned()));
    assert_eq!(hop.traffic().received(), 0);
}

#[test]
fn a_handshake_that_meets_a_refusing_hop_gets_an_alert() {
    let hop = Proxy::start(Origin::echo().address, Some("user:hunter22"));
    let stand = stand(through(hop.address(), Resolve::Here));
    let mut stream = stand.dial();
    stream.write_all(connect("1.1.1.1:443").as_bytes()).unwrap();
    assert!(read_head(&mut stream).starts_with("HTTP/1.1 200"));
    stream
        .write_all(&crate::connect::client_hello("1.1.1.1"))
        .unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert_eq!(answer.first(), Some(&21), "an alert");
    assert_eq!(stand.close_event().reason, "upstream_proxy");
}
