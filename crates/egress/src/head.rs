//! Reads request heads of HTTP/1.1 (RFC 9112) so strictly that no two parsers read them differently.
//!
//! Not for: answers of upstream servers (`answer`), bodies (`body`), or what a request may do.

use bytes::Bytes;

use crate::fields::Fields;
use crate::limits::{HEAD_MAX, HEADERS_MAX, URI_MAX};
use crate::reason::Cause;

/// Longest method; the longest registered one has 17 letters.
const METHOD_MAX: usize = 32;

/// A request's head.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    /// Upper-case letters and hyphens.
    pub(crate) method: String,
    /// The request target as it came.
    pub(crate) target: Bytes,
    /// True for HTTP/1.1, false for 1.0.
    pub(crate) is_11: bool,
    pub(crate) fields: Fields,
}

/// Watches a growing buffer for the end of its head, looking at each byte once.
#[derive(Debug, Default)]
pub(crate) struct Scanner {
    seen: usize,
}

impl Scanner {
    /// Length of the head with its empty line, once it is there.
    ///
    /// # Errors
    /// A line that does not end in CRLF, a stray CR, NUL, or a head beyond [`HEAD_MAX`]; at once,
    /// so that nobody waits for the end of something hopeless.
    pub(crate) fn scan(&mut self, buffer: &[u8]) -> Result<Option<usize>, Cause> {
        for (at, byte) in buffer.iter().enumerate().skip(self.seen) {
            let before = at.checked_sub(1).and_then(|at| buffer.get(at)).copied();
            match (before, byte) {
                (_, 0) => return Err(Cause::Malformed("nul_byte")),
                (Some(b'\r'), b'\n') => {
                    if at >= 3 && buffer.get(at - 3..at - 1) == Some(b"\r\n") {
                        return Ok(Some(at + 1));
                    }
                    // A line that begins with a line end: there is no request before it.
                    if at == 1 {
                        return Err(Cause::Malformed("empty_request_line"));
                    }
                }
                (_, b'\n') => return Err(Cause::Malformed("bare_lf")),
                (Some(b'\r'), _) => return Err(Cause::Malformed("bare_cr")),
                _ => {}
            }
        }
        self.seen = buffer.len();
        if self.seen >= HEAD_MAX {
            Err(Cause::Malformed("head_too_large"))
        } else {
            Ok(None)
        }
    }
}

impl Head {
    /// Reads the bytes that [`Scanner::scan`] found to be a head.
    ///
    /// # Errors
    /// [`Cause::Malformed`] for anything with two readings.
    pub(crate) fn read(bytes: &Bytes) -> Result<Self, Cause> {
        refuse_http2(bytes)?;
        let mut slots = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut parsed = httparse::Request::new(&mut slots);
        match parsed.parse(bytes) {
            Ok(httparse::Status::Complete(read)) if read == bytes.len() => {}
            Ok(_) => return Err(Cause::Malformed("malformed_head")),
            Err(error) => return Err(Cause::Malformed(code(error))),
        }
        let target = parsed.path.unwrap_or_default();
        if target.len() > URI_MAX {
            return Err(Cause::Malformed("uri_too_long"));
        }
        Ok(Self {
            method: method(parsed.method.unwrap_or_default())?,
            target: bytes.slice_ref(target.as_bytes()),
            is_11: parsed.version == Some(1),
            fields: Fields::read(bytes, parsed.headers)?,
        })
    }
}

/// Says which protocol this is instead of calling its version number wrong.
fn refuse_http2(bytes: &[u8]) -> Result<(), Cause> {
    if bytes.starts_with(b"PRI * HTTP/2") {
        return Err(Cause::Malformed("http2_refused"));
    }
    Ok(())
}

/// Rules name methods in upper case, and some servers take any case for the same method: one
/// spelling only.
pub(crate) fn method(text: &str) -> Result<String, Cause> {
    let plain = text
        .bytes()
        .all(|byte| byte.is_ascii_uppercase() || byte == b'-');
    if text.is_empty() || text.len() > METHOD_MAX || !plain {
        return Err(Cause::Malformed("method_malformed"));
    }
    Ok(text.to_owned())
}

/// The codes of what the parser finds, for requests and answers.
pub(crate) const fn code(error: httparse::Error) -> &'static str {
    match error {
        httparse::Error::HeaderName => "field_name_malformed",
        httparse::Error::HeaderValue => "field_value_malformed",
        httparse::Error::NewLine => "line_end_malformed",
        httparse::Error::Status => "status_malformed",
        httparse::Error::Token => "request_line_malformed",
        httparse::Error::TooManyHeaders => "too_many_fields",
        httparse::Error::Version => "version_unsupported",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> Result<Head, Cause> {
        let length = Scanner::default()
            .scan(text)?
            .ok_or(Cause::Malformed("incomplete"))?;
        Head::read(&Bytes::copy_from_slice(&text[..length]))
    }

    fn refused(text: &[u8]) -> Option<&'static str> {
        read(text).err().map(Cause::code)
    }

    #[test]
    fn reads_a_plain_head() {
        let head = read(b"GET http://a.test/x HTTP/1.1\r\nHost: a.test\r\nA: b \r\n\r\n").unwrap();
        assert_eq!(
            (head.method.as_str(), &head.target[..]),
            ("GET", &b"http://a.test/x"[..])
        );
        assert_eq!(head.fields.one("host"), Ok(Some(&b"a.test"[..])));
        assert!(head.is_11);
    }

    #[test]
    fn refuses_every_head_with_two_readings() {
        for (text, code) in [
            (&b"GET / HTTP/1.1\nHost: a\n\n"[..], "bare_lf"),
            (b"GET / HTTP/1.1\r\nA: b\nHost: a\r\n\r\n", "bare_lf"),
            (b"GET / HTTP/1.1\r\nA: b\rc\r\n\r\n", "bare_cr"),
            (b"GET / HTTP/1.1\r\nA: b\0\r\n\r\n", "nul_byte"),
            (b"\r\nGET / HTTP/1.1\r\n\r\n", "empty_request_line"),
            (
                b"GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n",
                "field_name_malformed",
            ),
            (
                b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
                "field_name_malformed",
            ),
            (
                b"GET / HTTP/1.1\r\nA: \x01\r\n\r\n",
                "field_value_malformed",
            ),
            (b"GET  / HTTP/1.1\r\n\r\n", "request_line_malformed"),
            (b"get / HTTP/1.1\r\n\r\n", "method_malformed"),
            (b"GET / HTTP/1.2\r\n\r\n", "version_unsupported"),
            (b"GET / HTTP/2.0\r\n\r\n", "version_unsupported"),
            (b"PRI * HTTP/2.0\r\n\r\n", "http2_refused"),
            (b"\x16\x03\x01\r\n\r\n", "request_line_malformed"),
        ] {
            let shown = String::from_utf8_lossy(text);
            assert_eq!(refused(text), Some(code), "{shown:?}");
        }
    }

    #[test]
    fn refuses_long_targets_many_fields_and_endless_heads() {
        let line = |length: usize| format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(length - 1));
        assert_eq!(refused(line(URI_MAX).as_bytes()), None);
        assert_eq!(refused(line(URI_MAX + 1).as_bytes()), Some("uri_too_long"));
        let fields = |count| format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(count));
        assert_eq!(refused(fields(HEADERS_MAX).as_bytes()), None);
        assert_eq!(
            refused(fields(HEADERS_MAX + 1).as_bytes()),
            Some("too_many_fields")
        );
        assert_eq!(refused(&[b'a'; HEAD_MAX]), Some("head_too_large"));
    }
}
