//! How often a rule lets requests pass: `10/s`, `60/m`, `1000/h`.
//!
//! Not for: counting them (`egress` the crate).

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Most requests that a rate names; above it there is nothing to hold back.
pub const REQUESTS_MAX: u32 = 1_000_000;

/// So many requests a second, minute or hour, as a token bucket: it holds that many at the start and
/// fills evenly. In a tunnel that is not opened, each connection counts as one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Rate {
    requests: u32,
    per: Per,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Per {
    Second,
    Minute,
    Hour,
}

/// A text that is not a rate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "rate {given:?} is refused: write 1 to {REQUESTS_MAX} requests per s, m or h, such as 60/m"
)]
pub struct RateError {
    /// The text, cut to 64 characters.
    pub given: String,
}

impl Rate {
    /// Requests in one [`Self::period`], at least 1; also how many may come at once.
    #[must_use]
    pub const fn requests(self) -> u32 {
        self.requests
    }

    /// The time in which an empty bucket fills.
    #[must_use]
    pub const fn period(self) -> Duration {
        match self.per {
            Per::Second => Duration::from_secs(1),
            Per::Minute => Duration::from_secs(60),
            Per::Hour => Duration::from_secs(3600),
        }
    }
}

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        let error = || RateError {
            given: text.chars().take(64).collect(),
        };
        let (digits, unit) = text.split_once('/').ok_or_else(error)?;
        let per = match unit {
            "s" => Per::Second,
            "m" => Per::Minute,
            "h" => Per::Hour,
            _ => return Err(error()),
        };
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(error());
        }
        match digits.parse() {
            Ok(requests) if (1..=REQUESTS_MAX).contains(&requests) => Ok(Self { requests, per }),
            _ => Err(error()),
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.per {
            Per::Second => 's',
            Per::Minute => 'm',
            Per::Hour => 'h',
        };
        write!(f, "{}/{unit}", self.requests)
    }
}

impl TryFrom<String> for Rate {
    type Error = RateError;

    fn try_from(text: String) -> Result<Self, RateError> {
        text.parse()
    }
}

impl From<Rate> for String {
    fn from(rate: Rate) -> Self {
        rate.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_rates_of_each_unit() {
        for (text, requests, seconds) in [("10/s", 10, 1), ("60/m", 60, 60), ("1/h", 1, 3600)] {
            let rate: Rate = text.parse().unwrap();
            assert_eq!(rate.requests(), requests);
            assert_eq!(rate.period().as_secs(), seconds);
            assert_eq!(rate.to_string(), text);
        }
    }

    #[test]
    fn refuses_rates_that_stop_everything_or_nothing() {
        for bad in [
            "",
            "60",
            "/s",
            "0/s",
            "-1/s",
            "+1/s",
            "1.5/s",
            "1/d",
            "1/S",
            "1 /s",
            "1/s/s",
            "1000001/s",
            "99999999999/s",
        ] {
            assert!(bad.parse::<Rate>().is_err(), "{bad:?}");
        }
    }
}
