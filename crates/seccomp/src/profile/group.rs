//! The `[[allow]]` and `[[deny]]` tables as they are written, and their check one by one.
//!
//! Not for: single conditions, which `operand` reads.

use serde::Deserialize;
use toml::Spanned;

use crate::action::Action;
use crate::arch::Arch;
use crate::condition::Condition;
use crate::errno::Errno;
use crate::syscalls;

use super::cve::RawCve;
use super::error::{Problem, ProfileError};
use super::operand::RawCondition;
use super::reader::{Names, Outcome, Source, cut, not_empty, prose};
use super::rule::Head;
use super::{Allowance, Denial, Guard, Mention};

/// Longest name of an optional group: it is typed on command lines.
const GROUP_NAME_MAX: usize = 32;

/// Alternatives of conditions that must hold together.
type When = Spanned<Vec<Spanned<Vec<Spanned<RawCondition>>>>>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAllow {
    why: Spanned<String>,
    calls: Names,
    arch: Option<Names>,
    #[serde(default)]
    quiet: bool,
    #[serde(default)]
    log: bool,
    optional: Option<Spanned<String>>,
    when: Option<When>,
    otherwise: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawDeny {
    why: Spanned<String>,
    calls: Names,
    arch: Option<Names>,
    #[serde(default)]
    quiet: bool,
    when: Option<When>,
    errno: Option<Spanned<String>>,
    kill: Option<bool>,
    trap: Option<bool>,
    #[serde(default)]
    cves: Vec<RawCve>,
}

impl RawAllow {
    pub(super) fn checked(&self, source: Source<'_>) -> Result<Allowance, ProfileError> {
        let head = Head {
            why: source.take(&self.why, "allow.why", prose)?,
            arches: arches(source, self.arch.as_ref(), "allow.arch")?,
            calls: mentions(source, &self.calls, "allow.calls")?,
            quiet: self.quiet,
            file: source.file().clone(),
        };
        present(source, &self.calls, &head, "allow.calls")?;
        Ok(Allowance {
            head,
            guard: self.guard(source)?,
            logged: self.log,
            group: match &self.optional {
                Some(name) => Some(source.take(name, "allow.optional", group)?),
                None => None,
            },
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
        let head = Head {
            why: source.take(&self.why, "deny.why", prose)?,
            arches: arches(source, self.arch.as_ref(), "deny.arch")?,
            calls: mentions(source, &self.calls, "deny.calls")?,
            quiet: self.quiet,
            file: source.file().clone(),
        };
        present(source, &self.calls, &head, "deny.calls")?;
        Ok(Denial {
            head,
            when: match &self.when {
                Some(when) => alternatives(source, when, "deny.when")?,
                None => Vec::new(),
            },
            action: self.action(source)?,
            cves: self
                .cves
                .iter()
                .map(|given| given.checked(source))
                .collect::<Result<_, _>>()?,
        })
    }

    fn action(&self, source: Source<'_>) -> Result<Action, ProfileError> {
        let (kill, trap) = (self.kill == Some(true), self.trap == Some(true));
        match (&self.errno, kill, trap) {
            (Some(given), false, false) => {
                Ok(Action::Errno(source.take(given, "deny.errno", errno)?))
            }
            (None, true, false) => Ok(Action::KillProcess),
            (None, false, true) => Ok(Action::Trap),
            _ => Err(source.error(self.why.span(), "deny", Problem::Action)),
        }
    }
}

/// The calls of a list, each with its line.
pub(super) fn mentions(
    source: Source<'_>,
    calls: &Names,
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

fn arches(source: Source<'_>, given: Option<&Names>, key: &str) -> Result<Vec<Arch>, ProfileError> {
    let Some(given) = given else {
        return Ok(Arch::ALL.to_vec());
    };
    source.take(given, key, not_empty)?;
    let mut arches = Vec::new();
    for name in given.get_ref() {
        let arch = source.take(name, key, |name| Ok(name.parse::<Arch>()?))?;
        if arches.contains(&arch) {
            return Err(source.error(name.span(), key, Problem::RepeatedArch { arch }));
        }
        arches.push(arch);
    }
    arches.sort_unstable();
    Ok(arches)
}

/// A rule for some architectures names calls that one of them has.
fn present(source: Source<'_>, calls: &Names, head: &Head, key: &str) -> Result<(), ProfileError> {
    let missing = |call: &str| {
        let has = |arch: &Arch| syscalls::number(*arch, call).is_some();
        !head.arches.iter().any(has)
    };
    let found = head
        .calls
        .iter()
        .zip(calls.get_ref())
        .find(|(mention, _)| missing(mention.name));
    found.map_or(Ok(()), |(mention, given)| {
        let call = mention.name;
        Err(source.error(given.span(), key, Problem::OtherArch { call }))
    })
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
pub(super) fn known(given: &String) -> Outcome<&'static str> {
    syscalls::canonical(given).ok_or_else(|| Problem::UnknownCall { call: cut(given) })
}

/// Lower-case letters, digits and hyphens, a letter first.
#[expect(
    clippy::ptr_arg,
    reason = "passed as a function to Source::take, whose values are Strings"
)]
fn group(given: &String) -> Outcome<String> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let sound = given.len() <= GROUP_NAME_MAX
        && given.bytes().all(plain)
        && given.starts_with(|first: char| first.is_ascii_lowercase());
    if sound {
        Ok(given.clone())
    } else {
        Err(Problem::GroupName { given: cut(given) })
    }
}
