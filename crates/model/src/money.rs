//! An amount of money as people write it: `5.00 USD`.
//!
//! Not for: other currencies or exchange; prices of language models are in US dollars.

use std::fmt;
use std::str::FromStr;

/// US dollars in millionths, so that sums are exact. Text form: digits, at most six decimals, ` USD`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Money {
    micros: u64,
}

/// A text that is no amount.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "amount {given:?} is malformed: write digits, at most six decimals and USD, such as \"5.00 USD\""
)]
pub struct MoneyError {
    /// The text, cut to 64 characters.
    pub given: String,
}

const MICROS: u64 = 1_000_000;

impl Money {
    /// So many millionths of a US dollar.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self { micros }
    }

    /// Millionths of a US dollar.
    #[must_use]
    pub const fn micros(self) -> u64 {
        self.micros
    }

    /// The sum; it stays at the largest amount.
    #[must_use]
    pub const fn saturating_add(self, other: Self) -> Self {
        Self::from_micros(self.micros.saturating_add(other.micros))
    }

    /// What is left after `other`, at least nothing.
    #[must_use]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self::from_micros(self.micros.saturating_sub(other.micros))
    }
}

impl FromStr for Money {
    type Err = MoneyError;

    fn from_str(text: &str) -> Result<Self, MoneyError> {
        let error = || MoneyError {
            given: text.chars().take(64).collect(),
        };
        let amount = text.strip_suffix(" USD").ok_or_else(error)?;
        let (whole, part) = amount.split_once('.').unwrap_or((amount, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(part) || part.len() > 6 {
            return Err(error());
        }
        let micros = format!("{whole}{part:0<6}");
        let micros = micros.parse().map_err(|_too_large| error())?;
        Ok(Self { micros })
    }
}

impl fmt::Display for Money {
    /// At least two decimals, further ones only where they say something.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = format!("{:06}", self.micros % MICROS);
        let (cents, rest) = part.split_at(2);
        let rest = rest.trim_end_matches('0');
        write!(f, "{}.{cents}{rest} USD", self.micros / MICROS)
    }
}

crate::text::text_form!(Money);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_dollars() {
        for (text, micros, canonical) in [
            ("5 USD", 5_000_000, "5.00 USD"),
            ("5.00 USD", 5_000_000, "5.00 USD"),
            ("0.075 USD", 75_000, "0.075 USD"),
            ("0.000001 USD", 1, "0.000001 USD"),
        ] {
            assert_eq!(text.parse(), Ok(Money::from_micros(micros)));
            assert_eq!(Money::from_micros(micros).to_string(), canonical);
        }
    }

    #[test]
    fn refuses_other_currencies_signs_fractions_of_a_millionth_and_overflow() {
        for bad in [
            "",
            "5",
            "USD",
            "5 EUR",
            "5USD",
            "-1 USD",
            "1.0000001 USD",
            ".5 USD",
            "5. USD",
            "18446744073710 USD",
        ] {
            assert!(bad.parse::<Money>().is_err(), "{bad:?}");
        }
    }
}
