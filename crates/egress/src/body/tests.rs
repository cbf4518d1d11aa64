//! Tests of the body reader: every cut of the input gives the same output.

use super::*;

/// Feeds `input` in pieces of `size`; returns whether it ended, the content and what was left over.
fn feed(
    framing: Framing,
    input: &[u8],
    size: usize,
) -> Result<(bool, Vec<u8>, Vec<u8>), &'static str> {
    let mut body = Body::new(framing);
    let mut buffer = BytesMut::new();
    let mut out = Vec::new();
    let mut ended = false;
    for piece in input.chunks(size) {
        buffer.extend_from_slice(piece);
        loop {
            match body.next(&mut buffer)? {
                Step::Data(count) => out.extend_from_slice(&buffer.split_to(count)),
                Step::More => break,
                Step::End(_) => {
                    ended = true;
                    break;
                }
            }
        }
    }
    Ok((ended, out, buffer.to_vec()))
}

fn plain(framing: Framing, input: &[u8]) -> Result<(bool, String, String), &'static str> {
    let whole = feed(framing, input, input.len().max(1));
    for size in 1..input.len() {
        assert_eq!(feed(framing, input, size), whole, "pieces of {size}");
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
fn hands_over_the_trailers_as_they_came() {
    let mut input = BytesMut::from(&b"0\r\nX-Sum:  1 \r\ngrpc-status:0\r\n\r\nGET"[..]);
    let Ok(Step::End(trailers)) = Body::new(Framing::Chunked).next(&mut input) else {
        panic!("no end")
    };
    assert_eq!(trailers.one("x-sum"), Ok(Some(&b"1"[..])));
    assert_eq!(trailers.one("grpc-status"), Ok(Some(&b"0"[..])));
    assert_eq!(&input[..], b"GET");
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
    assert!(feed(Framing::Chunked, &trailers, 999).is_err());
}

#[test]
fn only_a_body_without_length_may_end_with_its_connection() {
    for (framing, may) in [
        (Framing::UntilClose, true),
        (Framing::Length(3), false),
        (Framing::Chunked, false),
    ] {
        assert_eq!(Body::new(framing).source_ended(), may, "{framing:?}");
    }
}
