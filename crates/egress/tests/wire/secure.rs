//! The client's end of TLS that the proxy answers, and servers whose certificates it checks.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::{Value, json};
use testkit::{Authority, Http};

use crate::stand::{Stand, UNLIMITED, dial};

/// A connection inside TLS.
pub(crate) type Inside = StreamOwned<ClientConnection, TcpStream>;

/// A store with this one certificate.
pub(crate) fn roots(pem: &str) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    roots.add(certificate).unwrap();
    roots
}

/// A stand that trusts a test authority upstream.
pub(crate) fn stand(authority: &Authority, allow: &[Value]) -> Stand {
    Stand::with(allow, UNLIMITED, roots(authority.pem()))
}

/// A rule that has TLS to `host` opened: it names paths.
pub(crate) fn rule(server: &Http, host: &str, paths: &[&str]) -> Value {
    json!({ "host": host, "paths": paths, "connect": server.address().to_string() })
}

/// Shakes hands as somebody who trusts the jail's authority and nobody else.
pub(crate) fn shake(stand: &Stand, stream: TcpStream, name: &str) -> Inside {
    let authority = stand.authority.as_ref().unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots(authority.certificate_pem()))
        .with_no_client_auth();
    let name = name.to_owned().try_into().unwrap();
    let client = ClientConnection::new(Arc::new(config), name).unwrap();
    StreamOwned::new(client, stream)
}

/// A tunnel to `name:443` whose TLS the proxy answers.
pub(crate) fn open(stand: &Stand, name: &str) -> Inside {
    shake(stand, stand.tunnel(&format!("{name}:443")), name)
}

/// A connection to the transparent port of TLS.
pub(crate) fn direct(stand: &Stand, name: &str) -> Inside {
    shake(stand, dial(stand.https), name)
}

/// Sends a request and reads the answer, which has a length.
pub(crate) fn ask(inside: &mut Inside, request: &str) -> (String, String) {
    inside.write_all(request.as_bytes()).unwrap();
    answer(inside)
}

/// Reads one answer with a length.
pub(crate) fn answer(inside: &mut Inside) -> (String, String) {
    let head = head(inside);
    let length = head.lines().find_map(|line| {
        let line = line.to_ascii_lowercase();
        line.strip_prefix("content-length: ")?.parse().ok()
    });
    let mut body = vec![0; length.unwrap_or(0)];
    inside.read_exact(&mut body).unwrap();
    (head, String::from_utf8(body).unwrap())
}

/// Reads to the end of a head.
pub(crate) fn head(inside: &mut Inside) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        inside.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

/// Reads until these bytes have come.
pub(crate) fn until(inside: &mut Inside, end: &[u8]) -> Vec<u8> {
    let mut got = Vec::new();
    while !got.ends_with(end) {
        let mut byte = [0];
        inside.read_exact(&mut byte).unwrap();
        got.push(byte[0]);
    }
    got
}

/// A GET of this host and path.
pub(crate) fn get(host: &str, path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n")
}
