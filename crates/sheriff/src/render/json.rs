//! JSON for programs that is safe on a terminal too.
//!
//! Not for: reading JSON.

use serde::Serialize;

use super::text::is_unsafe;

/// The value over several lines.
pub(crate) fn pretty(value: &impl Serialize) -> serde_json::Result<String> {
    serde_json::to_string_pretty(value).map(|text| defuse(&text))
}

/// JSON escapes only what is below U+0020 by itself. Whatever else steers a terminal can stand
/// inside strings alone, so it is written as `\uXXXX` there (RFC 8259 section 7): the same value.
pub(crate) fn defuse(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if c == '\n' || !is_unsafe(c) {
            out.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            out.push_str(&format!("\\u{unit:04x}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_strings_keep_their_value_but_not_their_effect() {
        let hostile = "\u{1b}[31m\n\u{9b}\u{7f}\u{202e}\u{e0041}é";
        let text = pretty(&vec![hostile]).unwrap();
        assert!(!text.replace('\n', "").contains(is_unsafe), "{text:?}");
        let back: Vec<String> = serde_json::from_str(&text).unwrap();
        assert_eq!(back, [hostile]);
    }
}
