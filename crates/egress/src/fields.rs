//! Header fields of one message, as they came, and what they say about its framing.
//!
//! Not for: fields that only one side reads (`forward`).

use bytes::Bytes;

use crate::reason::Cause;

/// The fields in their order. Names keep their case; comparisons ignore it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fields {
    list: Vec<(Bytes, Bytes)>,
}

/// How long a message's body is (RFC 9112 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// There is none, or one of so many bytes.
    Length(u64),
    /// In chunks.
    Chunked,
    /// To the end of the connection; answers only.
    UntilClose,
}

/// Fields that concern one connection only (RFC 9110 7.6.1), or that this proxy writes itself.
const OWN: [&str; 14] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authorization",
    "proxy-authenticate",
    "proxy-authentication-info",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
    "host",
    "content-length",
    // An upstream server must not be able to pass its answer off as a denial of ours.
    "x-sheriff-reason",
];

impl Fields {
    /// Takes over parsed fields of `head`.
    ///
    /// # Errors
    /// A control character in a value, which the parser lets pass above ASCII only.
    pub(crate) fn read(head: &Bytes, parsed: &[httparse::Header<'_>]) -> Result<Self, Cause> {
        let mut list = Vec::with_capacity(parsed.len());
        for field in parsed {
            if field
                .value
                .iter()
                .any(|byte| byte.is_ascii_control() && *byte != b'\t')
            {
                return Err(Cause::Malformed("field_value_malformed"));
            }
            list.push((
                head.slice_ref(field.name.as_bytes()),
                slice(head, field.value),
            ));
        }
        Ok(Self { list })
    }

    /// Takes over a list that was checked already.
    pub(crate) const fn from_list(list: Vec<(Bytes, Bytes)>) -> Self {
        Self { list }
    }

    /// The fields in their order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &(Bytes, Bytes)> {
        self.list.iter()
    }

    /// The fields in their order, to be changed. A new value has no control characters.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut (Bytes, Bytes)> {
        self.list.iter_mut()
    }

    /// Takes all fields of this name away.
    pub(crate) fn remove(&mut self, name: &str) {
        self.list
            .retain(|(given, _)| !given.eq_ignore_ascii_case(name.as_bytes()));
    }

    /// Adds a field at the end. The value has no control characters.
    pub(crate) fn push(&mut self, name: &'static str, value: impl Into<Bytes>) {
        self.list
            .push((Bytes::from_static(name.as_bytes()), value.into()));
    }

    /// The values of all fields of this name.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let same = move |field: &&(Bytes, Bytes)| field.0.eq_ignore_ascii_case(name.as_bytes());
        self.list.iter().filter(same).map(|(_, value)| &value[..])
    }

    /// The value of a field that may be there once.
    ///
    /// # Errors
    /// `duplicate_field` when it is there twice.
    pub(crate) fn one<'a>(&'a self, name: &'a str) -> Result<Option<&'a [u8]>, Cause> {
        let mut values = self.all(name);
        let first = values.next();
        if values.next().is_some() {
            Err(Cause::Malformed("duplicate_field"))
        } else {
            Ok(first)
        }
    }

    /// True when a comma-separated field of this name holds the token, in any case.
    pub(crate) fn lists(&self, name: &str, token: &str) -> bool {
        self.tokens(name)
            .any(|given| given.eq_ignore_ascii_case(token.as_bytes()))
    }

    /// The length that the fields announce; `None` when they announce none.
    ///
    /// # Errors
    /// Both ways of framing, one of them twice, codings other than plain `chunked`, or a length
    /// that is not plain digits: each is read differently by someone (RFC 9112 6.1, 6.3, 11.2).
    pub(crate) fn framing(&self) -> Result<Option<Framing>, Cause> {
        let coding = self
            .one("transfer-encoding")
            .map_err(|_duplicate| BAD_CODING)?;
        let length = self
            .one("content-length")
            .map_err(|_duplicate| BAD_LENGTH)?;
        match (coding, length) {
            (Some(_), Some(_)) => Err(Cause::Malformed("length_and_chunked")),
            (Some(coding), None) if coding.eq_ignore_ascii_case(b"chunked") => {
                Ok(Some(Framing::Chunked))
            }
            (Some(_), None) => Err(BAD_CODING),
            (None, Some(digits)) => decimal(digits).map(|length| Some(Framing::Length(length))),
            (None, None) => Ok(None),
        }
    }

    /// Keeps the fields that travel on to the next connection: neither those of one connection only,
    /// nor those that its `Connection` field names, nor those that are written anew.
    #[must_use]
    pub(crate) fn end_to_end(&self) -> Self {
        let travels = |(name, _): &&(Bytes, Bytes)| {
            !is_own(name)
                && !self
                    .tokens("connection")
                    .any(|listed| name.eq_ignore_ascii_case(listed))
        };
        Self {
            list: self.list.iter().filter(travels).cloned().collect(),
        }
    }

    /// Appends all fields as lines.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        for (name, value) in &self.list {
            write_line(out, name, value);
        }
    }

    /// Keeps those fields that may follow a message's content (RFC 9110 6.5.1): none that frames,
    /// routes, authenticates or describes it, since a receiver may have acted without it by then.
    #[must_use]
    pub(crate) fn trailing(&self) -> Self {
        let follows = |(name, _): &&(Bytes, Bytes)| !is_own(name) && !is_for_heads(name);
        Self {
            list: self.list.iter().filter(follows).cloned().collect(),
        }
    }

    fn tokens<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.all(name)
            .flat_map(|value| value.split(|byte| *byte == b','))
            .map(<[u8]>::trim_ascii)
            .filter(|token| !token.is_empty())
    }
}

fn is_own(name: &[u8]) -> bool {
    OWN.iter()
        .any(|own| name.eq_ignore_ascii_case(own.as_bytes()))
}

/// Names and beginnings of names of fields that mean something in a head only.
const FOR_HEADS: [&str; 18] = [
    "authorization",
    "www-authenticate",
    "authentication-info",
    "cookie",
    "set-cookie",
    "content-",
    "if-",
    "proxy-",
    "cache-control",
    "pragma",
    "expect",
    "range",
    "location",
    "max-forwards",
    "retry-after",
    "vary",
    "expires",
    "date",
];

fn is_for_heads(name: &[u8]) -> bool {
    FOR_HEADS
        .iter()
        .any(|listed| match listed.strip_suffix('-') {
            Some(_) => name
                .get(..listed.len())
                .is_some_and(|begin| begin.eq_ignore_ascii_case(listed.as_bytes())),
            None => name.eq_ignore_ascii_case(listed.as_bytes()),
        })
}

fn write_line(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

const BAD_CODING: Cause = Cause::Malformed("transfer_encoding_refused");
const BAD_LENGTH: Cause = Cause::Malformed("content_length_malformed");

fn decimal(digits: &[u8]) -> Result<u64, Cause> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(BAD_LENGTH);
    }
    let text = std::str::from_utf8(digits).map_err(|_not_ascii| BAD_LENGTH)?;
    text.parse().map_err(|_too_large| BAD_LENGTH)
}

/// An empty slice need not lie within the head.
fn slice(head: &Bytes, part: &[u8]) -> Bytes {
    if part.is_empty() {
        Bytes::new()
    } else {
        head.slice_ref(part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(list: &[(&str, &str)]) -> Fields {
        let own = |text: &str| Bytes::copy_from_slice(text.as_bytes());
        Fields {
            list: list
                .iter()
                .map(|(name, value)| (own(name), own(value)))
                .collect(),
        }
    }

    #[test]
    fn frames_by_length_or_in_chunks() {
        assert_eq!(fields(&[]).framing(), Ok(None));
        let length = fields(&[("content-LENGTH", "12")]);
        assert_eq!(length.framing(), Ok(Some(Framing::Length(12))));
        let chunked = fields(&[("Transfer-Encoding", "Chunked")]);
        assert_eq!(chunked.framing(), Ok(Some(Framing::Chunked)));
    }

    #[test]
    fn refuses_framing_that_could_be_read_twice() {
        for list in [
            &[("content-length", "1"), ("transfer-encoding", "chunked")][..],
            &[("content-length", "1"), ("Content-Length", "1")],
            &[("content-length", "1, 1")],
            &[("content-length", "+5")],
            &[("content-length", "-5")],
            &[("content-length", "0x5")],
            &[("content-length", "")],
            &[("content-length", "5 5")],
            &[("content-length", "18446744073709551616")],
            &[("transfer-encoding", "gzip, chunked")],
            &[("transfer-encoding", "chunked, identity")],
            &[("transfer-encoding", "\x0bchunked")],
            &[("transfer-encoding", "identity")],
            &[
                ("transfer-encoding", "chunked"),
                ("transfer-encoding", "chunked"),
            ],
        ] {
            assert!(fields(list).framing().is_err(), "{list:?}");
        }
    }

    #[test]
    fn passes_on_only_what_is_meant_for_the_other_end() {
        let list = fields(&[
            ("Accept", "*/*"),
            ("Connection", "close, X-Hop"),
            ("x-hop", "1"),
            ("Proxy-Authorization", "secret"),
            ("Host", "a"),
            ("TE", "trailers"),
            ("Content-Length", "3"),
        ]);
        let mut out = Vec::new();
        list.end_to_end().write(&mut out);
        assert_eq!(out, b"Accept: */*\r\n");
        assert!(list.lists("connection", "CLOSE"));
    }

    #[test]
    fn trailers_carry_no_framing_no_credentials_and_no_description() {
        let list = fields(&[
            ("grpc-status", "0"),
            ("Content-Length", "3"),
            ("Content-Type", "a/b"),
            ("Authorization", "x"),
            ("set-cookie", "x"),
            ("Transfer-Encoding", "chunked"),
            ("X-Sheriff-Reason", "x"),
            ("x-sum", "1"),
        ]);
        let mut out = Vec::new();
        list.trailing().write(&mut out);
        assert_eq!(out, b"grpc-status: 0\r\nx-sum: 1\r\n");
    }
}
