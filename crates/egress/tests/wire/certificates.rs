//! Upstream servers that can't prove who they are: no request reaches them, and the answer says why.

use testkit::{Authority, Http, Identity, Response};

use crate::secure::{ask, get, open, rule, stand};
use crate::stand::{denial, eventually};

#[test]
fn a_server_without_a_good_certificate_gets_no_request() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    for (identity, note) in [
        (authority.expired(&["a.test"]), "certificate_expired"),
        (authority.identity(&["b.test"]), "certificate_wrong_name"),
        (stranger.identity(&["a.test"]), "certificate_unknown_issuer"),
        (
            Identity::self_signed(&["a.test"]),
            "certificate_unknown_issuer",
        ),
    ] {
        let server = Http::tls(&identity, |_request| Response::ok("secret"));
        let stand = stand(&authority, &[rule(&server, "a.test", &["/**"])]);
        let mut inside = open(&stand, "a.test");
        let (head, body) = ask(&mut inside, &get("a.test", "/"));
        assert_eq!(denial(&head), (502, "tls_failed".to_owned()), "{note}");
        assert!(body.contains("certificate"), "{body}");
        assert!(server.requests().is_empty(), "{note}");
        let close = stand.close_event();
        assert_eq!(
            (close.note.as_deref(), close.status),
            (Some(note), Some(502))
        );
        assert!(close.bytes_up > 0, "the handshake counts");
    }
    let server = Http::tls(&authority.identity(&["a.test"]), |_request| {
        Response::ok("fine")
    });
    let stand = stand(&authority, &[rule(&server, "a.test", &["/**"])]);
    assert_eq!(
        ask(&mut open(&stand, "a.test"), &get("a.test", "/")).1,
        "fine"
    );
}

#[test]
fn a_server_that_speaks_no_tls_gets_no_request() {
    let server = crate::origin::Origin::echo();
    let authority = Authority::new();
    let rule = serde_json::json!({
        "host": "a.test", "paths": ["/**"], "connect": server.address.to_string(),
    });
    let stand = stand(&authority, &[rule]);
    let (head, _) = ask(&mut open(&stand, "a.test"), &get("a.test", "/secret"));
    assert_eq!(denial(&head), (502, "tls_failed".to_owned()));
    let close = eventually(|| Some(stand.close_event()));
    assert_eq!(close.note.as_deref(), Some("tls_protocol"));
    assert!(!server.seen().contains("secret"));
}

#[test]
fn an_address_that_a_rule_names_is_opened_and_must_prove_to_be_that_address() {
    let authority = Authority::new();
    for (name, status) in [("127.0.0.1", " 200 "), ("127.0.0.2", " 502 ")] {
        let server = Http::tls(&authority.identity(&[name]), |_request| Response::ok("hi"));
        let stand = stand(&authority, &[rule(&server, "127.0.0.1", &["/**"])]);
        let mut inside = open(&stand, "127.0.0.1");
        let (head, _) = ask(&mut inside, &get("127.0.0.1", "/"));
        assert!(head.contains(status), "{name}: {head}");
    }
}
