//! One byte sequence per JSON value, after RFC 8785 (JSON Canonicalization Scheme).
//!
//! Not for: fractions and huge integers. Their canonical text depends on how a language prints
//! doubles, so the chain refuses them; [`tame`] turns them into strings where a caller must keep them.

use std::io::Write as _;

use serde_json::{Map, Number, Value};

/// Largest magnitude of an integer that every JSON reader keeps exactly (RFC 8785 section 3.2.2.3,
/// RFC 7493 section 2.2): 2^53 - 1.
pub const INTEGER_MAX: u64 = (1 << 53) - 1;

/// Deepest nesting of arrays and objects: far above what events need, and below the 128 levels at
/// which JSON readers give up.
pub const DEPTH_MAX: usize = 64;

/// A value that has no place in the chain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CanonicalError {
    /// A number with a fraction or an exponent.
    #[error("number {number} is not an integer: write it as a string or in smaller units")]
    Fraction {
        /// The number as JSON text.
        number: String,
    },
    /// An integer that some readers would round.
    #[error("integer {number} is beyond 2^53 - 1: write it as a string")]
    TooBig {
        /// The number as JSON text.
        number: String,
    },
    /// More nesting than [`DEPTH_MAX`].
    #[error("nested deeper than {DEPTH_MAX} levels")]
    TooDeep,
}

/// Appends the canonical text of `value` to `out`.
///
/// # Errors
/// [`CanonicalError`] for numbers and nesting that the chain refuses; `out` then holds a part.
pub fn write(out: &mut Vec<u8>, value: &Value) -> Result<(), CanonicalError> {
    write_at(out, value, 0)
}

/// Appends `text` as a JSON string: only `"`, `\` and the controls below U+0020 are escaped.
pub fn write_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    // Nearly every text has nothing to escape, and is copied as a whole.
    while let Some(at) = rest.iter().position(|byte| needs_escape(*byte)) {
        let (plain, odd) = rest.split_at(at);
        out.extend_from_slice(plain);
        let Some((byte, after)) = odd.split_first() else {
            break;
        };
        match *byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            0x08 => out.extend_from_slice(b"\\b"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\n' => out.extend_from_slice(b"\\n"),
            0x0c => out.extend_from_slice(b"\\f"),
            b'\r' => out.extend_from_slice(b"\\r"),
            control => write_escape(out, control),
        }
        rest = after;
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

const fn needs_escape(byte: u8) -> bool {
    byte < 0x20 || matches!(byte, b'"' | b'\\')
}

/// Makes any value fit for the chain: fractions and integers beyond [`INTEGER_MAX`] become strings
/// with the same digits. Nesting is left as it is.
#[must_use]
pub fn tame(value: Value) -> Value {
    match value {
        Value::Number(number) if integer(&number).is_err() => Value::String(number.to_string()),
        Value::Array(items) => Value::Array(items.into_iter().map(tame).collect()),
        Value::Object(map) => Value::Object(map.into_iter().map(|(k, v)| (k, tame(v))).collect()),
        plain => plain,
    }
}

fn write_at(out: &mut Vec<u8>, value: &Value, depth: usize) -> Result<(), CanonicalError> {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Number(number) => write_integer(out, integer(number)?),
        Value::String(text) => write_string(out, text),
        Value::Array(_) | Value::Object(_) if depth >= DEPTH_MAX => {
            return Err(CanonicalError::TooDeep);
        }
        Value::Array(items) => write_array(out, items, depth + 1)?,
        Value::Object(map) => write_object(out, map, depth + 1)?,
    }
    Ok(())
}

fn write_array(out: &mut Vec<u8>, items: &[Value], depth: usize) -> Result<(), CanonicalError> {
    out.push(b'[');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_at(out, item, depth)?;
    }
    out.push(b']');
    Ok(())
}

/// Members in the order of their keys as UTF-16 code units (RFC 8785 section 3.2.3), which is not
/// the order of UTF-8 bytes above U+FFFF.
fn write_object(
    out: &mut Vec<u8>,
    map: &Map<String, Value>,
    depth: usize,
) -> Result<(), CanonicalError> {
    let mut members: Vec<_> = map.iter().collect();
    // ASCII has the same order in both encodings, and the map is in the order of bytes mostly.
    let sorted = members.is_sorted_by_key(|(key, _)| key.as_str());
    if !(sorted && members.iter().all(|(key, _)| key.is_ascii())) {
        members.sort_unstable_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
    }
    out.push(b'{');
    for (index, (key, value)) in members.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_string(out, key);
        out.push(b':');
        write_at(out, value, depth)?;
    }
    out.push(b'}');
    Ok(())
}

fn integer(number: &Number) -> Result<i64, CanonicalError> {
    let text = || number.to_string();
    match number.as_i64() {
        Some(small) if small.unsigned_abs() <= INTEGER_MAX => Ok(small),
        Some(_) => Err(CanonicalError::TooBig { number: text() }),
        None if number.is_u64() => Err(CanonicalError::TooBig { number: text() }),
        None => Err(CanonicalError::Fraction { number: text() }),
    }
}

#[expect(clippy::expect_used, reason = "writing to a Vec has no error path")]
pub(crate) fn write_integer(out: &mut Vec<u8>, number: impl std::fmt::Display) {
    write!(out, "{number}").expect("a Vec grows or aborts");
}

#[expect(clippy::expect_used, reason = "writing to a Vec has no error path")]
fn write_escape(out: &mut Vec<u8>, control: u8) {
    write!(out, "\\u{control:04x}").expect("a Vec grows or aborts");
}

#[cfg(test)]
mod tests;
