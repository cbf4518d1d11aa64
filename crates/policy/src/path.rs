//! The one canonical path of a request: what rules are matched on is what is forwarded.
//!
//! Unreserved characters are decoded, the rest of the escapes get upper-case digits, dot segments go.
//! What servers are known to read in several ways (encoded slashes, `//`, `;`, double encoding) is
//! refused: a filter and a server must not disagree on which resource a path names.
//!
//! Not for: patterns (`glob`), nor for the query, which is kept as it came.

use std::fmt;

/// Longest path in bytes; the size that common servers accept for a whole request line.
pub const PATH_MAX: usize = 8192;
/// Longest query in bytes, for the same reason.
pub const QUERY_MAX: usize = 8192;

/// A canonical path and the raw query behind it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CanonicalPath {
    path: String,
    query: Option<String>,
}

/// Why a path has no single reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Path or query longer than their limit.
    #[error("the path is longer than {PATH_MAX} bytes or the query than {QUERY_MAX}")]
    TooLong,
    /// Does not begin with a slash.
    #[error("the path must begin with a slash")]
    NotAbsolute,
    /// Control bytes, spaces or non-ASCII in path or query.
    #[error("byte at offset {offset} must be percent-encoded")]
    BadByte {
        /// Where, from 0.
        offset: usize,
    },
    /// `#` never travels in a request.
    #[error("a fragment can't be part of a request")]
    Fragment,
    /// `%` without two hexadecimal digits.
    #[error("a percent sign is not followed by two hexadecimal digits")]
    BadEscape,
    /// `%25`: a second decoding would read another path.
    #[error("an encoded percent sign is refused: it can be decoded twice")]
    DoubleEncoding,
    /// `%2f`.
    #[error("an encoded slash is refused")]
    EncodedSlash,
    /// A backslash, plain or encoded.
    #[error("a backslash is refused")]
    Backslash,
    /// NUL or another control character behind an escape.
    #[error("an encoded control character is refused")]
    EncodedControl,
    /// Escapes that are not UTF-8; overlong forms hide dots and slashes.
    #[error("the escapes are not UTF-8")]
    NotUtf8,
    /// `//`.
    #[error("an empty segment (`//`) is refused")]
    EmptySegment,
    /// `;`, plain or encoded.
    #[error("a segment parameter (`;`) is refused")]
    Parameter,
    /// `..` beyond the root.
    #[error("the path climbs above the root")]
    AboveRoot,
}

impl PathError {
    /// Stable machine-readable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TooLong => "path_too_long",
            Self::NotAbsolute => "path_not_absolute",
            Self::BadByte { .. } => "path_bad_byte",
            Self::Fragment => "path_fragment",
            Self::BadEscape => "path_bad_escape",
            Self::DoubleEncoding => "path_double_encoding",
            Self::EncodedSlash => "path_encoded_slash",
            Self::Backslash => "path_backslash",
            Self::EncodedControl => "path_encoded_control",
            Self::NotUtf8 => "path_not_utf8",
            Self::EmptySegment => "path_empty_segment",
            Self::Parameter => "path_parameter",
            Self::AboveRoot => "path_above_root",
        }
    }
}

impl CanonicalPath {
    /// The path `/` without a query.
    #[must_use]
    pub fn root() -> Self {
        Self {
            path: "/".to_owned(),
            query: None,
        }
    }

    /// Reads an origin-form target: a path and, after the first `?`, a query.
    ///
    /// # Errors
    /// Whatever has more than one reading; see [`PathError`].
    pub fn parse(text: &[u8]) -> Result<Self, PathError> {
        if text.len() > PATH_MAX + 1 + QUERY_MAX {
            return Err(PathError::TooLong);
        }
        let text = printable(text)?;
        let (path, query) = match text.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (text, None),
        };
        if path.len() > PATH_MAX || query.is_some_and(|query| query.len() > QUERY_MAX) {
            return Err(PathError::TooLong);
        }
        let path = remove_dots(&normalise(path)?)?;
        // Encoding what a client left bare makes a path longer; the limit holds for what is sent.
        if path.len() > PATH_MAX {
            return Err(PathError::TooLong);
        }
        Ok(Self {
            path,
            query: query.map(str::to_owned),
        })
    }

    /// True when this path (no query) is already in the form that [`Self::parse`] gives.
    #[must_use]
    pub fn is_canonical(path: &str) -> bool {
        Self::parse(path.as_bytes())
            .is_ok_and(|parsed| parsed.query.is_none() && parsed.path == path)
    }

    /// The canonical path, without the query.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.path
    }

    /// The query as it came, without its `?`.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.query.as_deref()
    }
}

/// Path and query as an origin-form target: what is forwarded.
impl fmt::Display for CanonicalPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)?;
        match &self.query {
            Some(query) => write!(f, "?{query}"),
            None => Ok(()),
        }
    }
}

/// Decodes every escape of a canonical path. Unambiguous, since `%25` is not canonical.
pub(crate) fn decode(path: &str) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        match (byte, escape(tail)) {
            (b'%', Some((value, after))) => {
                decoded.push(value);
                rest = after;
            }
            _ => {
                decoded.push(byte);
                rest = tail;
            }
        }
    }
    decoded
}

fn printable(text: &[u8]) -> Result<&str, PathError> {
    if let Some(offset) = text.iter().position(|byte| !byte.is_ascii_graphic()) {
        return Err(PathError::BadByte { offset });
    }
    if text.contains(&b'#') {
        return Err(PathError::Fragment);
    }
    std::str::from_utf8(text).map_err(|fault| PathError::BadByte {
        offset: fault.valid_up_to(),
    })
}

/// Gives each character its one spelling: bare where RFC 3986 allows it bare, else `%XX`.
fn normalise(path: &str) -> Result<String, PathError> {
    if !path.starts_with('/') {
        return Err(PathError::NotAbsolute);
    }
    if path.contains("//") {
        return Err(PathError::EmptySegment);
    }
    let mut plain = String::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte == b'%' {
            let (value, after) = escape(tail).ok_or(PathError::BadEscape)?;
            check_escaped(value)?;
            push(&mut plain, value, is_unreserved(value));
            rest = after;
            continue;
        }
        match byte {
            b';' => return Err(PathError::Parameter),
            b'\\' => return Err(PathError::Backslash),
            _ => push(&mut plain, byte, byte == b'/' || is_pchar(byte)),
        }
    }
    let decoded = String::from_utf8(decode(&plain)).map_err(|_odd_escapes| PathError::NotUtf8)?;
    // The controls above ASCII (U+0080 to U+009F) take two escapes; they show only here.
    if decoded.contains(char::is_control) {
        return Err(PathError::EncodedControl);
    }
    Ok(plain)
}

const fn check_escaped(value: u8) -> Result<(), PathError> {
    match value {
        b'/' => Err(PathError::EncodedSlash),
        b'\\' => Err(PathError::Backslash),
        b'%' => Err(PathError::DoubleEncoding),
        b';' => Err(PathError::Parameter),
        0..0x20 | 0x7f => Err(PathError::EncodedControl),
        _ => Ok(()),
    }
}

fn remove_dots(path: &str) -> Result<String, PathError> {
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/').skip(1) {
        match segment {
            "." => {}
            ".." => {
                kept.pop().ok_or(PathError::AboveRoot)?;
            }
            _ => kept.push(segment),
        }
    }
    let folder = path.ends_with("/.") || path.ends_with("/..");
    if folder {
        kept.push("");
    }
    Ok(format!("/{}", kept.join("/")))
}

/// The value of the two hexadecimal digits at the head, and what follows them.
fn escape(tail: &[u8]) -> Option<(u8, &[u8])> {
    let (digits, after) = tail.split_first_chunk::<2>()?;
    let [high, low] = digits.map(|digit| char::from(digit).to_digit(16));
    let value = u8::try_from(high? * 16 + low?).ok()?;
    Some((value, after))
}

fn push(out: &mut String, byte: u8, bare: bool) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    if bare {
        out.push(char::from(byte));
        return;
    }
    out.push('%');
    for nibble in [byte >> 4, byte & 15] {
        let digit = DIGITS.get(usize::from(nibble)).copied().unwrap_or(b'0');
        out.push(char::from(digit));
    }
}

const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// RFC 3986 3.3, without `;`.
const fn is_pchar(byte: u8) -> bool {
    is_unreserved(byte)
        || matches!(
            byte,
            b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b'=' | b':' | b'@'
        )
}

#[cfg(test)]
mod tests;
