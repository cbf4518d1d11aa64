//! Tests of the body reader: every cut of the input gives the same output.

use super::*;

/// Feeds `input` in pieces of `size`; returns the output and what was left over.
fn feed(
    framing: Framing,
    input: &[u8],
    size: usize,
    coding: Coding,
) -> Result<(bool, Vec<u8>, Vec<u8>), &'static str> {
    let mut body = Body::new(framing);
    let mut buffer = BytesMut::new();
    let mut out = Vec::new();
    for piece in input.chunks(size) {
        buffer.extend_from_slice(piece);
        body.advance(&mut buffer, &mut out, coding)?;
    }
    Ok((body.state == State::Done, out, buffer.to_vec()))
}

fn plain(framing: Framing, input: &[u8]) -> Result<(bool, String, String), &'static str> {
    let whole = feed(framing, input, input.len().max(1), Coding::Plain);
    for size in 1..input.len() {
        assert_eq!(
            feed(framing, input, size, Coding::Plain),
            whole,
            "pieces of {size}"
        );
    }
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    whole.map(|(done, out, rest)| (done, text(out), text(rest)))
}

fn done(out: &str, rest: &str) -> Result<(bool, String, String), &'static str> {
    Ok((true, out.to_owned(), rest.to_owned()))
}

#[test]
fn stops_at_the_end_and_leaves_the_next_message() {
    assert_eq!(plain(Framing::Length(5), b"helloGET"), done("hello", "GET"));
    assert_eq!(plain(Framing::Length(0), b"GET"), done("", "GET"));
    let chunked = b"3\r\nhel\r\n2;a=\"b\"\r\nlo\r\n0\r\nX-Sum: 1\r\n\r\nGET";
    assert_eq!(plain(Framing::Chunked, chunked), done("hello", "GET"));
}

#[test]
fn what_it_writes_in_chunks_it_reads_back() {
    let written = feed(Framing::Length(11), b"hello world", 4, Coding::Chunked)
        .unwrap()
        .1;
    assert_eq!(written, b"4\r\nhell\r\n4\r\no wo\r\n3\r\nrld\r\n0\r\n\r\n");
    assert_eq!(plain(Framing::Chunked, &written), done("hello world", ""));
}

#[test]
fn refuses_chunks_with_two_readings() {
    for input in [
        &b"5\nhello\r\n0\r\n\r\n"[..],
        b"+5\r\nhello\r\n",
        b"0x5\r\nhello\r\n",
        b" 5\r\nhello\r\n",
        b"5 \r\nhello\r\n",
        b"\r\nhello",
        b";a\r\n",
        b"ffffffffffffffffff\r\n",
        b"5\r\nhelloX\r\n",
        b"5;a\rb\r\nhello\r\n",
        b"5;\0\r\nhello\r\n",
        b"0\r\nno colon\r\n\r\n",
        b"0\r\n folded: x\r\n\r\n",
        b"0\r\nspace : x\r\n\r\n",
        b"0\r\na: b\n\r\n",
    ] {
        let shown = input.escape_ascii();
        assert!(plain(Framing::Chunked, input).is_err(), "{shown}");
    }
}

#[test]
fn bounds_lines_and_trailers() {
    let long = [&b"5;"[..], &[b'a'; CHUNK_LINE_MAX]].concat();
    assert!(plain(Framing::Chunked, &long).is_err());
    let trailers = [
        &b"0\r\n"[..],
        &b"a: bbbbbbbbbbbbbbbbbbb\r\n".repeat(TRAILERS_MAX / 20),
    ]
    .concat();
    assert!(feed(Framing::Chunked, &trailers, 999, Coding::Plain).is_err());
}

#[test]
fn only_a_body_without_length_may_end_with_its_connection() {
    let mut out = Vec::new();
    for (framing, may) in [
        (Framing::UntilClose, true),
        (Framing::Length(3), false),
        (Framing::Chunked, false),
    ] {
        let mut body = Body::new(framing);
        assert_eq!(
            body.source_ended(&mut out, Coding::Plain).is_some(),
            may,
            "{framing:?}"
        );
    }
}
