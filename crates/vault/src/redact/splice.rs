//! Writes a placeholder in the form in which a value was found, so that what is around it stays
//! readable.
//!
//! Not for: finding.

use crate::scan::form::{Form, Symbol, symbol};

/// Fills a placeholder up in base64, so that what follows keeps its place in its group of characters.
const FILL: u8 = b'0';

/// Appends `text` in this form, in the place of `found`, which says a value of `value_len` bytes.
pub(super) fn splice(form: Form, found: &[u8], value_len: usize, text: &[u8], out: &mut Vec<u8>) {
    match form {
        Form::Text => out.extend_from_slice(text),
        Form::Hex => hex(found, text, out),
        Form::Base64 { before } => {
            let fill = (value_len + 3 - text.len() % 3) % 3;
            let bytes = text.iter().copied().chain(std::iter::repeat_n(FILL, fill));
            base64(found, usize::from(before) * 2, value_len * 8, bytes, out);
        }
    }
}

fn hex(found: &[u8], text: &[u8], out: &mut Vec<u8>) {
    let digits = if found.iter().any(u8::is_ascii_uppercase) {
        b"0123456789ABCDEF"
    } else {
        b"0123456789abcdef"
    };
    for byte in text {
        for half in [byte >> 4, byte & 15] {
            out.extend(digits.get(usize::from(half)));
        }
    }
}

/// The bits of the first character that belong to what is before, the placeholder's bits, then the bits
/// of the last character that belong to what is after.
fn base64(
    found: &[u8],
    head_bits: usize,
    value_bits: usize,
    text: impl Iterator<Item = u8>,
    out: &mut Vec<u8>,
) {
    let symbols = symbols(found);
    let tail_bits = (symbols.len() * 6).saturating_sub(head_bits + value_bits);
    let first = symbols.first().copied().unwrap_or(0);
    let last = symbols.last().copied().unwrap_or(0);
    let mut bits = Bits {
        is_url: found.iter().any(|byte| b"-_".contains(byte)),
        held: 0,
        count: 0,
        out,
    };
    bits.push(first >> (6 - head_bits.min(6)), head_bits);
    for byte in text {
        bits.push(u32::from(byte), 8);
    }
    bits.push(last & ((1 << tail_bits.min(6)) - 1), tail_bits.min(6));
}

fn symbols(found: &[u8]) -> Vec<u32> {
    let mut symbols = Vec::new();
    let mut at = 0;
    while let Symbol::Is(value, len) = symbol(found, at, true) {
        symbols.push(value);
        at += len;
    }
    symbols
}

/// Bits on their way into characters.
struct Bits<'a> {
    is_url: bool,
    held: u32,
    count: usize,
    out: &'a mut Vec<u8>,
}

impl Bits<'_> {
    fn push(&mut self, value: u32, bits: usize) {
        self.held = self.held << bits | value;
        self.count += bits;
        while self.count >= 6 {
            self.count -= 6;
            let character = self.character(self.held >> self.count);
            self.out.push(character);
            self.held &= (1 << self.count) - 1;
        }
    }

    fn character(&self, value: u32) -> u8 {
        let value = value.to_le_bytes()[0];
        match value {
            0..=25 => b'A' + value,
            26..=51 => b'a' + value - 26,
            52..=61 => b'0' + value - 52,
            62 if self.is_url => b'-',
            62 => b'+',
            _ if self.is_url => b'_',
            _ => b'/',
        }
    }
}
