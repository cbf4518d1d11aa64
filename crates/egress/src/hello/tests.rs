//! Tests of the ClientHello reader on hand-made and on real handshakes.

use std::sync::Arc;

use super::*;

fn vector(content: &[u8]) -> Vec<u8> {
    let mut out = u16::try_from(content.len()).unwrap().to_be_bytes().to_vec();
    out.extend_from_slice(content);
    out
}

fn sni(name: &[u8]) -> Vec<u8> {
    let entry = [&[HOST_NAME][..], &vector(name)].concat();
    [&[0, 0][..], &vector(&vector(&entry))].concat()
}

fn message(extensions: &[u8]) -> Vec<u8> {
    let mut body = vec![3, 3];
    body.extend_from_slice(&[7; 32]);
    body.extend_from_slice(&[0, 0, 2, 0x13, 0x01, 1, 0]);
    body.extend_from_slice(&vector(extensions));
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&[CLIENT_HELLO][..], &length[1..], &body].concat()
}

fn records(message: &[u8], size: usize) -> Vec<u8> {
    let record = |part: &[u8]| [&[HANDSHAKE, 3, 1][..], &vector(part)].concat();
    message.chunks(size).flat_map(record).collect()
}

fn names(bytes: &[u8], host: &str) -> Result<Option<bool>, HelloError> {
    let host: Host = host.parse().unwrap();
    Ok(Hello::parse(bytes)?.map(|hello| hello.names(&host)))
}

#[test]
fn reads_the_name_from_one_record_and_from_many() {
    let message = message(&sni(b"API.example.com"));
    for size in [1, 2, 5, 50, message.len()] {
        let bytes = records(&message, size);
        assert_eq!(
            names(&bytes, "api.example.com"),
            Ok(Some(true)),
            "records of {size}"
        );
        assert_eq!(names(&bytes, "example.com"), Ok(Some(false)));
        for cut in 0..bytes.len() {
            assert_eq!(
                names(&bytes[..cut], "api.example.com"),
                Ok(None),
                "cut at {cut}"
            );
        }
    }
}

#[test]
fn reads_what_a_real_client_sends() {
    let roots = rustls::RootCertStore::empty();
    let config = rustls::ClientConfig::builder_with_provider(Arc::new(
        rustls::crypto::ring::default_provider(),
    ))
    .with_safe_default_protocol_versions()
    .unwrap()
    .with_root_certificates(roots)
    .with_no_client_auth();
    let config = Arc::new(config);
    for (name, host, expected) in [
        ("a.test", "a.test", true),
        ("b.test", "a.test", false),
        ("192.0.2.1", "192.0.2.1", true),
        ("a.test", "192.0.2.1", false),
        ("192.0.2.1", "a.test", false),
    ] {
        let server = name.to_owned().try_into().unwrap();
        let mut client = rustls::ClientConnection::new(Arc::clone(&config), server).unwrap();
        let mut bytes = Vec::new();
        client.write_tls(&mut bytes).unwrap();
        assert_eq!(names(&bytes, host), Ok(Some(expected)), "{name} for {host}");
    }
}

#[test]
fn refuses_two_names_trailing_dots_and_names_that_are_none() {
    let ok = records(&message(&sni(b"a.test")), 9000);
    assert_eq!(names(&ok, "a.test"), Ok(Some(true)));
    let twice = message(&[sni(b"a.test"), sni(b"b.test")].concat());
    assert_eq!(
        names(&records(&twice, 9000), "a.test"),
        Err(HelloError::Malformed)
    );
    let pair = [
        &[HOST_NAME][..],
        &vector(b"a.test"),
        &[HOST_NAME],
        &vector(b"b.test"),
    ]
    .concat();
    let pair = message(&[&[0, 0][..], &vector(&vector(&pair))].concat());
    assert_eq!(
        names(&records(&pair, 9000), "a.test"),
        Err(HelloError::Malformed)
    );
    for odd in [&b"a.test."[..], b"a.test\0.b", b"", b"\xc3\xa4.test"] {
        let bytes = records(&message(&sni(odd)), 9000);
        assert_ne!(names(&bytes, "a.test"), Ok(Some(true)), "{odd:?}");
    }
}

#[test]
fn refuses_what_is_not_tls_at_its_first_byte_and_what_never_ends() {
    assert_eq!(names(&[HANDSHAKE], "a.test"), Ok(None));
    for bytes in [
        &b"G"[..],
        b"\x80\x2e\x01",
        b"\x17\x03\x03\x00\x05hello",
        b"\x16\x02",
    ] {
        assert_eq!(names(bytes, "a.test"), Err(HelloError::NotTls), "{bytes:?}");
    }
    let server_hello = records(&[2, 0, 0, 1, 0], 9000);
    assert_eq!(names(&server_hello, "a.test"), Err(HelloError::NotTls));
    assert_eq!(
        names(&[HANDSHAKE, 3, 1, 0, 0], "a.test"),
        Err(HelloError::Malformed)
    );
    let long = [CLIENT_HELLO, 0, 0xff, 0xff];
    assert_eq!(
        names(&records(&long, 9), "a.test"),
        Err(HelloError::Malformed)
    );
    // One byte per record needs six bytes per byte: the sum is bounded as well.
    let drip = records(
        &[&[CLIENT_HELLO, 0, 0x3f, 0xf0][..], &[0; 3000]].concat(),
        1,
    );
    assert_eq!(names(&drip, "a.test"), Err(HelloError::Malformed));
}
