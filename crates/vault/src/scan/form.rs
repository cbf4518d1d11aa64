//! Whether a text stands at the beginning of some bytes, in one of the forms in which programs write
//! text: as it is and with escapes, in base64, in hexadecimal.
//!
//! Not for: where to look (`finder`), nor what to do about it.

use crate::placeholder::{ALPHABET, CORE_LEN, MARKER};
use crate::scan::escape;

/// A form of writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// As it is, every byte by itself perhaps as an escape.
    Text,
    /// In base64 of either alphabet, with 0 to 2 bytes before it in its group of three. `\/`, `%2B` and
    /// `%2F` may be among the characters, and line ends from the fourth one on: were they allowed
    /// earlier, half of all lines would have to wait for the next one.
    Base64 {
        /// How many bytes.
        before: u8,
    },
    /// In hexadecimal digits of either case, with nothing or one of `: -,` between two bytes.
    Hex,
}

/// All forms.
pub(crate) const FORMS: [Form; 5] = [
    Form::Text,
    Form::Base64 { before: 0 },
    Form::Base64 { before: 1 },
    Form::Base64 { before: 2 },
    Form::Hex,
];

/// What was found at the beginning of the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Match {
    /// Something else, after so many bytes of the text that were right.
    No(usize),
    /// The beginning of the text, so many bytes of it; the rest has not come yet.
    Partial(usize),
    /// The text, in so many bytes of input.
    Whole(usize),
}

/// What is looked for: a sequence of bytes, each one given or of a class.
pub(crate) trait Shape {
    /// How many bytes.
    fn len(&self) -> usize;
    /// Whether this byte can be the one at `index`.
    fn accepts(&mut self, index: usize, byte: u8) -> bool;
    /// Whether the byte at `index` can have these bits at its top.
    fn accepts_top(&self, index: usize, top: u32, bits: u32) -> bool;
}

/// Given bytes.
pub(crate) struct Exact<'a>(pub(crate) &'a [u8]);

/// Any placeholder without its prefix, in either case; what was read stays in it.
pub(crate) struct AnyCore {
    pub(crate) seen: [u8; CORE_LEN],
}

/// One character of base64 and how many bytes it was written with.
pub(crate) enum Symbol {
    /// Its six bits.
    Is(u32, usize),
    /// Not known before more bytes come.
    Short,
    /// None.
    No,
}

/// Characters of base64 before the first line end among them.
const BREAK_FROM: usize = 3;
/// Most line ends between two characters of base64: CR and LF, twice, as text or as escapes.
const BREAKS_MAX: usize = 4;

impl Shape for Exact<'_> {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn accepts(&mut self, index: usize, byte: u8) -> bool {
        self.0.get(index) == Some(&byte)
    }

    fn accepts_top(&self, index: usize, top: u32, bits: u32) -> bool {
        self.0
            .get(index)
            .is_some_and(|&byte| u32::from(byte) >> (8 - bits) == top)
    }
}

impl AnyCore {
    pub(crate) const fn new() -> Self {
        Self {
            seen: [0; CORE_LEN],
        }
    }
}

impl Shape for AnyCore {
    fn len(&self) -> usize {
        CORE_LEN
    }

    fn accepts(&mut self, index: usize, byte: u8) -> bool {
        let lower = byte.to_ascii_lowercase();
        let fits = match MARKER.get(index) {
            Some(&marker) => marker == lower,
            None => ALPHABET.contains(&lower),
        };
        if let (true, Some(slot)) = (fits, self.seen.get_mut(index)) {
            *slot = byte;
        }
        fits
    }

    fn accepts_top(&self, index: usize, top: u32, bits: u32) -> bool {
        let is_top = |byte: u8| u32::from(byte) >> (8 - bits) == top;
        match MARKER.get(index) {
            Some(&marker) => is_top(marker) || is_top(marker.to_ascii_uppercase()),
            None => ALPHABET
                .iter()
                .any(|&byte| is_top(byte) || is_top(byte.to_ascii_uppercase())),
        }
    }
}

impl Form {
    /// Looks for `shape` at the very beginning of `input`.
    pub(crate) fn look(self, shape: &mut impl Shape, input: &[u8]) -> Match {
        match self {
            Self::Text => text(shape, input),
            Self::Base64 { before } => base64(shape, u32::from(before), input),
            Self::Hex => hex(shape, input),
        }
    }
}

fn text(shape: &mut impl Shape, input: &[u8]) -> Match {
    for index in 0..shape.len() {
        match input.get(index) {
            None => return Match::Partial(index),
            Some(&byte) if escape::is_opening(byte) => return escaped(shape, index, input),
            Some(&byte) if shape.accepts(index, byte) => {}
            Some(_) => return Match::No(index),
        }
    }
    Match::Whole(shape.len())
}

/// The same from the first byte on that may be an escape, `start` plain bytes into text and input. While
/// there is one way to read on, which is nearly always, nothing is allocated.
fn escaped(shape: &mut impl Shape, start: usize, input: &[u8]) -> Match {
    let mut at = start;
    for index in start..shape.len() {
        let (mut count, mut next) = (0_usize, at);
        let is_short = step(shape, index, input, at, &mut |end| {
            count += 1;
            next = end;
        });
        match count {
            0 if is_short => return Match::Partial(index),
            0 => return Match::No(index),
            1 if !is_short => at = next,
            _ => return many_ways(shape, index, at, input),
        }
    }
    Match::Whole(at)
}

/// The same where an opening byte may also stand for itself, or for one of several escapes: all ways to
/// read on are followed.
fn many_ways(shape: &mut impl Shape, start: usize, at: usize, input: &[u8]) -> Match {
    let mut ways = vec![at];
    let mut farthest_short = None;
    for index in start..shape.len() {
        let mut next = Vec::new();
        for at in ways {
            if step(shape, index, input, at, &mut |end| next.push(end)) {
                farthest_short = Some(index);
            }
        }
        if next.is_empty() {
            return farthest_short.map_or(Match::No(index), Match::Partial);
        }
        next.sort_unstable();
        next.dedup();
        ways = next;
    }
    ways.last()
        .map_or(Match::No(start), |&end| Match::Whole(end))
}

/// Tells `next` every offset where the input goes on if the byte at `index` was read at `at`. Says whether
/// more input could add to that.
fn step(
    shape: &mut impl Shape,
    index: usize,
    input: &[u8],
    at: usize,
    next: &mut impl FnMut(usize),
) -> bool {
    let rest = input.get(at..).unwrap_or_default();
    let Some(&byte) = rest.first() else {
        return true;
    };
    if shape.accepts(index, byte) {
        next(at + 1);
    }
    escape::readings(rest, &mut |byte, len| {
        if shape.accepts(index, byte) {
            next(at + len);
        }
    })
}

fn base64(shape: &mut impl Shape, before: u32, input: &[u8]) -> Match {
    // Of the first character, this many bits belong to what stands before.
    let mut foreign = before * 2;
    let (mut bits, mut held, mut at, mut index) = (0, 0, 0, 0);
    for count in 0_usize.. {
        if index == shape.len() {
            break;
        }
        let (value, len) = match symbol(input, at, count >= BREAK_FROM) {
            Symbol::Is(value, len) => (value, len),
            Symbol::Short => return Match::Partial(index),
            Symbol::No => return Match::No(index),
        };
        at += len;
        held = (held << 6 | value) & ((1 << (bits + 6 - foreign)) - 1);
        bits += 6 - foreign;
        foreign = 0;
        if bits >= 8 {
            bits -= 8;
            let byte = (held >> bits).to_le_bytes()[0];
            held &= (1 << bits) - 1;
            if !shape.accepts(index, byte) {
                return Match::No(index);
            }
            index += 1;
        }
        if index < shape.len() && bits > 0 && !shape.accepts_top(index, held, bits) {
            return Match::No(index);
        }
    }
    Match::Whole(at)
}

/// The character of base64 at `start`, with line ends before it if there may be some.
pub(crate) fn symbol(input: &[u8], start: usize, may_break: bool) -> Symbol {
    let mut at = start;
    for _ in 0..=BREAKS_MAX {
        let rest = input.get(at..).unwrap_or_default();
        let (value, len) = match rest {
            [byte @ (b'A'..=b'Z'), ..] => (byte - b'A', 1),
            [byte @ (b'a'..=b'z'), ..] => (byte - b'a' + 26, 1),
            [byte @ (b'0'..=b'9'), ..] => (byte - b'0' + 52, 1),
            [b'+' | b'-', ..] => (62, 1),
            [b'/' | b'_', ..] => (63, 1),
            [b'\\', b'/', ..] => (63, 2),
            [b'%', b'2', b'B' | b'b', ..] => (62, 3),
            [b'%', b'2', b'F' | b'f', ..] => (63, 3),
            [] | [b'\\' | b'%'] | [b'%', b'2' | b'0'] => return Symbol::Short,
            _ if !may_break => return Symbol::No,
            [b'\r' | b'\n', ..] => {
                at += 1;
                continue;
            }
            [b'\\', b'r' | b'n', ..] => {
                at += 2;
                continue;
            }
            [b'%', b'0', b'A' | b'a' | b'D' | b'd', ..] => {
                at += 3;
                continue;
            }
            _ => return Symbol::No,
        };
        return Symbol::Is(u32::from(value), at + len - start);
    }
    Symbol::No
}

fn hex(shape: &mut impl Shape, input: &[u8]) -> Match {
    let mut at = 0;
    for index in 0..shape.len() {
        if index > 0 && input.get(at).is_some_and(|byte| b": -,".contains(byte)) {
            at += 1;
        }
        let mut value = 0;
        for bits in [4, 8] {
            let Some(&byte) = input.get(at) else {
                return Match::Partial(index);
            };
            let Some(digit) = char::from(byte).to_digit(16) else {
                return Match::No(index);
            };
            value = value << 4 | digit;
            at += 1;
            if bits == 4 && !shape.accepts_top(index, value, 4) {
                return Match::No(index);
            }
        }
        if !shape.accepts(index, value.to_le_bytes()[0]) {
            return Match::No(index);
        }
    }
    Match::Whole(at)
}
