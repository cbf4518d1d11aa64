//! A published vulnerability that a denial keeps out of reach, with its date.
//!
//! Not for: looking vulnerabilities up; a profile brings them as data.

use serde::Deserialize;
use toml::Spanned;

use super::error::{Problem, ProfileError};
use super::reader::{Outcome, Source, cut, prose};

/// A published vulnerability (cve.org).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cve {
    id: String,
    published: String,
    what: String,
}

impl Cve {
    /// The number, such as `CVE-2022-0847`.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// When it became public: `YYYY-MM` or `YYYY-MM-DD`.
    #[must_use]
    pub fn published(&self) -> &str {
        &self.published
    }

    /// What it was, in a few words.
    #[must_use]
    pub fn what(&self) -> &str {
        &self.what
    }
}

/// `{ id, published, what }` as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCve {
    id: Spanned<String>,
    published: Spanned<String>,
    what: Spanned<String>,
}

impl RawCve {
    pub(super) fn checked(&self, source: Source<'_>) -> Result<Cve, ProfileError> {
        Ok(Cve {
            id: source.take(&self.id, "deny.cves.id", id)?,
            published: source.take(&self.published, "deny.cves.published", date)?,
            what: source.take(&self.what, "deny.cves.what", prose)?,
        })
    }
}

/// `CVE-`, four digits, `-`, four to seven digits.
#[expect(
    clippy::ptr_arg,
    reason = "passed as a function to Source::take, whose values are Strings"
)]
fn id(given: &String) -> Outcome<String> {
    let sound = given
        .strip_prefix("CVE-")
        .and_then(|rest| rest.split_once('-'))
        .is_some_and(|(year, number)| {
            year.len() == 4 && (4..=7).contains(&number.len()) && digits(year) && digits(number)
        });
    if sound {
        Ok(given.clone())
    } else {
        Err(Problem::Cve { given: cut(given) })
    }
}

#[expect(
    clippy::ptr_arg,
    reason = "passed as a function to Source::take, whose values are Strings"
)]
fn date(given: &String) -> Outcome<String> {
    let parts: Vec<&str> = given.split('-').collect();
    let within = |text: &str, highest: u8| {
        text.len() == 2
            && digits(text)
            && text
                .parse::<u8>()
                .is_ok_and(|value| (1..=highest).contains(&value))
    };
    let sound = match parts.as_slice() {
        [year, month] => year.len() == 4 && digits(year) && within(month, 12),
        [year, month, day] => {
            year.len() == 4 && digits(year) && within(month, 12) && within(day, 31)
        }
        _ => false,
    };
    if sound {
        Ok(given.clone())
    } else {
        Err(Problem::Date { given: cut(given) })
    }
}

fn digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}
