//! The `drop` and the `keep` of a profile that extends another: calls that it takes away or leaves, and why.
//!
//! Not for: whether the parent allows them at all, nor for taking them away (`narrow`).

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use toml::Spanned;

use super::Mention;
use super::error::ProfileError;
use super::group::{known, mentions};
use super::reader::{Names, Source, not_empty, prose};

/// Why calls are refused that `drop` names without a reason. `lint` asks for one.
pub(crate) const UNREASONED: &str = "Taken out of what the parent allows.";

/// Calls to take away, or to leave, for one reason.
pub(super) struct Listed {
    pub(super) why: String,
    pub(super) calls: Vec<Mention>,
}

/// The list as it is written.
pub(super) type RawList = Spanned<Vec<Spanned<Entry>>>;

/// One entry of it.
pub(super) enum Entry {
    /// A call alone.
    Call(String),
    /// Calls with their reason.
    Group(Group),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Group {
    why: Spanned<String>,
    calls: Names,
}

/// The groups of a list, in its order; calls without a reason make one of their own.
pub(super) fn read(
    source: Source<'_>,
    key: &'static str,
    raw: Option<&RawList>,
) -> Result<Vec<Listed>, ProfileError> {
    let Some(raw) = raw else {
        return Ok(Vec::new());
    };
    source.take(raw, key, not_empty)?;
    let mut groups = Vec::new();
    let mut alone = Vec::new();
    for entry in raw.get_ref() {
        match entry.get_ref() {
            Entry::Group(group) => groups.push(group.checked(source, key)?),
            Entry::Call(name) => alone.push(Mention {
                name: source.take(entry, key, |_| known(name))?,
                line: source.line(entry.span().start),
            }),
        }
    }
    if !alone.is_empty() {
        groups.push(Listed {
            why: UNREASONED.to_owned(),
            calls: alone,
        });
    }
    Ok(groups)
}

impl Group {
    fn checked(&self, source: Source<'_>, key: &str) -> Result<Listed, ProfileError> {
        Ok(Listed {
            why: source.take(&self.why, &format!("{key}.why"), prose)?,
            calls: mentions(source, &self.calls, &format!("{key}.calls"))?,
        })
    }
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EntryVisitor)
    }
}

struct EntryVisitor;

impl<'de> Visitor<'de> for EntryVisitor {
    type Value = Entry;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table with `why` and `calls`, or a call's name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Entry, E> {
        Ok(Entry::Call(name.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Entry, A::Error> {
        Group::deserialize(MapAccessDeserializer::new(map)).map(Entry::Group)
    }
}
