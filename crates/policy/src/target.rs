//! Absolute-form request targets (RFC 9112 3.2.2): scheme, destination, canonical path.
//!
//! Not for: CONNECT and Host (`destination`), nor origin-form targets (`path`).

use crate::destination::{Destination, DestinationError};
use crate::path::{CanonicalPath, PATH_MAX, PathError, QUERY_MAX};

/// Longest URI that is looked at: scheme, authority, path and query at their own limits.
pub const URI_MAX: usize = 8 + crate::destination::AUTHORITY_MAX + PATH_MAX + 1 + QUERY_MAX;

/// The schemes that a request to a proxy may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Plain HTTP, port 80 unless written.
    Http,
    /// HTTPS, port 443 unless written.
    Https,
}

/// A parsed absolute-form target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// `http` or `https`.
    pub scheme: Scheme,
    /// Where to; the scheme's default port when none was written.
    pub destination: Destination,
    /// Canonical path, and the query as it came.
    pub path: CanonicalPath,
}

/// Why a text is not an absolute-form target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Longer than [`URI_MAX`].
    #[error("the URI is longer than {URI_MAX} bytes")]
    TooLong,
    /// Neither `http://` nor `https://`.
    #[error("the URI must begin with http:// or https://")]
    Scheme,
    /// The authority is malformed.
    #[error(transparent)]
    Destination(#[from] DestinationError),
    /// The path or query is malformed.
    #[error(transparent)]
    Path(#[from] PathError),
}

impl TargetError {
    /// Stable machine-readable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TooLong => "uri_too_long",
            Self::Scheme => "bad_scheme",
            Self::Destination(error) => error.code(),
            Self::Path(error) => error.code(),
        }
    }
}

impl Scheme {
    /// The port that the scheme stands for.
    #[must_use]
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

impl Target {
    /// Reads `http://HOST[:PORT][/PATH][?QUERY]`, likewise with `https`.
    ///
    /// # Errors
    /// Another scheme, a destination or a path that is not canonical, a fragment; see
    /// [`TargetError`].
    pub fn from_absolute_uri(uri: &[u8]) -> Result<Self, TargetError> {
        if uri.len() > URI_MAX {
            return Err(TargetError::TooLong);
        }
        let (scheme, rest) = split_scheme(uri).ok_or(TargetError::Scheme)?;
        let end = rest
            .iter()
            .position(|byte| matches!(byte, b'/' | b'?'))
            .unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let destination = Destination::from_authority(authority, Some(scheme.default_port()))?;
        let path = match path.first() {
            None => CanonicalPath::root(),
            Some(b'/') => CanonicalPath::parse(path)?,
            Some(_) => CanonicalPath::parse(&[b"/", path].concat())?,
        };
        Ok(Self {
            scheme,
            destination,
            path,
        })
    }
}

fn split_scheme(uri: &[u8]) -> Option<(Scheme, &[u8])> {
    let after = |prefix: &[u8]| {
        let (head, rest) = uri.split_at_checked(prefix.len())?;
        head.eq_ignore_ascii_case(prefix).then_some(rest)
    };
    after(b"http://")
        .map(|rest| (Scheme::Http, rest))
        .or_else(|| after(b"https://").map(|rest| (Scheme::Https, rest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(uri: &str) -> Result<(String, String), &'static str> {
        Target::from_absolute_uri(uri.as_bytes())
            .map(|t| (t.destination.to_string(), t.path.to_string()))
            .map_err(|error| error.code())
    }

    fn ok(destination: &str, path: &str) -> Result<(String, String), &'static str> {
        Ok((destination.to_owned(), path.to_owned()))
    }

    #[test]
    fn reads_scheme_destination_path_and_query() {
        assert_eq!(parts("http://A.com"), ok("a.com:80", "/"));
        assert_eq!(parts("HTTP://a.com:8080/x/../y"), ok("a.com:8080", "/y"));
        assert_eq!(
            parts("https://[::1]/?q=/../%2f"),
            ok("[::1]:443", "/?q=/../%2f")
        );
        assert_eq!(parts("http://a.com?q"), ok("a.com:80", "/?q"));
    }

    #[test]
    fn refuses_authorities_with_two_readings() {
        assert_eq!(parts("http://good.com@evil.com/"), Err("userinfo_refused"));
        assert_eq!(parts("http://good.com\\@evil.com/"), Err("host_bad_byte"));
        assert_eq!(parts("http://good.com#@evil.com/"), Err("host_bad_byte"));
        assert_eq!(parts("http:///etc/passwd"), Err("host_empty"));
        assert_eq!(parts("http://0x7f.1/"), Err("odd_ipv4"));
        assert_eq!(parts("http://a.com:/"), Err("bad_port"));
    }

    #[test]
    fn refuses_other_schemes_and_forms() {
        for uri in [
            "ftp://a.com/",
            "http:/a.com",
            "//a.com/",
            "/a",
            "*",
            "",
            "a.com:443",
        ] {
            assert_eq!(parts(uri), Err("bad_scheme"), "{uri}");
        }
    }
}
