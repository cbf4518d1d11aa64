//! Text from a jail or the internet, made fit for logs, headers and screens.
//!
//! Not for: parsing it.

use crate::limits::TEXT_MAX;

/// Escapes control characters, quotes, backslashes and everything that is not ASCII, and cuts the
/// result: what is printed neither breaks a line nor moves a cursor nor fills a disk.
pub(crate) fn tame(text: &[u8]) -> String {
    let shown = text.get(..TEXT_MAX).unwrap_or(text);
    let mut tamed = shown.escape_ascii().to_string();
    let cut = tamed.len() > TEXT_MAX || shown.len() < text.len();
    if cut {
        // Escaped text is ASCII, so any length is a character boundary.
        tamed.truncate(TEXT_MAX);
        tamed.push_str("...");
    }
    tamed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_lines_cursors_and_foreign_bytes() {
        assert_eq!(tame(b"a.test"), "a.test");
        assert_eq!(tame(b"a\r\nx\x1b[31m\0\xff"), r"a\r\nx\x1b[31m\x00\xff");
    }

    #[test]
    fn cuts_what_is_long_before_and_after_escaping() {
        assert_eq!(tame(&[b'a'; 70_000]).len(), TEXT_MAX + 3);
        assert_eq!(tame(&[0; TEXT_MAX]).len(), TEXT_MAX + 3);
    }
}
