//! Reads a profile's TOML text, parents included.
//!
//! Not for: judging rules against each other (`conflict`), nor for applying a child to its parent
//! (`narrow`).

use std::ops::Range;
use std::sync::Arc;

use model::ProfileName;
use serde::Deserialize;
use toml::Spanned;

use super::error::{Problem, ProfileError};
use super::group::{RawAllow, RawDeny};
use super::listed::RawList;
use super::narrow;
use super::{Allowance, CHAIN_MAX, Denial, Origin, Profile, TEXT_BYTES_MAX, VERSION, conflict};

/// A list of names as it is written.
pub(super) type Names = Spanned<Vec<Spanned<String>>>;

/// Finds a parent: the file to name in errors, and its text.
pub(super) type Find<'a> = &'a dyn Fn(&ProfileName) -> Option<(String, String)>;

/// The text of a file, to give defects their place.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    file: &'a Arc<str>,
    text: &'a str,
}

/// Longest key that errors name. Ours are shorter; others are noise.
const KEY_MAX: usize = 32;

/// A defect that has no place yet.
pub(super) type Outcome<T> = Result<T, Problem>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawProfile {
    version: Spanned<i64>,
    name: Spanned<String>,
    description: Spanned<String>,
    pub(super) extends: Option<Spanned<String>>,
    pub(super) enable: Option<Names>,
    pub(super) keep: Option<RawList>,
    pub(super) drop: Option<RawList>,
    allow: Option<Spanned<Vec<RawAllow>>>,
    #[serde(default)]
    deny: Vec<RawDeny>,
}

/// Reads a profile and those that it extends.
pub(super) fn read(file: &str, text: &str, find: Find<'_>) -> Result<Profile, ProfileError> {
    chain(file, text, find, &[])
}

/// `below` holds the names of the profiles that led here, the first one first.
fn chain(
    file: &str,
    text: &str,
    find: Find<'_>,
    below: &[ProfileName],
) -> Result<Profile, ProfileError> {
    let file = Arc::from(file);
    let source = Source { file: &file, text };
    let raw = source.parse()?;
    let own = raw.origin(source)?;
    let description = source.take(&raw.description, "description", prose)?;
    let Some(extends) = &raw.extends else {
        let profile = Profile {
            description,
            ..raw.root(source, own)?
        };
        conflict::check(&profile)?;
        return Ok(profile);
    };
    if let Some(allow) = &raw.allow {
        return Err(source.error(allow.span(), "allow", Problem::Widens));
    }
    let mut names = below.to_vec();
    names.push(own.name.clone());
    let (name, file, text) =
        source.take(extends, "extends", |given| parent(given, find, &names))?;
    let found = chain(&file, &text, find, &names)?;
    if found.name != name {
        let problem = Problem::ParentName { found: found.name };
        return Err(source.error(extends.span(), "extends", problem));
    }
    let denials = raw.denials(source)?;
    let mut profile = narrow::apply(source, found, &raw, denials)?;
    profile.name = own.name.clone();
    profile.description = description;
    profile.lineage.insert(0, own);
    Ok(profile)
}

fn parent(
    given: &str,
    find: Find<'_>,
    below: &[ProfileName],
) -> Outcome<(ProfileName, String, String)> {
    let name: ProfileName = given.parse()?;
    if below.contains(&name) {
        return Err(Problem::Cycle { name });
    }
    if below.len() >= CHAIN_MAX {
        return Err(Problem::TooDeep);
    }
    match find(&name) {
        Some((file, text)) => Ok((name, file, text)),
        None => Err(Problem::UnknownParent { name }),
    }
}

impl RawProfile {
    fn origin(&self, source: Source<'_>) -> Result<Origin, ProfileError> {
        source.take(&self.version, "version", |given| match *given {
            VERSION => Ok(()),
            given => Err(Problem::Version { given }),
        })?;
        let name = source.take(&self.name, "name", |name| {
            name.parse::<ProfileName>().map_err(Problem::from)
        })?;
        let file = source.file.to_string();
        Ok(Origin { name, file })
    }

    /// A profile without a parent; its description is yet to come.
    fn root(&self, source: Source<'_>, own: Origin) -> Result<Profile, ProfileError> {
        let changes = [
            ("enable", self.enable.as_ref().map(Spanned::span)),
            ("keep", self.keep.as_ref().map(Spanned::span)),
            ("drop", self.drop.as_ref().map(Spanned::span)),
        ];
        for (key, span) in changes {
            if let Some(span) = span {
                return Err(source.error(span, key, Problem::NoParent));
            }
        }
        let (optional, allowances) = self
            .allowances(source)?
            .into_iter()
            .partition(|rule| rule.group.is_some());
        Ok(Profile {
            name: own.name.clone(),
            description: String::new(),
            allowances,
            denials: self.denials(source)?,
            optional,
            lineage: vec![own],
        })
    }

    fn allowances(&self, source: Source<'_>) -> Result<Vec<Allowance>, ProfileError> {
        let Some(groups) = &self.allow else {
            return Err(source.error(self.name.span(), "allow", Problem::NoRules));
        };
        source.take(groups, "allow", not_empty)?;
        let groups = groups.get_ref().iter();
        groups.map(|group| group.checked(source)).collect()
    }

    fn denials(&self, source: Source<'_>) -> Result<Vec<Denial>, ProfileError> {
        self.deny
            .iter()
            .map(|group| group.checked(source))
            .collect()
    }
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

/// The start of a text that is no good, short enough for an error.
pub(super) fn cut(given: &str) -> String {
    given.chars().take(64).collect()
}

impl<'a> Source<'a> {
    /// The file as the caller named it.
    pub(super) const fn file(&self) -> &'a Arc<str> {
        self.file
    }

    fn parse(&self) -> Result<RawProfile, ProfileError> {
        if self.text.len() > TEXT_BYTES_MAX {
            return Err(self.error(0..0, "file", Problem::TooLong));
        }
        toml::from_str(self.text).map_err(|error| self.format(&error))
    }

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
        self.error_on(self.line(span.start), key, problem)
    }

    pub(super) fn error_on(&self, line: usize, key: &str, problem: Problem) -> ProfileError {
        ProfileError {
            file: self.file.to_string(),
            line,
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
        let (name, _) = header.split_once(']')?;
        return bare(name);
    }
    let (key, _) = line.split_once('=')?;
    bare(key)
}

/// A key as profiles have them. Anything else is part of a value, or no TOML.
fn bare(key: &str) -> Option<String> {
    let key = key.trim();
    let plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let sound = !key.is_empty() && key.len() <= KEY_MAX && key.chars().all(plain);
    sound.then(|| key.to_owned())
}
