//! Other rules, budgets and secrets under a session that is served: what is open is judged anew, what was
//! used stays used.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use policy::Budget;
use serde_json::{Value, json};
use sheriff_egress::Renewal;
use testkit::Authority as TestAuthority;
use vault::Wallet;

use crate::bench::{bench, echo, rule, sent};
use crate::origin::Origin;
use crate::secure::{ask, head, open};
use crate::stand::{Stand, UNLIMITED, budget, denial, exchange, policy, read_head};

fn renew(stand: &Stand, allow: &[Value], budget: Budget) {
    stand.session.renew(Renewal {
        policy: policy(allow),
        generation: 2,
        budget,
        wallet: Arc::new(Wallet::empty()),
    });
}

fn echoes(stream: &mut TcpStream) -> bool {
    let mut got = [0; 3];
    stream.write_all(b"one").is_ok() && stream.read_exact(&mut got).is_ok()
}

#[test]
fn a_tunnel_goes_on_under_the_same_rule_and_ends_when_it_leads_elsewhere() {
    let (here, there) = (Origin::echo(), Origin::echo());
    let stand = Stand::new(&[here.rule("a.test", 9000)]);
    let mut stream = stand.tunnel("a.test:9000");
    assert!(echoes(&mut stream));
    renew(&stand, &[here.rule("a.test", 9000)], UNLIMITED);
    assert!(echoes(&mut stream));
    renew(&stand, &[there.rule("a.test", 9000)], UNLIMITED);
    assert!(matches!(stream.read(&mut [0]), Ok(0) | Err(_)));
    let close = stand.close_event();
    assert_eq!(
        (close.reason.as_str(), close.policy_generation),
        ("policy_changed", 2)
    );
    assert!(echoes(&mut stand.tunnel("a.test:9000")));
    assert_eq!(there.seen(), "one");
}

#[test]
fn a_websocket_ends_when_its_rule_forbids_websockets_and_requests_go_on() {
    let origin = Origin::start(|caller| {
        let Some(head) = caller.head() else { return };
        if !head.contains("Upgrade: websocket") {
            return caller.say(b"HTTP/1.1 204 No Content\r\n\r\n");
        }
        caller.say(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
        while let Some(bytes) = caller.read() {
            caller.say(&bytes);
        }
    });
    let stand = Stand::new(&[origin.rule("a.test", 80)]);
    let mut stream = stand.dial();
    let request = "GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\n\
        Upgrade: websocket\r\nSec-WebSocket-Key: k\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    assert!(read_head(&mut stream).starts_with("HTTP/1.1 101"));
    renew(&stand, &[origin.rule("a.test", 80)], UNLIMITED);
    assert!(echoes(&mut stream));
    let mut quiet = origin.rule("a.test", 80);
    quiet["websocket"] = json!(false);
    renew(&stand, &[quiet], UNLIMITED);
    assert!(matches!(stream.read(&mut [0]), Ok(0) | Err(_)));
    let answer = stand.ask("GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
}

#[test]
fn a_lower_budget_cuts_what_is_open_and_a_higher_one_counts_from_the_start() {
    let origin = Origin::echo();
    let rules = [origin.rule("a.test", 9000)];
    let stand = Stand::with(
        &rules,
        budget(Some(7), None),
        rustls::RootCertStore::empty(),
    );
    let mut stream = stand.tunnel("a.test:9000");
    assert!(echoes(&mut stream) && echoes(&mut stream));
    renew(&stand, &rules, budget(Some(10), None));
    assert!(echoes(&mut stream), "raised: 9 of 10");
    renew(&stand, &rules, budget(None, None));
    assert!(echoes(&mut stream), "none at all");
    renew(&stand, &rules, budget(Some(5), None));
    assert!(!echoes(&mut stream));
    let close = stand.close_event();
    assert_eq!(
        (close.reason.as_str(), close.bytes_up),
        ("budget_exceeded", 12)
    );
    assert_eq!(
        denial(&stand.ask("CONNECT a.test:9000 HTTP/1.1\r\nHost: a.test:9000\r\n\r\n")).0,
        429
    );
}

#[test]
fn a_port_that_is_opened_later_is_served_like_those_of_the_start() {
    let origin = Origin::http(crate::origin::ok("late"));
    let stand = Stand::new(&[]);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    renew(&stand, &[origin.rule("a.test", address.port())], UNLIMITED);
    let entered = stand.runtime.enter();
    let listeners = vec![(address.port(), OwnedFd::from(listener))];
    stand
        .proxy
        .serve_further(&stand.session, listeners)
        .unwrap();
    drop(entered);
    let request = format!("GET / HTTP/1.1\r\nHost: a.test:{}\r\n\r\n", address.port());
    exchange(address, request.as_bytes());
    let seen = || {
        stand
            .events()
            .into_iter()
            .any(|event| event.port == address.port())
    };
    crate::stand::eventually(|| seen().then_some(()));
}

#[test]
fn a_secret_that_is_taken_away_is_sent_nowhere_any_more() {
    let authority = TestAuthority::new();
    let server = echo(&authority);
    let definition = json!({ "name": "token", "hosts": ["a.test"] });
    let rules = [rule(&server, "token")];
    let bench = bench(&authority, definition, &rules);
    let request = format!(
        "GET /x HTTP/1.1\r\nHost: a.test\r\nAuthorization: Bearer {}\r\n\r\n",
        bench.mark
    );
    assert!(sent(&bench, &request).starts_with("HTTP/1.1 200"));
    let count = server.requests().len();
    let without =
        json!({ "host": "a.test", "methods": ["GET"], "connect": server.address().to_string() });
    renew(&bench.stand, &[without], UNLIMITED);
    let (refused, _body) = ask(&mut open(&bench.stand, "a.test"), &request);
    assert_eq!(denial(&refused).0, 403, "{refused}");
    assert_eq!(server.requests().len(), count);
    let plain = "GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n";
    let mut inside = open(&bench.stand, "a.test");
    inside.write_all(plain.as_bytes()).unwrap();
    let answer = head(&mut inside);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}
