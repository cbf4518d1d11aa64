//! Request smuggling: whatever two parsers could read differently is refused, and 0 B go upstream.

use crate::origin::{Origin, ok};
use crate::stand::{Stand, denial};

/// Fields, what follows them, and the reason for which they are refused.
const AMBIGUOUS: &[(&str, &str)] = &[
    (
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "length_and_chunked",
    ),
    (
        "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        "content_length_malformed",
    ),
    (
        "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
        "content_length_malformed",
    ),
    (
        "Content-Length: +5\r\n\r\nhello",
        "content_length_malformed",
    ),
    (
        "Content-Length: 5,5\r\n\r\nhello",
        "content_length_malformed",
    ),
    (
        "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "transfer_encoding_refused",
    ),
    (
        "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "transfer_encoding_refused",
    ),
    (
        "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        "field_name_malformed",
    ),
    ("A: b\nB: c\r\n\r\n", "bare_lf"),
    ("A: b\rc\r\n\r\n", "bare_cr"),
    ("A: b\r\n c\r\n\r\n", "field_name_malformed"),
    ("A : b\r\n\r\n", "field_name_malformed"),
    ("A: b\0c\r\n\r\n", "nul_byte"),
    ("A: b\x07c\r\n\r\n", "field_value_malformed"),
    (
        "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "transfer_encoding_refused",
    ),
    (
        "Transfer-Encoding: identity\r\n\r\n",
        "transfer_encoding_refused",
    ),
    (
        "Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n",
        "transfer_encoding_refused",
    ),
    (
        "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n",
        "transfer_encoding_refused",
    ),
    (
        "Transfer-Encoding:\r\n\r\n0\r\n\r\n",
        "transfer_encoding_refused",
    ),
    (
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        "transfer_encoding_refused",
    ),
    (
        "Transfer-Encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "transfer_encoding_refused",
    ),
    (
        "Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
        "field_value_malformed",
    ),
    (
        "Transfer-Encoding: chunked\x0c\r\n\r\n0\r\n\r\n",
        "field_value_malformed",
    ),
    (
        "Transfer-Encoding\x0b: chunked\r\n\r\n0\r\n\r\n",
        "field_name_malformed",
    ),
    (
        "Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n",
        "field_name_malformed",
    ),
    (
        " Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "field_name_malformed",
    ),
    (
        "A: b\r\n\tTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "field_name_malformed",
    ),
    (
        "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "length_and_chunked",
    ),
    ("Content-Length: -0\r\n\r\n", "content_length_malformed"),
    (
        "Content-Length: 5 5\r\n\r\nhello",
        "content_length_malformed",
    ),
    (
        "Content-Length: 5, 5\r\n\r\nhello",
        "content_length_malformed",
    ),
    (
        "Content-Length: 0x5\r\n\r\nhello",
        "content_length_malformed",
    ),
    (
        "Content-Length: 5.0\r\n\r\nhello",
        "content_length_malformed",
    ),
    (
        "Content-Length: 5e0\r\n\r\nhello",
        "content_length_malformed",
    ),
    (
        "Content-Length: 18446744073709551616\r\n\r\nhello",
        "content_length_malformed",
    ),
    (
        "Content-Length: \u{665}\r\n\r\nhello",
        "content_length_malformed",
    ),
    ("Content-Length : 5\r\n\r\nhello", "field_name_malformed"),
    ("Host: a.test\r\n\r\n", "duplicate_field"),
    ("host: b.test\r\n\r\n", "duplicate_field"),
    ("A: b\r\n\rX: y\r\n\r\n", "bare_cr"),
    ("A: b\r\r\n\r\n", "bare_cr"),
    ("A: b\n\n", "bare_lf"),
    ("A: b\x7fc\r\n\r\n", "field_value_malformed"),
    ("A\0: b\r\n\r\n", "nul_byte"),
    ("\u{e4}: b\r\n\r\n", "field_name_malformed"),
    ("A B: c\r\n\r\n", "field_name_malformed"),
    ("A(B): c\r\n\r\n", "field_name_malformed"),
    ("A[0]: c\r\n\r\n", "field_name_malformed"),
    ("\"A\": c\r\n\r\n", "field_name_malformed"),
    (": b\r\n\r\n", "field_name_malformed"),
    ("A\r\n\r\n", "field_name_malformed"),
];

#[test]
fn refuses_every_message_with_two_readings() {
    let origin = Origin::http_closing(ok("hi"));
    let stand = Stand::new(&[origin.rule("a.test", 80)]);
    for (fields, code) in AMBIGUOUS {
        let request = format!("POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\n{fields}");
        let (status, reason) = denial(&stand.ask(&request));
        assert_eq!((status, reason.as_str()), (400, *code), "{request:?}");
    }
    assert_eq!(origin.connections(), 0);
    let fine = "POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\n\r\n";
    assert!(stand.ask(fine).ends_with("hi"));
}

#[test]
fn refuses_every_request_line_and_host_with_two_readings() {
    let origin = Origin::http_closing(ok("hi"));
    let stand = Stand::new(&[origin.rule("a.test", 80)]);
    let host = "Host: a.test\r\n\r\n";
    for head in [
        format!("GET\thttp://a.test/\tHTTP/1.1\r\n{host}"),
        format!("GET  http://a.test/ HTTP/1.1\r\n{host}"),
        format!("GET http://a.test/  HTTP/1.1\r\n{host}"),
        format!("GET http://a.test/ HTTP/1.1 \r\n{host}"),
        format!("GET http://a.test/ HTTP/1.1 x\r\n{host}"),
        format!("GET http://a.test/ x HTTP/1.1\r\n{host}"),
        format!(" GET http://a.test/ HTTP/1.1\r\n{host}"),
        format!("\r\nGET http://a.test/ HTTP/1.1\r\n{host}"),
        format!("GET http://a.test/\r\n{host}"),
        format!("GET http://a.test/ HTTP/0.9\r\n{host}"),
        format!("GET http://a.test/ HTTP/1.10\r\n{host}"),
        format!("GET http://a.test/ HTTP/01.1\r\n{host}"),
        format!("GET http://a.test/ http/1.1\r\n{host}"),
        format!("GET http://a.test/ HTTP/3\r\n{host}"),
        format!("G\u{c9}T http://a.test/ HTTP/1.1\r\n{host}"),
        format!("GET: http://a.test/ HTTP/1.1\r\n{host}"),
        format!("GET http://a.test/\u{e4} HTTP/1.1\r\n{host}"),
        format!("GET http://a.test/\x01 HTTP/1.1\r\n{host}"),
        format!("GET http://a.test\\@b.test/ HTTP/1.1\r\n{host}"),
        format!("GET http:/a.test/ HTTP/1.1\r\n{host}"),
        format!("GET http:a.test/ HTTP/1.1\r\n{host}"),
        format!("GET http:///a.test/ HTTP/1.1\r\n{host}"),
        format!("GET //a.test/ HTTP/1.1\r\n{host}"),
        format!("GET a.test/ HTTP/1.1\r\n{host}"),
        format!("GET http://a.test:080/ HTTP/1.1\r\n{host}"),
        format!("GET http://a.test:80:80/ HTTP/1.1\r\n{host}"),
        format!("GET http://a.test:/ HTTP/1.1\r\n{host}"),
        format!("GET http://a%2etest/ HTTP/1.1\r\n{host}"),
        "GET http://a.test/ HTTP/1.1\r\nHost:\r\n\r\n".to_owned(),
        "GET http://a.test/ HTTP/1.1\r\nHost: a.test, b.test\r\n\r\n".to_owned(),
        "GET http://a.test/ HTTP/1.1\r\nHost: u@a.test\r\n\r\n".to_owned(),
        "GET http://a.test/ HTTP/1.1\r\nHost: a.test:81\r\n\r\n".to_owned(),
        "GET http://a.test/ HTTP/1.1\r\nHost: a.test:080\r\n\r\n".to_owned(),
        "GET http://a.test/ HTTP/1.1\r\nHost: a.test/\r\n\r\n".to_owned(),
        "GET http://a.test/ HTTP/1.1\r\nHost: http://a.test\r\n\r\n".to_owned(),
        "GET http://a.test/ HTTP/1.1\r\nHost: a.test..\r\n\r\n".to_owned(),
        "GET http://a.test/ HTTP/1.1\r\nHost: [a.test]\r\n\r\n".to_owned(),
        "GET http://a.test/ HTTP/1.1\r\nHost : a.test\r\n\r\n".to_owned(),
        "GET http://a.test/ HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(),
        "GET http://a.test/ HTTP/1.0\r\nHost: b.test\r\n\r\n".to_owned(),
    ] {
        let answer = stand.ask(&head);
        assert_eq!(denial(&answer).0, 400, "{head:?}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{head:?}: {answer}");
    }
    assert_eq!(origin.connections(), 0);
    // The control: case of the host, its trailing dot and its port are one spelling each.
    for host in ["A.TEST", "a.test.", "a.test:80", " a.test\t"] {
        let fine = format!("GET http://a.test/ HTTP/1.1\r\nHost: {host}\r\nX: \u{e4}\r\n\r\n");
        assert!(stand.ask(fine).ends_with("hi"), "{host}");
    }
    assert!(origin.seen().contains("Host: a.test\r\n"));
}

#[test]
fn lengths_are_written_anew_and_trailers_and_extensions_stay_here() {
    let origin = Origin::start(|caller| {
        let Some(head) = caller.head() else { return };
        let end: &[u8] = if head.contains("chunked") {
            b"0\r\n\r\n"
        } else {
            b"hello"
        };
        let mut got = Vec::new();
        while !got.ends_with(end) {
            let Some(more) = caller.read() else { return };
            got.extend_from_slice(&more);
        }
        caller.say(ok("done").as_bytes());
    });
    let stand = Stand::new(&[origin.rule("a.test", 80)]);
    let head = "POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\n";
    let zeros = format!("{head}Content-Length: 0000000000000000000000005\r\n\r\nhello");
    assert!(stand.ask(zeros).ends_with("done"));
    assert!(origin.seen().contains("Content-Length: 5\r\n\r\nhello"));
    let chunked = format!(
        "{head}Transfer-Encoding: chunked\r\nTrailer: X\r\nTE: trailers\r\n\r\n\
         005;a=\"b;c\";d\r\nhello\r\n000;last\r\nContent-Length: 9\r\nHost: b.test\r\n\
         Transfer-Encoding: chunked\r\nX: y\r\n\r\n"
    );
    assert!(stand.ask(chunked).ends_with("done"));
    let seen = origin.seen();
    assert!(
        seen.ends_with("Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
        "{seen}"
    );
    assert!(
        !seen.contains("b.test") && !seen.to_lowercase().contains("trailer"),
        "{seen}"
    );
}

#[test]
fn what_follows_a_refused_request_is_never_taken_for_another() {
    let origin = Origin::http_closing(ok("hi"));
    let stand = Stand::new(&[origin.rule("a.test", 80)]);
    let hidden = "GET http://a.test/hidden HTTP/1.1\r\nHost: a.test\r\n\r\n";
    for first in [
        format!(
            "POST http://b.test/ HTTP/1.1\r\nHost: b.test\r\nContent-Length: {}\r\n\r\n",
            hidden.len()
        ),
        "POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\nContent-Length: +5\r\n\r\n".to_owned(),
    ] {
        stand.ask(format!("{first}{hidden}"));
    }
    assert_eq!(origin.connections(), 0);
    stand.ask(hidden);
    assert!(origin.seen().contains("/hidden"));
}

#[test]
fn a_malformed_chunk_is_refused_and_its_bytes_stay_here() {
    let origin = Origin::start(|caller| while caller.read().is_some() {});
    let stand = Stand::new(&[origin.rule("a.test", 80)]);
    let head = "POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n";
    for body in [
        "5\nhello\n0\n\n",
        "+5\r\nhello\r\n",
        "5\r\nhelloXX0\r\n\r\n",
        "zz\r\n",
        "-5\r\nhello\r\n",
        "0x5\r\nhello\r\n",
        " 5\r\nhello\r\n",
        "5 \r\nhello\r\n",
        "5\t;a\r\nhello\r\n",
        "\r\nhello\r\n",
        "5\r\nhello\r\n5\r\nhello0\r\n\r\n",
        "ffffffffffffffff\r\nhello\r\n",
        "10000000000000005\r\nhello\r\n",
        "5;a\nb\r\nhello\r\n",
        "5;\0\r\nhello\r\n",
        "0\r\nX : y\r\n\r\n",
        "0\r\n X: y\r\n\r\n",
        "0\r\nGET http://a.test/ HTTP/1.1\r\n\r\n",
    ] {
        let (status, _) = denial(&stand.ask(format!("{head}{body}")));
        assert_eq!(status, 400, "{body:?}");
    }
    assert!(!origin.seen().contains("+5") && !origin.seen().contains("zz"));
}

#[test]
fn bounds_heads_targets_and_fields() {
    let origin = Origin::http_closing(ok("hi"));
    let stand = Stand::new(&[origin.rule("a.test", 80)]);
    let get = |path: &str, fields: &str| {
        stand.ask(format!(
            "GET http://a.test/{path} HTTP/1.1\r\nHost: a.test\r\n{fields}\r\n"
        ))
    };
    assert!(get("x", "").ends_with("hi"));
    assert!(get(&"a".repeat(8000), &"a: b\r\n".repeat(90)).ends_with("hi"));
    assert_eq!(denial(&get(&"a".repeat(8192), "")).1, "uri_too_long");
    assert_eq!(
        denial(&get("x", &"a: b\r\n".repeat(100))).1,
        "too_many_fields"
    );
    let long = format!("a: {}\r\n", "b".repeat(33_000));
    assert_eq!(denial(&get("x", &long)).1, "head_too_large");
}
