//! Writing and reading text for the places that values stand in.
//!
//! Not for: finding texts in streams (`scan`).

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

/// As lenient as servers are: with or without padding.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);
const DIGITS: &[u8; 16] = b"0123456789ABCDEF";

/// Every byte as `%XX` but letters, digits and those in `plain` (RFC 3986 2.1).
pub(crate) fn encode(text: &[u8], plain: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for &byte in text {
        if byte.is_ascii_alphanumeric() || plain.contains(&byte) {
            out.push(byte);
            continue;
        }
        out.push(b'%');
        for half in [byte >> 4, byte & 15] {
            out.extend(DIGITS.get(usize::from(half)));
        }
    }
    out
}

/// `%XX` as its byte; what is none stays.
pub(crate) fn decode(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        let digit = |at: usize| {
            after
                .get(at)
                .and_then(|&digit| char::from(digit).to_digit(16))
        };
        match (byte, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high << 4 | low).to_le_bytes()[0]);
                rest = after.get(2..).unwrap_or_default();
            }
            _ => {
                out.push(byte);
                rest = after;
            }
        }
    }
    out
}

/// Name and value of one parameter, decoded.
pub(crate) fn pair(text: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let mark = text
        .iter()
        .position(|&byte| byte == b'=')
        .unwrap_or(text.len());
    let (name, value) = text.split_at_checked(mark).unwrap_or((text, &[]));
    (decode(name), decode(value.get(1..).unwrap_or_default()))
}

/// What a text in base64 says; nothing if it is none.
pub(crate) fn base64(text: &[u8]) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(LENIENT.decode(text).unwrap_or_default())
}

/// A text with every `mark` replaced.
pub(crate) fn replace(text: &[u8], mark: &[u8], value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + value.len());
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        match rest.strip_prefix(mark).filter(|_| !mark.is_empty()) {
            Some(behind) => {
                out.extend_from_slice(value);
                rest = behind;
            }
            None => {
                out.push(byte);
                rest = after;
            }
        }
    }
    out
}

/// A value as it stands in a body of this type: escaped in JSON strings and in forms, else as it is.
pub(crate) fn for_body(content_type: Option<&[u8]>, value: &[u8]) -> Zeroizing<Vec<u8>> {
    let full = content_type.unwrap_or_default().to_ascii_lowercase();
    let media = full
        .split(|&byte| byte == b';')
        .next()
        .unwrap_or_default()
        .trim_ascii();
    if media == b"application/x-www-form-urlencoded" {
        return Zeroizing::new(encode(value, b"-._~"));
    }
    let is_json = media.ends_with(b"/json") || media.ends_with(b"+json");
    let mut out = Zeroizing::new(Vec::with_capacity(value.len() * 2));
    for &byte in value {
        // A value has no control characters, so these two are all that a JSON string must escape.
        if is_json && matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out
}
