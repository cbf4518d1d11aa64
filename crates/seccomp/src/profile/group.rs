//! The `[[allow]]` and `[[deny]]` tables as they are written, and their check one by one.
//!
//! Not for: single conditions, which `operand` reads.

use serde::Deserialize;
use toml::Spanned;

use crate::action::Action;
use crate::condition::Condition;
use crate::errno::Errno;
use crate::syscalls;

use super::error::{Problem, ProfileError};
use super::operand::RawCondition;
use super::reader::{Outcome, Source, not_empty, prose};
use super::{Allowance, Denial, Guard, Mention};

/// Alternatives of conditions that must hold together.
type When = Spanned<Vec<Spanned<Vec<Spanned<RawCondition>>>>>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAllow {
    why: Spanned<String>,
    calls: Spanned<Vec<Spanned<String>>>,
    when: Option<When>,
    otherwise: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawDeny {
    why: Spanned<String>,
    calls: Spanned<Vec<Spanned<String>>>,
    when: Option<When>,
    errno: Option<Spanned<String>>,
    kill: Option<Spanned<bool>>,
    #[serde(default)]
    cves: Vec<Spanned<String>>,
}

impl RawAllow {
    pub(super) fn checked(&self, source: Source<'_>) -> Result<Allowance, ProfileError> {
        Ok(Allowance {
            why: source.take(&self.why, "allow.why", prose)?,
            calls: mentions(source, &self.calls, "allow.calls")?,
            guard: self.guard(source)?,
        })
    }

    fn guard(&self, source: Source<'_>) -> Result<Option<Guard>, ProfileError> {
        match (&self.when, &self.otherwise) {
            (None, None) => Ok(None),
            (Some(when), Some(otherwise)) => Ok(Some(Guard {
                alternatives: alternatives(source, when, "allow.when")?,
                otherwise: source.take(otherwise, "allow.otherwise", errno)?,
            })),
            (Some(when), None) => Err(source.error(when.span(), "allow.when", Problem::Otherwise)),
            (None, Some(otherwise)) => {
                Err(source.error(otherwise.span(), "allow.otherwise", Problem::Otherwise))
            }
        }
    }
}

impl RawDeny {
    pub(super) fn checked(&self, source: Source<'_>) -> Result<Denial, ProfileError> {
        Ok(Denial {
            why: source.take(&self.why, "deny.why", prose)?,
            calls: mentions(source, &self.calls, "deny.calls")?,
            when: match &self.when {
                Some(when) => alternatives(source, when, "deny.when")?,
                None => Vec::new(),
            },
            action: self.action(source)?,
            cves: self
                .cves
                .iter()
                .map(|given| source.take(given, "deny.cves", cve))
                .collect::<Result<_, _>>()?,
        })
    }

    fn action(&self, source: Source<'_>) -> Result<Action, ProfileError> {
        match (&self.errno, &self.kill) {
            (Some(given), None) => Ok(Action::Errno(source.take(given, "deny.errno", errno)?)),
            (None, Some(kill)) if *kill.get_ref() => Ok(Action::KillProcess),
            _ => Err(source.error(self.why.span(), "deny", Problem::Action)),
        }
    }
}

fn mentions(
    source: Source<'_>,
    calls: &Spanned<Vec<Spanned<String>>>,
    key: &str,
) -> Result<Vec<Mention>, ProfileError> {
    source.take(calls, key, not_empty)?;
    let mention = |given: &Spanned<String>| {
        Ok(Mention {
            name: source.take(given, key, known)?,
            line: source.line(given.span().start),
        })
    };
    calls.get_ref().iter().map(mention).collect()
}

fn alternatives(
    source: Source<'_>,
    when: &When,
    key: &str,
) -> Result<Vec<Vec<Condition>>, ProfileError> {
    source.take(when, key, not_empty)?;
    let condition = |raw: &Spanned<RawCondition>| source.take(raw, key, RawCondition::checked);
    let all = |raw: &Spanned<Vec<Spanned<RawCondition>>>| {
        source.take(raw, key, not_empty)?;
        raw.get_ref().iter().map(condition).collect()
    };
    when.get_ref().iter().map(all).collect()
}

#[expect(
    clippy::ptr_arg,
    reason = "passed as a function to Source::take, whose values are Strings"
)]
fn errno(given: &String) -> Outcome<Errno> {
    Ok(given.parse()?)
}

#[expect(
    clippy::ptr_arg,
    reason = "passed as a function to Source::take, whose values are Strings"
)]
fn known(given: &String) -> Outcome<&'static str> {
    syscalls::canonical(given).ok_or_else(|| Problem::UnknownCall { call: cut(given) })
}

/// `CVE-`, four digits, `-`, at least four digits.
#[expect(
    clippy::ptr_arg,
    reason = "passed as a function to Source::take, whose values are Strings"
)]
fn cve(given: &String) -> Outcome<String> {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
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

fn cut(given: &str) -> String {
    given.chars().take(64).collect()
}
