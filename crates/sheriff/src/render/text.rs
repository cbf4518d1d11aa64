//! Makes text from jails, logs and the network harmless for a terminal.
//!
//! Not for: JSON, which has its own escapes (`json`).

use std::borrow::Cow;

/// True for characters that steer a terminal or hide text: C0 and C1 controls, line separators,
/// bidirectional marks (CVE-2021-42574), zero-width characters and tags.
pub(crate) fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

/// The text on one line, with unsafe characters written out as `\n` or `\u{1b}`.
pub(crate) fn escape(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\n' | '\r' | '\t' => out.extend(c.escape_default()),
            c if is_unsafe(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// Escaped, and cut to `most` characters with an ellipsis, so that no field can fill a screen.
pub(crate) fn brief(text: &str, most: usize) -> String {
    let escaped = escape(text);
    if escaped.chars().count() <= most {
        return escaped.into_owned();
    }
    let mut out: String = escaped.chars().take(most.saturating_sub(1)).collect();
    out.push('…');
    out
}

/// A number of bytes for a reader: exact below 1 KiB, else with one decimal.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [(u64, &str); 4] = [
        (1 << 40, "TiB"),
        (1 << 30, "GiB"),
        (1 << 20, "MiB"),
        (1 << 10, "KiB"),
    ];
    match UNITS.iter().find(|(factor, _)| count >= *factor) {
        None => format!("{count}B"),
        Some((factor, unit)) => {
            let tenths = u128::from(count) * 10 / u128::from(*factor);
            format!("{}.{}{unit}", tenths / 10, tenths % 10)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_can_neither_move_the_cursor_nor_start_a_line() {
        let hostile = "a\u{1b}[2J\r\nb\u{9b}31m\u{202e}c\u{7f}\u{200b}\u{e0041}";
        let shown = escape(hostile);
        assert!(!shown.contains(is_unsafe), "{shown:?}");
        assert!(
            shown.starts_with("a\\u{1b}[2J\\r\\nb\\u{9b}31m\\u{202e}c"),
            "{shown}"
        );
    }

    #[test]
    fn ordinary_text_of_any_script_stays_as_it_is() {
        for text in ["api.example.com:443", "größe 値段 🦀", "back\\slash"] {
            assert!(matches!(escape(text), Cow::Borrowed(same) if same == text));
        }
    }

    #[test]
    fn long_text_is_cut_after_escaping() {
        assert_eq!(brief("\u{1b}\u{1b}\u{1b}", 8), "\\u{1b}\\…");
        assert_eq!(brief("short", 5), "short");
    }

    #[test]
    fn counts_of_bytes_are_readable() {
        let shown = [0, 1023, 1024, 1536, 10 << 20, u64::MAX].map(bytes);
        assert_eq!(
            shown,
            [
                "0B",
                "1023B",
                "1.0KiB",
                "1.5KiB",
                "10.0MiB",
                "16777215.9TiB"
            ]
        );
    }
}
