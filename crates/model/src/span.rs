//! A length of time as people write it: `500ms`, `30s`, `30m`, `2h`, `1d`.
//!
//! Not for: points in time, nor for reading a clock.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A length of time in whole milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    millis: u64,
}

/// A text that is not a length of time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("duration {given:?} is malformed: write digits and ms, s, m, h or d, such as 30m")]
pub struct SpanError {
    /// The text, cut to 64 characters.
    pub given: String,
}

const UNITS: [(&str, u64); 5] = [
    ("ms", 1),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1000),
];

impl Span {
    /// A span of so many milliseconds.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self { millis }
    }

    /// The span as the standard library's type.
    #[must_use]
    pub const fn as_duration(self) -> Duration {
        Duration::from_millis(self.millis)
    }
}

impl FromStr for Span {
    type Err = SpanError;

    fn from_str(text: &str) -> Result<Self, SpanError> {
        let error = || SpanError {
            given: text.chars().take(64).collect(),
        };
        let (digits, factor) = UNITS
            .iter()
            .find_map(|(unit, factor)| text.strip_suffix(unit).map(|digits| (digits, *factor)))
            .ok_or_else(error)?;
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(error());
        }
        let number: u64 = digits.parse().map_err(|_not_u64| error())?;
        number
            .checked_mul(factor)
            .map(Self::from_millis)
            .ok_or_else(error)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let order = ["d", "h", "m", "s", "ms"];
        let fits = |unit: &&str| {
            UNITS
                .iter()
                .find(|(name, _)| name == unit)
                .filter(|(_, factor)| self.millis >= *factor && self.millis.is_multiple_of(*factor))
        };
        match order.iter().find_map(fits) {
            Some((unit, factor)) => write!(f, "{}{unit}", self.millis / factor),
            None => write!(f, "{}ms", self.millis),
        }
    }
}

crate::text::text_form!(Span);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_each_unit() {
        for (text, millis) in [
            ("500ms", 500),
            ("30s", 30_000),
            ("30m", 1_800_000),
            ("2h", 7_200_000),
            ("1d", 86_400_000),
        ] {
            assert_eq!(text.parse(), Ok(Span::from_millis(millis)));
            assert_eq!(Span::from_millis(millis).to_string(), text);
        }
    }

    #[test]
    fn refuses_bare_numbers_signs_and_overflow() {
        for bad in ["", "30", "-1s", "1.5h", "1 h", "s", "99999999999999999d"] {
            assert!(bad.parse::<Span>().is_err(), "{bad:?}");
        }
    }
}
