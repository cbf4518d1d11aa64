//! The canonical request: the text that both sides make of the same request, and sign.
//!
//! Not for: the signature.

use std::collections::BTreeMap;

use crate::substitute::percent;
use crate::wallet::Head;

/// What may stand in a path or query as it is (RFC 3986 2.3).
const UNRESERVED: &[u8] = b"-._~";

/// A canonical request.
pub(super) struct Canonical {
    /// Its text.
    pub(super) text: Vec<u8>,
    /// The names of the signed fields, sorted, with `;` between them.
    pub(super) signed: String,
}

/// Makes it. `is_single`: the service (S3) takes a path as it was meant; all others encode once more
/// what is sent, and take dots and double slashes out.
pub(super) fn request(
    head: &Head,
    payload: &str,
    is_single: bool,
    is_signed: impl Fn(&str) -> bool,
) -> Canonical {
    let fields = fields(head, is_signed);
    let signed = fields
        .keys()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(";");
    let path = if is_single {
        percent::encode(&percent::decode(head.path()), b"-._~/")
    } else {
        percent::encode(&normal(head.path()), b"-._~/")
    };
    let mut text = [head.method.as_slice(), b"\n", path.as_slice(), b"\n"].concat();
    text.extend(query(head.query().unwrap_or_default()));
    text.push(b'\n');
    for (name, value) in &fields {
        text.extend([name.as_bytes(), b":", value.as_slice(), b"\n"].concat());
    }
    text.extend([b"\n", signed.as_bytes(), b"\n", payload.as_bytes()].concat());
    Canonical { text, signed }
}

/// Bytes as hexadecimal digits in lower case.
pub(super) fn hex(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from_digit(u32::from(half), 16).unwrap_or('0');
    bytes
        .iter()
        .flat_map(|&byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}

/// Names in lower case; values without outer and repeated spaces, several joined in their order.
fn fields(head: &Head, is_signed: impl Fn(&str) -> bool) -> BTreeMap<String, Vec<u8>> {
    let mut fields: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for (name, value) in &head.fields {
        let name = String::from_utf8_lossy(name).to_ascii_lowercase();
        if !is_signed(&name) {
            continue;
        }
        let words = value
            .split(|byte| b" \t".contains(byte))
            .filter(|word| !word.is_empty());
        let value = words.collect::<Vec<_>>().join(&b' ');
        match fields.get_mut(&name) {
            Some(values) => values.extend([b",", value.as_slice()].concat()),
            None => {
                fields.insert(name, value);
            }
        }
    }
    fields
}

/// Sorted by name, then value, both encoded. A `+` means a space, as everywhere in queries.
fn query(query: &[u8]) -> Vec<u8> {
    let given = query
        .split(|&byte| byte == b'&')
        .filter(|pair| !pair.is_empty());
    let mut pairs: Vec<_> = given
        .map(|pair| {
            let (name, value) = percent::pair(&percent::replace(pair, b"+", b"%20"));
            (
                percent::encode(&name, UNRESERVED),
                percent::encode(&value, UNRESERVED),
            )
        })
        .collect();
    pairs.sort();
    let pairs: Vec<_> = pairs
        .into_iter()
        .map(|(name, value)| [name, value].join(&b'='))
        .collect();
    pairs.join(&b'&')
}

/// Without empty and dot segments (RFC 3986 5.2.4), a slash at the end kept.
fn normal(path: &[u8]) -> Vec<u8> {
    let mut segments: Vec<&[u8]> = Vec::new();
    for segment in path.split(|&byte| byte == b'/') {
        match segment {
            b"" | b"." => {}
            b".." => {
                segments.pop();
            }
            _ => segments.push(segment),
        }
    }
    let mut normal = [b"/", segments.join(&b'/').as_slice()].concat();
    if path.ends_with(b"/") && normal.len() > 1 {
        normal.push(b'/');
    }
    normal
}
