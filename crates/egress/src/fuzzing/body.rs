//! Contents of messages: the same bytes mean the same, however they are divided.
//!
//! Not for: what is done with the content (`vault`).

use bytes::{Bytes, BytesMut};

use crate::body::{Body, Step};
use crate::fields::Framing;

/// How a content ended, what it was, and how much came behind it.
#[derive(Debug, PartialEq, Eq)]
struct Read {
    data: Vec<u8>,
    end: End,
}

#[derive(Debug, PartialEq, Eq)]
enum End {
    /// With these trailers, and so many bytes left.
    Whole(Vec<(Bytes, Bytes)>, usize),
    /// More is missing.
    Open,
    Refused(&'static str),
}

/// The first byte says how the content is framed and divided, the rest is the content. True when it came to
/// its end.
///
/// # Panics
/// When a promise is not kept.
pub fn body(input: &[u8]) -> bool {
    let Some((&how, input)) = input.split_first() else {
        return false;
    };
    let framing = match how & 3 {
        0 => Framing::Length(u64::from(how >> 2)),
        1 => Framing::UntilClose,
        _ => Framing::Chunked,
    };
    let whole = read(framing, input, input.len().max(1));
    for size in [1, 2, 3, usize::from(how >> 2) + 4] {
        assert_eq!(read(framing, input, size), whole, "in pieces of {size}");
    }
    if framing != Framing::Chunked {
        return matches!(whole.end, End::Whole(..));
    }
    let End::Whole(trailers, _) = &whole.end else {
        return false;
    };
    let again = read(
        Framing::Chunked,
        &written(&whole.data, trailers),
        usize::MAX,
    );
    assert_eq!(
        again.data, whole.data,
        "written anew, it is another content"
    );
    assert_eq!(again.end, End::Whole(trailers.clone(), 0));
    true
}

fn read(framing: Framing, input: &[u8], size: usize) -> Read {
    let mut body = Body::new(framing);
    let mut buffer = BytesMut::new();
    let mut data = Vec::new();
    let mut fed = 0;
    loop {
        match body.next(&mut buffer) {
            Ok(Step::Data(count)) => {
                assert!(count > 0 && count <= buffer.len());
                data.extend_from_slice(&buffer.split_to(count));
            }
            Ok(Step::More) => {
                let Some(rest) = input.get(fed..).filter(|rest| !rest.is_empty()) else {
                    return Read {
                        data,
                        end: End::Open,
                    };
                };
                let piece = rest.get(..size).unwrap_or(rest);
                buffer.extend_from_slice(piece);
                fed += piece.len();
            }
            Ok(Step::End(trailers)) => {
                let left = buffer.len() + input.len() - fed;
                let end = End::Whole(trailers.iter().cloned().collect(), left);
                return Read { data, end };
            }
            Err(code) => {
                let end = End::Refused(code);
                return Read { data, end };
            }
        }
    }
}

fn written(data: &[u8], trailers: &[(Bytes, Bytes)]) -> Vec<u8> {
    let mut out = Vec::new();
    for chunk in data.chunks(5) {
        out.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        out.extend_from_slice(chunk);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"0\r\n");
    for (name, value) in trailers {
        out.extend_from_slice(&[&name[..], b":", &value[..], b"\r\n"].concat());
    }
    out.extend_from_slice(b"\r\n");
    out
}
