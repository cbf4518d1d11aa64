//! A count of bytes as people write it: `4096`, `64KiB`, `1GiB`.
//!
//! Not for: decimal units; `MB` is refused rather than guessed at.

use std::fmt;
use std::str::FromStr;

/// A number of bytes. Text form: digits, then nothing, `B`, `KiB`, `MiB`, `GiB` or `TiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

/// A text that is not a size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("size {given:?} is malformed: write digits and B, KiB, MiB, GiB or TiB, such as 256MiB")]
pub struct SizeError {
    /// The text, cut to 64 characters.
    pub given: String,
}

const UNITS: [(&str, u64); 5] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("B", 1),
];

impl FromStr for ByteSize {
    type Err = SizeError;

    fn from_str(text: &str) -> Result<Self, SizeError> {
        let error = || SizeError {
            given: text.chars().take(64).collect(),
        };
        let (digits, factor) = UNITS
            .iter()
            .find_map(|(unit, factor)| text.strip_suffix(unit).map(|digits| (digits, *factor)))
            .unwrap_or((text, 1));
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(error());
        }
        let number: u64 = digits.parse().map_err(|_not_u64| error())?;
        number.checked_mul(factor).map(Self).ok_or_else(error)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = UNITS
            .iter()
            .find(|(_, factor)| self.0 >= *factor && self.0.is_multiple_of(*factor));
        match unit {
            Some((unit, factor)) => write!(f, "{}{unit}", self.0 / factor),
            None => write!(f, "{}B", self.0),
        }
    }
}

crate::text::text_form!(ByteSize);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_binary_units() {
        for (text, bytes) in [
            ("0B", 0),
            ("64KiB", 65_536),
            ("1GiB", 1 << 30),
            ("1025B", 1025),
        ] {
            assert_eq!(text.parse(), Ok(ByteSize(bytes)));
            assert_eq!(ByteSize(bytes).to_string(), text);
        }
        assert_eq!("4096".parse(), Ok(ByteSize(4096)));
    }

    #[test]
    fn refuses_decimal_units_signs_and_overflow() {
        for bad in [
            "",
            "MiB",
            "-1",
            "+5",
            "1MB",
            "1.5GiB",
            "1 GiB",
            "99999999999TiB",
        ] {
            assert!(bad.parse::<ByteSize>().is_err(), "{bad:?}");
        }
    }
}
