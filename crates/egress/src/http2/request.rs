//! A request of HTTP/2 as the head that it would be in HTTP/1.1, which all that follows works on.
//!
//! The codec has refused by then: pseudo fields that are missing, repeated or out of place, fields of one
//! connection (RFC 9113 8.2.2), names in upper case, control characters, and lengths that disagree with
//! the content.
//!
//! Not for: where it may go (`form`, `plan`).

use bytes::Bytes;
use http::HeaderValue;
use http::header::{CONTENT_LENGTH, COOKIE, HOST, TE};
use http::request::Parts;
use http::uri::Authority;
use policy::{Destination, Scheme};

use crate::fields::Fields;
use crate::head::{Head, method};
use crate::http2::map;
use crate::limits::{HEADERS_MAX, URI_MAX};
use crate::reason::Cause;

/// Reads a request; `ended` says that it has no content.
///
/// # Errors
/// What can be read in two ways. Only `https` is spoken in HTTP/2, and `Host` says what `:authority` does.
pub(crate) fn read(request: &Parts, ended: bool) -> Result<Head, Cause> {
    let Parts {
        method: given,
        uri,
        headers,
        ..
    } = request;
    let method = method(given.as_str())?;
    let authority = uri
        .authority()
        .ok_or(Cause::Malformed("authority_missing"))?;
    if uri.scheme_str() != Some("https") {
        return Err(Cause::Malformed("scheme_malformed"));
    }
    let target = uri.path_and_query().map_or("", |path| path.as_str());
    if target.len() > URI_MAX {
        return Err(Cause::Malformed("uri_too_long"));
    }
    if headers.len() > HEADERS_MAX {
        return Err(Cause::Malformed("too_many_fields"));
    }
    // RFC 9113 8.2.1; the codec lets them pass, and HTTP/1.1 has no way to say them.
    let padded = |value: &HeaderValue| value.as_bytes().trim_ascii() != value.as_bytes();
    if headers.values().any(padded) {
        return Err(Cause::Malformed("field_value_malformed"));
    }
    let mut fields = map::fields(headers);
    if let Some(host) = fields.one(HOST.as_str())? {
        same(authority, host)?;
    }
    if ended
        && headers
            .get(CONTENT_LENGTH)
            .is_some_and(|length| length != "0")
    {
        return Err(Cause::Malformed("content_length_malformed"));
    }
    fields.remove(HOST.as_str());
    fields.push("host", authority.as_str().to_owned());
    join_cookies(&mut fields);
    if headers.contains_key(TE) {
        fields.push("connection", "te");
    }
    if !ended && !headers.contains_key(CONTENT_LENGTH) {
        fields.push("transfer-encoding", "chunked");
    }
    Ok(Head {
        method,
        target: Bytes::copy_from_slice(target.as_bytes()),
        is_11: true,
        fields,
    })
}

/// Insists that both fields name the same destination.
fn same(authority: &Authority, host: &[u8]) -> Result<(), Cause> {
    let read = |text: &[u8]| {
        let port = Scheme::Https.default_port();
        Destination::from_authority(text, Some(port))
            .map_err(|error| Cause::Malformed(error.code()))
    };
    if read(authority.as_str().as_bytes())? == read(host)? {
        Ok(())
    } else {
        Err(Cause::Misdirected)
    }
}

/// Puts a cookie together that was sent in pieces (RFC 9113 8.2.3): HTTP/1.1 has one field for it, and a
/// placeholder may be in two of them.
fn join_cookies(fields: &mut Fields) {
    let cookies: Vec<_> = fields.all(COOKIE.as_str()).collect();
    if cookies.len() > 1 {
        let said: Vec<_> = cookies
            .into_iter()
            .filter(|cookie| !cookie.is_empty())
            .collect();
        let joined = said.join(&b"; "[..]);
        fields.remove(COOKIE.as_str());
        fields.push("cookie", joined);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(uri: &str, fields: &[(&'static str, &str)], ended: bool) -> Result<Head, Cause> {
        let mut request = http::Request::builder().uri(uri);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        read(&request.body(()).unwrap().into_parts().0, ended)
    }

    #[test]
    fn a_request_becomes_the_head_that_it_would_be_in_http_1() {
        let fields = [
            ("cookie", "a=1"),
            ("x", "y"),
            ("cookie", "b=2"),
            ("te", "trailers"),
        ];
        let head = head("https://a.test/x?q", &fields, false).unwrap();
        assert_eq!(
            (head.method.as_str(), &head.target[..]),
            ("GET", &b"/x?q"[..])
        );
        for (name, value) in [
            ("host", "a.test"),
            ("cookie", "a=1; b=2"),
            ("connection", "te"),
            ("transfer-encoding", "chunked"),
        ] {
            assert_eq!(head.fields.one(name), Ok(Some(value.as_bytes())), "{name}");
        }
    }

    #[test]
    fn a_host_field_says_what_the_authority_says_or_is_refused() {
        let of = |host| head("https://a.test/", &[("host", host)], true).map(|_| ());
        assert_eq!(of("A.test."), Ok(()));
        assert_eq!(of("a.test:443"), Ok(()));
        assert_eq!(of("b.test"), Err(Cause::Misdirected));
        assert_eq!(of("a.test:444"), Err(Cause::Misdirected));
    }

    #[test]
    fn only_https_with_an_authority_is_read() {
        let code = |uri| head(uri, &[], true).err().map(Cause::code);
        assert_eq!(code("http://a.test/"), Some("scheme_malformed"));
        assert_eq!(code("/x"), Some("authority_missing"));
        assert_eq!(code("https://a.test/"), None);
        let padded = head("https://a.test/", &[("x", " y")], true);
        assert_eq!(padded.err().map(Cause::code), Some("field_value_malformed"));
        let length = head("https://a.test/", &[("content-length", "3")], true);
        assert_eq!(
            length.err().map(Cause::code),
            Some("content_length_malformed")
        );
    }
}
