//! The arguments of a call as strace writes them, as numbers where that is possible.
//!
//! Not for: what lies behind pointers.

use crate::arch::Arch;
use crate::condition::ARGUMENTS;
use crate::coverage::Sample;

use super::constants;

/// Longest text of arguments that is looked into. strace itself cuts strings at 32 characters.
const TEXT_MAX: usize = 64 << 10;

/// The arguments by position; `None` when their order is not the registers'.
pub(super) fn read(arch: Arch, call: &str, text: &str) -> Option<Sample> {
    if text.len() > TEXT_MAX {
        return None;
    }
    let parts = split(text);
    let mut sample = [None; ARGUMENTS];
    if parts.iter().any(|part| names_itself(part)) {
        // clone and a few others are written as `name=value`, in an order of strace's own.
        let flags = parts.iter().find_map(|part| part.strip_prefix("flags="))?;
        let first = sample.first_mut().filter(|_| call == "clone")?;
        *first = number(arch, flags);
        return Some(sample);
    }
    for (place, part) in sample.iter_mut().zip(parts) {
        *place = number(arch, part);
    }
    Some(sample)
}

fn names_itself(part: &str) -> bool {
    let name = part.split_once('=').map(|(name, _)| name);
    name.is_some_and(|name| {
        !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    })
}

/// Splits at commas outside of strings and brackets.
fn split(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut depth, mut quoted, mut escaped) = (0, 0_usize, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                parts.push(text.get(start..at).unwrap_or_default().trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    let last = text.get(start..).unwrap_or_default().trim();
    if !last.is_empty() {
        parts.push(last);
    }
    parts
}

/// A number, or numbers and known names joined by `|`.
fn number(arch: Arch, text: &str) -> Option<u64> {
    // With -y a descriptor is followed by its path.
    let bare = match text.split_once('<') {
        Some((bare, path)) if path.ends_with('>') => bare,
        _ => text,
    };
    if bare.is_empty() {
        return None;
    }
    bare.split('|').try_fold(0, |bits, part| {
        Some(bits | single(part).or_else(|| constants::value(arch, part))?)
    })
}

fn single(text: &str) -> Option<u64> {
    if let Some(digits) = text.strip_prefix("0x") {
        return u64::from_str_radix(digits, 16).ok();
    }
    if text.len() > 1
        && let Some(digits) = text.strip_prefix('0')
    {
        return u64::from_str_radix(digits, 8).ok();
    }
    if text.starts_with('-') {
        // As compilers do: a negative int fills the register's upper half.
        return text.parse::<i64>().ok().map(i64::cast_unsigned);
    }
    text.parse().ok()
}
