//! The gateway's fetch: the same verdicts and records, and servers that must prove who they are.

use std::io::{Read, Write};
use std::sync::Arc;
use std::time::Duration;

use model::{TlsMode, Via};
use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use rustls::pki_types::PrivateKeyDer;
use rustls::{RootCertStore, ServerConfig, ServerConnection, Stream};
use serde_json::json;
use sheriff_egress::{FetchError, FetchRequest, FetchResponse};

use crate::origin::{Origin, ok};
use crate::stand::{Stand, UNLIMITED, budget};

fn request(url: &str) -> FetchRequest {
    FetchRequest {
        url: url.to_owned(),
        method: "GET".to_owned(),
        headers: vec![("accept".to_owned(), "*/*".to_owned())],
        body: Vec::new(),
        timeout: Duration::from_secs(10),
    }
}

fn fetch(stand: &Stand, request: FetchRequest) -> Result<FetchResponse, FetchError> {
    stand
        .runtime
        .block_on(stand.proxy.fetch(&stand.session, request))
}

fn refusal(stand: &Stand, url: &str) -> (u16, String) {
    match fetch(stand, request(url)) {
        Err(FetchError::Refused(refusal)) => (refusal.status, refusal.reason),
        other => panic!("{url}: {other:?}"),
    }
}

/// A TLS server whose certificate is for `name`, and what to trust it by.
fn tls_origin(name: &str, body: &str) -> (Origin, RootCertStore) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed([name.to_owned()]).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    let key = PrivateKeyDer::try_from(KeyPair::serialize_der(&signing_key)).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let (config, answer) = (Arc::new(config), ok(body));
    let origin = Origin::start(move |caller| {
        let mut tls = ServerConnection::new(Arc::clone(&config)).unwrap();
        let mut stream = Stream::new(&mut tls, &mut caller.stream);
        let mut buffer = [0; 4096];
        if stream.read(&mut buffer).is_ok_and(|count| count > 0) {
            drop(stream.write_all(answer.as_bytes()));
            drop(stream.flush());
        }
    });
    (origin, roots)
}

#[test]
fn fetches_over_http_and_https_with_records_and_meters() {
    let (secure, roots) = tls_origin("s.test", "secret");
    let plain = Origin::http(ok("plain"));
    let rules = [plain.rule("a.test", 80), secure.rule("s.test", 443)];
    let stand = Stand::with(&rules, UNLIMITED, roots);
    let got = fetch(&stand, request("http://a.test/x/../y")).unwrap();
    assert_eq!((got.status, got.body.as_slice()), (200, &b"plain"[..]));
    assert!(
        plain
            .seen()
            .starts_with("GET /y HTTP/1.1\r\nHost: a.test\r\n"),
        "{}",
        plain.seen()
    );
    let got = fetch(&stand, request("https://s.test/")).unwrap();
    assert_eq!(got.body, b"secret");
    let events = stand.finish();
    assert_eq!(
        (events[3].via, events[3].tls),
        (Via::Gateway, TlsMode::Intercept)
    );
    assert_eq!(
        (&events[3].id, events[3].bytes_down),
        (&got.id, got.bytes_down)
    );
    assert!(got.bytes_down > 500, "the handshake counts");
}

#[test]
fn refuses_what_policy_refuses_and_servers_that_are_someone_else() {
    let (secure, roots) = tls_origin("s.test", "secret");
    let only_x =
        json!({ "host": "s.test", "paths": ["/x"], "connect": secure.address.to_string() });
    let rules = [
        only_x,
        secure.rule("other.test", 443),
        json!({ "host": "localhost", "ports": [80] }),
    ];
    let stand = Stand::with(&rules, UNLIMITED, roots);
    assert_eq!(
        refusal(&stand, "https://b.test/"),
        (403, "not_in_allowlist".to_owned())
    );
    assert_eq!(
        refusal(&stand, "https://s.test/y"),
        (403, "path_not_allowed".to_owned())
    );
    assert_eq!(
        refusal(&stand, "http://localhost/"),
        (403, "forbidden_address".to_owned())
    );
    assert_eq!(
        refusal(&stand, "https://other.test/"),
        (502, "tls_failed".to_owned())
    );
    assert_eq!(
        fetch(&stand, request("https://s.test/x")).unwrap().body,
        b"secret"
    );
    let untrusting = Stand::new(&[secure.rule("s.test", 443)]);
    assert_eq!(
        refusal(&untrusting, "https://s.test/"),
        (502, "tls_failed".to_owned())
    );
}

#[test]
fn a_redirect_is_an_answer_and_not_an_instruction() {
    let origin =
        Origin::http("HTTP/1.1 302 Found\r\nLocation: http://b.test/\r\nContent-Length: 0\r\n\r\n");
    let stand = Stand::new(&[origin.rule("a.test", 80), origin.rule("b.test", 80)]);
    let got = fetch(&stand, request("http://a.test/")).unwrap();
    assert_eq!((got.status, origin.connections()), (302, 1));
}

#[test]
fn bounds_answers_time_and_budget() {
    let long = Origin::http_closing("HTTP/1.1 200 OK\r\n\r\n".to_owned() + &"x".repeat(5 << 20));
    let silent = Origin::start(|caller| while caller.read().is_some() {});
    let rules = [long.rule("long.test", 80), silent.rule("silent.test", 80)];
    let stand = Stand::new(&rules);
    assert_eq!(
        refusal(&stand, "http://long.test/"),
        (502, "answer_too_large".to_owned())
    );
    let hurried = FetchRequest {
        timeout: Duration::from_millis(50),
        ..request("http://silent.test/")
    };
    assert!(
        matches!(fetch(&stand, hurried), Err(FetchError::Refused(refusal)) if refusal.reason == "upstream_timeout")
    );
    let poor = Stand::with(&rules, budget(None, Some(1000)), RootCertStore::empty());
    assert_eq!(
        refusal(&poor, "http://long.test/"),
        (429, "budget_exceeded".to_owned())
    );
    assert_eq!(poor.session.usage().bytes_down, 1000);
}
