//! Reads one byte of a text that may be written as an escape: percent, backslash or HTML entity.
//!
//! Not for: base64 and hexadecimal, which write the whole text otherwise (`form`).

/// How often an escape may itself be escaped: `%252573` is 2.
const NESTED_MAX: usize = 3;
/// Most backslashes in a row that are read as one escape: three levels of JSON in JSON.
const BACKSLASHES_MAX: usize = 8;
/// Most digits of a numeric entity; leading zeros are digits too.
const DIGITS_MAX: usize = 8;
/// Longest escape that is read: `&amp;amp;amp;#x00000073;`. It bounds what a scanner holds back.
#[cfg(test)]
pub(crate) const ESCAPE_MAX: usize = 1 + 4 * NESTED_MAX + 2 + DIGITS_MAX + 1;

const NAMED: [(&[u8], u8); 16] = [
    (b"lt;", b'<'),
    (b"gt;", b'>'),
    (b"quot;", b'"'),
    (b"apos;", b'\''),
    (b"sol;", b'/'),
    (b"bsol;", b'\\'),
    (b"plus;", b'+'),
    (b"equals;", b'='),
    (b"colon;", b':'),
    (b"comma;", b','),
    (b"period;", b'.'),
    (b"lowbar;", b'_'),
    (b"num;", b'#'),
    (b"dollar;", b'$'),
    (b"percnt;", b'%'),
    (b"excl;", b'!'),
];

/// Whether an escape begins with this byte.
pub(crate) const fn is_opening(byte: u8) -> bool {
    matches!(byte, b'%' | b'\\' | b'&')
}

/// Tells `visit` every byte that the beginning of `input` may stand for when read as an escape, with
/// the length of that escape. Says whether more input could make it an escape that it is not yet.
pub(crate) fn readings(input: &[u8], visit: &mut impl FnMut(u8, usize)) -> bool {
    match input.first() {
        Some(b'%') => percent(input, visit),
        Some(b'\\') => backslash(input, visit),
        Some(b'&') => entity(input, visit),
        _ => false,
    }
}

/// A number that is complete, could still become one, or is none.
enum Number {
    Is(u32),
    Short,
    No,
}

fn percent(input: &[u8], visit: &mut impl FnMut(u8, usize)) -> bool {
    let mut at = 1;
    for _ in 0..=NESTED_MAX {
        let byte = match hex(input, at, 2) {
            Number::Is(value) => value.to_le_bytes()[0],
            Number::Short => return true,
            Number::No => return false,
        };
        at += 2;
        visit(byte, at);
        if byte != b'%' {
            return false;
        }
    }
    false
}

fn backslash(input: &[u8], visit: &mut impl FnMut(u8, usize)) -> bool {
    // One more than may be: were all of a long run counted for each of it, scanning would take a time
    // that grows with its square.
    let counted = input.iter().take(BACKSLASHES_MAX + 1);
    let run = counted.take_while(|&&byte| byte == b'\\').count();
    for escaped in [2, 4] {
        if run >= escaped {
            visit(b'\\', escaped);
        }
    }
    if run > BACKSLASHES_MAX {
        return false;
    }
    let (digits, after) = match input.get(run) {
        None => return true,
        Some(b'u') => (4, run + 1),
        Some(b'x') => (2, run + 1),
        Some(&byte) => {
            if byte.is_ascii_punctuation() {
                visit(byte, run + 1);
            }
            return false;
        }
    };
    match hex(input, after, digits) {
        Number::Is(value) => {
            ascii(value, after + digits, visit);
            false
        }
        Number::Short => true,
        Number::No => false,
    }
}

fn entity(input: &[u8], visit: &mut impl FnMut(u8, usize)) -> bool {
    let mut at = 1;
    for _ in 0..NESTED_MAX {
        if !rest(input, at).starts_with(b"amp;") {
            break;
        }
        at += 4;
        visit(b'&', at);
    }
    let name = rest(input, at);
    if b"amp;".starts_with(name) || b"#".starts_with(name) {
        return true;
    }
    if name.first() == Some(&b'#') {
        return numeric(input, at + 1, visit);
    }
    for (text, byte) in NAMED {
        if name.starts_with(text) {
            visit(byte, at + text.len());
        }
    }
    NAMED.iter().any(|(text, _)| text.starts_with(name))
}

/// `#115;` or `#x73;`, from behind the `#`.
fn numeric(input: &[u8], at: usize, visit: &mut impl FnMut(u8, usize)) -> bool {
    let (radix, at) = match input.get(at) {
        Some(b'x' | b'X') => (16, at + 1),
        _ => (10, at),
    };
    let digits = rest(input, at);
    let is_digit = |byte: &&u8| char::from(**byte).is_digit(radix);
    let count = digits.iter().take_while(is_digit).count();
    if count > DIGITS_MAX {
        return false;
    }
    match digits.get(count) {
        None => true,
        Some(b';') if count > 0 => {
            let value = digits.iter().take(count).fold(0, |value: u32, &digit| {
                let digit = char::from(digit).to_digit(radix).unwrap_or(0);
                value.saturating_mul(radix).saturating_add(digit)
            });
            ascii(value, at + count + 1, visit);
            false
        }
        Some(_) => false,
    }
}

fn ascii(value: u32, len: usize, visit: &mut impl FnMut(u8, usize)) {
    if let Some(byte) = u8::try_from(value).ok().filter(u8::is_ascii) {
        visit(byte, len);
    }
}

fn hex(input: &[u8], at: usize, digits: usize) -> Number {
    let given = rest(input, at);
    let mut value = 0;
    for index in 0..digits {
        let Some(&byte) = given.get(index) else {
            return Number::Short;
        };
        let Some(digit) = char::from(byte).to_digit(16) else {
            return Number::No;
        };
        value = value << 4 | digit;
    }
    Number::Is(value)
}

fn rest(input: &[u8], at: usize) -> &[u8] {
    input.get(at..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Vec<(char, usize)>, bool) {
        let mut all = Vec::new();
        let short = readings(text.as_bytes(), &mut |byte, len| {
            all.push((char::from(byte), len));
        });
        (all, short)
    }

    #[test]
    fn reads_each_listed_escape_as_its_byte() {
        for (text, byte) in [
            ("%73", 's'),
            ("%2573", 's'),
            ("%252573", 's'),
            ("\\u0073", 's'),
            ("\\\\u0073", 's'),
            ("\\x73", 's'),
            ("\\/", '/'),
            ("\\\\/", '/'),
            ("\\-", '-'),
            ("&#115;", 's'),
            ("&#x73;", 's'),
            ("&#X00000073;", 's'),
            ("&amp;#x73;", 's'),
            ("&lt;", '<'),
            ("&amp;", '&'),
            ("\\\\", '\\'),
        ] {
            let (all, _) = read(&format!("{text}?"));
            assert!(all.contains(&(byte, text.len())), "{text}: {all:?}");
            assert!(text.len() <= ESCAPE_MAX);
        }
    }

    #[test]
    fn says_of_every_beginning_that_it_may_still_become_an_escape_and_of_no_other_text() {
        for text in [
            "%73", "%2573", "\\u0073", "\\x73", "&#115;", "&#x73;", "&lt;", "&amp;lt;",
        ] {
            for len in 1..text.len() {
                let beginning = text.split_at(len).0;
                assert!(read(beginning).1, "{beginning}");
            }
        }
        for text in [
            "%q", "%7q", "%q3", "\\q", "\\u00q", "&j", "&#q", "&#;", "&ltq", "s", "",
        ] {
            assert_eq!(read(text), (Vec::new(), false), "{text}");
        }
    }
}
