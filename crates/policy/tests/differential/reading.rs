//! What a parser of URIs makes of one, and whether that is what we make of it.
//!
//! Differences that are allowed, and why:
//! 1. The dot at a name's end, which others keep: the same name (RFC 1034 3.1), and we send it without.
//! 2. `WHATWG` parsers refuse labels that begin with `xn--` and are no punycode: refusing is no other reading, and a
//!    resolver may know such a name.
//! 3. An empty path is `/` (RFC 9110 4.2.3).
//! 4. Escapes and dot segments that others leave, or escapes that they add, are compared as a server reads them:
//!    undone. Of a query only where each `%` has two digits; `urllib3` writes all of them as `%25` otherwise.
//! 5. A path as it came, with `..` behind an escaped dot or behind what looks like the drive of a file URL. curl and
//!    `urllib3` take `..` out before they look at escapes, and the `url` crate does not climb above `/c:/`. Rules are
//!    matched on the canonical path and servers get that one. It has neither, so there nothing is allowed.
//!
//! Not for: making URIs, nor for starting the parsers.

use std::net::{Ipv4Addr, Ipv6Addr};

use serde::Deserialize;
use sheriff_policy::{Host, Scheme, Target};
use url::Url;

/// Another parser's reading.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Reading {
    /// As it came; an IPv6 address in brackets.
    pub(crate) host: String,
    /// `None`: not written; the scheme's.
    pub(crate) port: Option<u16>,
    /// As the parser gives it.
    pub(crate) path: String,
    /// Empty and absent are the same to most parsers.
    pub(crate) query: Option<String>,
}

/// The `url` crate's.
pub(crate) fn whatwg(uri: &str) -> Option<Reading> {
    let url = Url::parse(uri).ok()?;
    Some(Reading {
        host: url.host_str()?.to_owned(),
        port: url.port(),
        path: url.path().to_owned(),
        query: url.query().map(str::to_owned),
    })
}

/// In what the other reading differs from ours; `None` when it does not.
pub(crate) fn difference(
    uri: &str,
    ours: &Target,
    theirs: Option<&Reading>,
) -> Option<&'static str> {
    let Some(theirs) = theirs else {
        return (!has_punycode(&ours.destination.host)).then_some("refused");
    };
    let port = theirs.port.unwrap_or(match ours.scheme {
        Scheme::Http => 80,
        Scheme::Https => 443,
    });
    let path = if theirs.path.is_empty() {
        "/"
    } else {
        &theirs.path
    };
    if !same_host(&ours.destination.host, &theirs.host) {
        Some("host")
    } else if ours.destination.port != port {
        Some("port")
    } else if !climbs_oddly(uri) && resolved(path).as_deref() != Some(&decoded(ours.path.as_str()))
    {
        Some("path")
    } else if !same_query(ours.path.query(), theirs.query.as_deref()) {
        Some("query")
    } else {
        None
    }
}

fn has_punycode(host: &Host) -> bool {
    host.name().is_some_and(|name| {
        let mut labels = name.as_str().split('.');
        labels.any(|label| label.starts_with("xn--"))
    })
}

/// The fifth of the allowed differences.
fn climbs_oddly(uri: &str) -> bool {
    let is_drive = |part: &str| {
        let bytes = part.as_bytes();
        matches!(bytes, [letter, b':' | b'|'] if letter.is_ascii_alphabetic())
    };
    let path = uri
        .split('?')
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    let escaped = path.contains("%2e");
    let climbs = path.contains("/..")
        || path.contains("%2e%2e")
        || path.contains("%2e.")
        || path.contains(".%2e");
    climbs && (escaped || path.split('/').any(is_drive))
}

fn same_query(ours: Option<&str>, theirs: Option<&str>) -> bool {
    let ours = ours.unwrap_or_default();
    let is_escape = |part: &str| {
        part.get(..2)
            .is_some_and(|digits| u8::from_str_radix(digits, 16).is_ok())
    };
    let is_sound = ours.split('%').skip(1).all(is_escape);
    !is_sound || decoded(ours) == decoded(theirs.unwrap_or_default())
}

fn same_host(ours: &Host, theirs: &str) -> bool {
    match ours {
        Host::Name(name) => theirs
            .strip_suffix('.')
            .unwrap_or(theirs)
            .eq_ignore_ascii_case(name.as_str()),
        Host::V4(ip) => theirs.parse::<Ipv4Addr>() == Ok(*ip),
        Host::V6(ip) => {
            let inner = theirs
                .strip_prefix('[')
                .and_then(|rest| rest.strip_suffix(']'));
            inner.and_then(|text| text.parse::<Ipv6Addr>().ok()) == Some(*ip)
        }
    }
}

/// A path as a server reads it that undoes escapes, then dots. `None`: it would climb above the root.
pub(crate) fn resolved(path: &str) -> Option<Vec<u8>> {
    let plain = decoded(path);
    let mut kept: Vec<&[u8]> = Vec::new();
    let mut is_folder = false;
    for segment in plain.split(|byte| *byte == b'/').skip(1) {
        is_folder = matches!(segment, b"." | b".." | b"");
        match segment {
            b"." => {}
            b".." => drop(kept.pop()?),
            _ => kept.push(segment),
        }
    }
    if is_folder && kept.last().is_some_and(|last| !last.is_empty()) {
        kept.push(b"");
    }
    Some([b"/", kept.join(&b'/').as_slice()].concat())
}

/// All escapes undone, once.
pub(crate) fn decoded(path: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = path;
    while let Some(at) = rest.find('%') {
        let (before, from) = rest.split_at(at);
        out.extend_from_slice(before.as_bytes());
        match from
            .get(1..3)
            .and_then(|digits| u8::from_str_radix(digits, 16).ok())
        {
            Some(byte) => {
                out.push(byte);
                rest = from.get(3..).unwrap_or_default();
            }
            None => {
                out.push(b'%');
                rest = from.get(1..).unwrap_or_default();
            }
        }
    }
    out.extend_from_slice(rest.as_bytes());
    out
}
