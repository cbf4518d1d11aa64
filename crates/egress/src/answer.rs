//! Reads heads of upstream servers' answers, as strictly as requests: a server may be hostile, too.
//!
//! Not for: our own answers (`respond`).

use bytes::BytesMut;

use crate::fields::{Fields, Framing};
use crate::limits::HEADERS_MAX;
use crate::reason::Cause;

/// An answer's head.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    /// 100 to 599.
    pub(crate) status: u16,
    pub(crate) phrase: String,
    pub(crate) is_11: bool,
    pub(crate) fields: Fields,
}

impl Answer {
    /// Takes the first `length` bytes off the buffer and reads them as an answer's head.
    ///
    /// # Errors
    /// [`Cause::UpstreamProtocol`].
    pub(crate) fn take(buffer: &mut BytesMut, length: usize) -> Result<Self, Cause> {
        let bytes = buffer.split_to(length).freeze();
        let mut slots = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut parsed = httparse::Response::new(&mut slots);
        match parsed.parse(&bytes) {
            Ok(httparse::Status::Complete(read)) if read == bytes.len() => {}
            _ => return Err(Cause::UpstreamProtocol),
        }
        let status = parsed.code.unwrap_or_default();
        if !(100..600).contains(&status) {
            return Err(Cause::UpstreamProtocol);
        }
        Ok(Self {
            status,
            phrase: parsed.reason.unwrap_or_default().to_owned(),
            is_11: parsed.version == Some(1),
            fields: Fields::read(&bytes, parsed.headers)
                .map_err(|_fault| Cause::UpstreamProtocol)?,
        })
    }

    /// How long the body is that answers a request with this method.
    ///
    /// # Errors
    /// [`Cause::UpstreamProtocol`] for framing with two readings, on answers without a body, too.
    pub(crate) fn framing(&self, method: &str) -> Result<Framing, Cause> {
        let announced = self
            .fields
            .framing()
            .map_err(|_fault| Cause::UpstreamProtocol)?;
        if !self.is_11 && announced == Some(Framing::Chunked) {
            return Err(Cause::UpstreamProtocol);
        }
        if method == "HEAD" || matches!(self.status, 100..=199 | 204 | 304) {
            return Ok(Framing::Length(0));
        }
        Ok(announced.unwrap_or(Framing::UntilClose))
    }

    /// True when the server keeps the connection for another request.
    pub(crate) fn keeps_alive(&self) -> bool {
        self.is_11 && !self.fields.lists("connection", "close")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framing(text: &str, method: &str) -> Result<Framing, Cause> {
        let mut buffer = BytesMut::from(text);
        Answer::take(&mut buffer, text.len())?.framing(method)
    }

    #[test]
    fn an_answer_is_framed_by_its_fields_its_status_and_its_request() {
        let length = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n";
        assert_eq!(framing(length, "GET"), Ok(Framing::Length(5)));
        assert_eq!(framing(length, "HEAD"), Ok(Framing::Length(0)));
        let not_modified = "HTTP/1.1 304 \r\ncontent-length: 5\r\n\r\n";
        assert_eq!(framing(not_modified, "GET"), Ok(Framing::Length(0)));
        assert_eq!(
            framing("HTTP/1.0 200 OK\r\n\r\n", "GET"),
            Ok(Framing::UntilClose)
        );
    }

    #[test]
    fn refuses_answers_with_two_readings() {
        for text in [
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n",
            "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\na: b\r\n c\r\n\r\n",
            "HTTP/1.1 99 Odd\r\n\r\n",
            "HTTP/1.1 600 Odd\r\n\r\n",
            "HTTP/2 200\r\n\r\n",
            "ICY 200 OK\r\n\r\n",
        ] {
            assert_eq!(
                framing(text, "GET"),
                Err(Cause::UpstreamProtocol),
                "{text:?}"
            );
        }
    }
}
