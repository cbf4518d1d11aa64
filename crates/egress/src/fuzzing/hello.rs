//! The first bytes of TLS: one name, whichever way they are divided, and the one that a TLS server reads.
//!
//! Not for: handshakes.

#![expect(
    clippy::panic,
    reason = "a promise that is not kept is a find of the fuzzer"
)]

use rustls::server::Acceptor;

use crate::hello::{HANDSHAKE, Hello};

/// Pieces of a connection that are looked at one after the other.
const PREFIXES: usize = 16;
/// Longest message that is divided anew; the division is quadratic.
const DIVIDED_MAX: usize = 1024;

/// The first bytes of a connection. True when they are a whole ClientHello.
///
/// # Panics
/// When a promise is not kept.
pub fn hello(input: &[u8]) -> bool {
    let whole = Hello::parse(input);
    for part in 0..PREFIXES {
        let begin = input
            .get(..input.len() * part / PREFIXES)
            .unwrap_or_default();
        match Hello::parse(begin) {
            Ok(None) => {}
            decided => assert_eq!(decided, whole, "more bytes changed what was decided"),
        }
    }
    let Ok(Some(hello)) = whole else {
        return false;
    };
    let message = message(input);
    if message.len() <= DIVIDED_MAX {
        for size in [1, 7] {
            let again = Hello::parse(&in_records(&message, size));
            assert_eq!(again, Ok(Some(hello.clone())), "in records of {size}");
        }
    }
    agree_with_a_server(&hello, input);
    true
}

/// A TLS library that takes the same bytes must read the same name.
fn agree_with_a_server(hello: &Hello, input: &[u8]) {
    let mut acceptor = Acceptor::default();
    let mut rest = input;
    while !rest.is_empty() {
        match acceptor.read_tls(&mut rest) {
            Ok(count) if count > 0 => {}
            _ => return,
        }
        match acceptor.accept() {
            Ok(None) => {}
            Ok(Some(accepted)) => {
                let theirs = accepted.client_hello();
                let theirs = theirs.server_name().map(str::to_ascii_lowercase);
                let ours = hello.server_name().map(|name| name.ok());
                match (ours, theirs) {
                    (Some(Some(ours)), theirs) => {
                        assert_eq!(theirs.as_deref(), Some(ours.as_str()));
                    }
                    // What is no name of a host here is refused, whatever they make of it.
                    (Some(None), _) | (None, None) => {}
                    (None, Some(theirs)) => panic!("a server would read {theirs}"),
                }
                return;
            }
            Err(_refused) => return,
        }
    }
}

/// What the records hold, all together.
fn message(input: &[u8]) -> Vec<u8> {
    let mut message = Vec::new();
    let mut rest = input;
    while let Some((&[HANDSHAKE, _, _, high, low], after)) = rest.split_first_chunk::<5>() {
        let length = usize::from(u16::from_be_bytes([high, low]));
        let Some((content, after)) = after.split_at_checked(length) else {
            break;
        };
        message.extend_from_slice(content);
        rest = after;
    }
    message
}

fn in_records(message: &[u8], size: usize) -> Vec<u8> {
    let mut records = Vec::new();
    for content in message.chunks(size) {
        let [.., high, low] = content.len().to_be_bytes();
        records.extend_from_slice(&[HANDSHAKE, 3, 1, high, low]);
        records.extend_from_slice(content);
    }
    records
}
