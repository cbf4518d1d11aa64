//! Request smuggling: whatever two parsers could read differently is refused, and 0 B go upstream.

use crate::origin::{Origin, ok};
use crate::stand::{Stand, denial};

#[test]
fn refuses_every_message_with_two_readings() {
    let origin = Origin::http_closing(ok("hi"));
    let stand = Stand::new(&[origin.rule("a.test", 80)]);
    for (fields, code) in [
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
        (": b\r\n\r\n", "field_name_malformed"),
        ("A\r\n\r\n", "field_name_malformed"),
    ] {
        let request = format!("POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\n{fields}");
        let (status, reason) = denial(&stand.ask(&request));
        assert_eq!((status, reason.as_str()), (400, code), "{request:?}");
    }
    assert_eq!(origin.connections(), 0);
    let fine = "POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\n\r\n";
    assert!(stand.ask(fine).ends_with("hi"));
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
