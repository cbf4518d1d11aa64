//! Reads a profile's TOML text.
//!
//! Not for: judging rules against each other, which `conflict` does.

use std::ops::Range;

use model::ProfileName;
use serde::Deserialize;
use toml::Spanned;

use super::error::{Problem, ProfileError};
use super::group::{RawAllow, RawDeny};
use super::{Profile, VERSION};

/// The text of a file, to give defects their place.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    file: &'a str,
    text: &'a str,
}

/// A defect that has no place yet.
pub(super) type Outcome<T> = Result<T, Problem>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawProfile {
    version: Spanned<i64>,
    name: Spanned<String>,
    description: Spanned<String>,
    allow: Spanned<Vec<RawAllow>>,
    #[serde(default)]
    deny: Vec<RawDeny>,
}

pub(super) fn read(file: &str, text: &str) -> Result<Profile, ProfileError> {
    let source = Source { file, text };
    let raw: RawProfile = toml::from_str(text).map_err(|error| source.format(&error))?;
    source.take(&raw.version, "version", |given| match *given {
        VERSION => Ok(()),
        given => Err(Problem::Version { given }),
    })?;
    let name = source.take(&raw.name, "name", |name| {
        name.parse::<ProfileName>().map_err(Problem::from)
    })?;
    let description = source.take(&raw.description, "description", prose)?;
    source.take(&raw.allow, "allow", not_empty)?;
    Ok(Profile {
        name,
        description,
        allowances: raw
            .allow
            .get_ref()
            .iter()
            .map(|group| group.checked(source))
            .collect::<Result<_, _>>()?,
        denials: raw
            .deny
            .iter()
            .map(|group| group.checked(source))
            .collect::<Result<_, _>>()?,
    })
}

/// A text that says something.
#[expect(
    clippy::ptr_arg,
    reason = "passed as a function to Source::take, whose values are Strings"
)]
pub(super) fn prose(text: &String) -> Outcome<String> {
    match text.trim() {
        "" => Err(Problem::Blank),
        said => Ok(said.to_owned()),
    }
}

#[expect(
    clippy::ptr_arg,
    reason = "passed as a function to Source::take, whose values are Vecs"
)]
pub(super) fn not_empty<T>(list: &Vec<T>) -> Outcome<()> {
    if list.is_empty() {
        return Err(Problem::Empty);
    }
    Ok(())
}

impl Source<'_> {
    /// The value as `check` makes it, or its defect with the value's place.
    pub(super) fn take<T, U>(
        &self,
        value: &Spanned<T>,
        key: &str,
        check: impl FnOnce(&T) -> Outcome<U>,
    ) -> Result<U, ProfileError> {
        check(value.get_ref()).map_err(|problem| self.error(value.span(), key, problem))
    }

    pub(super) fn error(&self, span: Range<usize>, key: &str, problem: Problem) -> ProfileError {
        ProfileError {
            file: self.file.to_owned(),
            line: self.line(span.start),
            key: key.to_owned(),
            problem,
        }
    }

    pub(super) fn line(&self, offset: usize) -> usize {
        self.before(offset).matches('\n').count() + 1
    }

    fn before(&self, offset: usize) -> &str {
        self.text.get(..offset).unwrap_or(self.text)
    }

    fn format(&self, error: &toml::de::Error) -> ProfileError {
        let span = error.span().unwrap_or(0..0);
        let key = self.key_near(span.start);
        let message = error.message().to_owned();
        self.error(span, &key, Problem::Format { message })
    }

    /// The key or table header that an offset belongs to, for errors of the TOML reader.
    fn key_near(&self, offset: usize) -> String {
        let line_end = self
            .text
            .get(offset..)
            .and_then(|rest| rest.find('\n'))
            .map_or(self.text.len(), |length| offset + length);
        self.before(line_end)
            .lines()
            .rev()
            .map(str::trim)
            .find_map(key_of)
            .unwrap_or_else(|| "file".to_owned())
    }
}

fn key_of(line: &str) -> Option<String> {
    if let Some(header) = line.strip_prefix('[') {
        let header = header.trim_start_matches('[');
        return header.split_once(']').map(|(name, _)| name.to_owned());
    }
    let (key, _) = line.split_once('=')?;
    Some(key.trim().chars().take(64).collect())
}
