//! A text in each of the forms that are listed as found, and looking for those forms.
//!
//! Not for: what must hold (`trial`). It is written anew here, apart from the code that it tests.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// Replaces each `0xff` and the byte behind it by one of the writings. Also whether there was one.
pub(super) fn unfold(input: &[u8], writings: &[Vec<u8>]) -> (Vec<u8>, bool) {
    let mut out = Vec::new();
    let mut inserted = false;
    let mut rest = input.iter();
    while let Some(&byte) = rest.next() {
        match (byte, rest.as_slice().first()) {
            (0xff, Some(&which)) => {
                rest.next();
                out.extend_from_slice(&writings[usize::from(which) % writings.len()]);
                inserted = true;
            }
            _ => out.push(byte),
        }
    }
    (out, inserted)
}

/// The text in every form.
pub(super) fn writings(text: &[u8]) -> Vec<Vec<u8>> {
    let each = |write: &dyn Fn(u8) -> String| {
        text.iter()
            .flat_map(|&byte| write(byte).into_bytes())
            .collect()
    };
    let mut all: Vec<Vec<u8>> = vec![
        text.to_vec(),
        each(&|byte| format!("%{byte:02x}")),
        each(&|byte| format!("%25{byte:02X}")),
        each(&|byte| format!("\\u{byte:04x}")),
        each(&|byte| format!("\\x{byte:02x}")),
        each(&|byte| format!("&#{byte};")),
        each(&|byte| format!("&#x{byte:x};")),
        each(&|byte| format!("{byte:02x}")),
        each(&|byte| format!("{byte:02X}")),
        each(&|byte| format!("{byte:02x}:")),
    ];
    for before in ["", "x", "xy"] {
        let whole = [before.as_bytes(), text].concat();
        all.push(STANDARD_NO_PAD.encode(&whole).into_bytes());
        all.push(URL_SAFE_NO_PAD.encode(&whole).into_bytes());
    }
    all
}

/// Whether one says the other in any of the forms, as far as that can be seen without undoing escapes.
pub(super) fn says(text: &[u8], part: &[u8]) -> bool {
    let mut written = writings(part);
    written.truncate(10);
    let in_base64 = (0..3).any(|before| says_in_base64(text, part, before));
    in_base64 || written.iter().any(|written| contains(text, written))
}

/// With so many bytes before it in its group of three. Only bits that belong to it count.
fn says_in_base64(text: &[u8], part: &[u8], before: usize) -> bool {
    let whole = [&b"xy"[..before], part].concat();
    let encoded = STANDARD_NO_PAD.encode(&whole);
    let first = before * 8 / 6;
    let wanted: Vec<u32> = encoded.bytes().skip(first).filter_map(symbol).collect();
    let foreign_before = before * 8 - first * 6;
    let foreign_behind = encoded.len() * 6 - whole.len() * 8;
    let mask = |at: usize| {
        let head = if at == 0 { 63 >> foreign_before } else { 63 };
        let tail = if at + 1 == wanted.len() {
            63 << foreign_behind
        } else {
            63
        };
        head & tail
    };
    let mut windows = text.windows(wanted.len());
    windows.any(|window| {
        let mut pairs = window.iter().zip(&wanted).enumerate();
        pairs.all(|(at, (&byte, &wanted))| {
            symbol(byte).is_some_and(|value| value & mask(at) == wanted & mask(at))
        })
    })
}

/// The value of a character of base64, of either alphabet.
fn symbol(byte: u8) -> Option<u32> {
    let value = match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return None,
    };
    Some(u32::from(value))
}

/// Whether one is in the other.
pub(super) fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}
