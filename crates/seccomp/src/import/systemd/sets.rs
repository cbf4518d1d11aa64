//! Groups of system calls by name, such as `@system-service`.
//!
//! Not for: the lists of a unit that use them.

use std::collections::{BTreeMap, BTreeSet};

use crate::import::draft::known;
use crate::import::error::{Defect, ImportError, cut};
use crate::import::{RULES_MAX, bounded};
use crate::syscalls;

/// Groups as systemd 252 has them, in words of ours.
const SHIPPED: &str = include_str!("../systemd-sets.txt");
/// The group of all calls.
const KNOWN: &str = "@known";
/// Groups within groups: systemd's own are two deep.
const DEPTH_MAX: usize = 8;

/// Groups of system calls; a group may name others.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sets {
    groups: BTreeMap<String, Vec<String>>,
}

impl Sets {
    /// The groups of systemd 252. `@known` is every call of our tables.
    ///
    /// # Panics
    ///
    /// Never: the text is compiled in, and tests read it.
    #[must_use]
    pub fn shipped() -> Self {
        #[expect(
            clippy::expect_used,
            reason = "the text is compiled in, and a test reads it"
        )]
        Self::parse("systemd-sets.txt", SHIPPED).expect("the compiled-in groups are well-formed")
    }

    /// Reads groups in the form of `systemd-analyze syscall-filter`: a line with the name, which
    /// starts with `@`, then indented lines with names; `#` starts a comment.
    ///
    /// # Errors
    ///
    /// With the line of the first name that belongs to no group or is no name.
    pub fn parse(file: &str, text: &str) -> Result<Self, ImportError> {
        bounded(file, text)?;
        let mut sets = Self::default();
        let mut current = String::new();
        for (at, line) in text.lines().enumerate() {
            sets.line(&mut current, line)
                .map_err(|defect| ImportError::Rule {
                    file: file.to_owned(),
                    line: at + 1,
                    defect,
                })?;
        }
        Ok(sets)
    }

    fn line(&mut self, current: &mut String, line: &str) -> Result<(), Defect> {
        let content = line.split('#').next().unwrap_or_default();
        let mut words = content.split_whitespace();
        if content.starts_with('@') {
            let name = words.next().unwrap_or_default();
            name.clone_into(current);
            self.groups.insert(name.to_owned(), Vec::new());
        }
        for word in words {
            let letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
            let bare = word.strip_prefix('@').unwrap_or(word);
            let group = self.groups.get_mut(current);
            let sound = !bare.is_empty() && bare.bytes().all(letter);
            let Some(group) = group.filter(|_| sound) else {
                return Err(Defect::Word { given: cut(word) });
            };
            if group.len() >= RULES_MAX {
                return Err(Defect::TooMany { what: "names" });
            }
            group.push(word.to_owned());
        }
        Ok(())
    }

    /// The calls of a group that our tables have. Names that they lack are calls of other
    /// architectures.
    pub(super) fn calls<'s>(&'s self, group: &'s str) -> Result<BTreeSet<&'static str>, Defect> {
        let mut calls = BTreeSet::new();
        self.collect(group, DEPTH_MAX, &mut BTreeSet::new(), &mut calls)?;
        Ok(calls)
    }

    /// `seen` keeps groups that many others name from being walked again and again.
    fn collect<'s>(
        &'s self,
        group: &'s str,
        depth: usize,
        seen: &mut BTreeSet<&'s str>,
        calls: &mut BTreeSet<&'static str>,
    ) -> Result<(), Defect> {
        if !seen.insert(group) {
            return Ok(());
        }
        let Some(depth) = depth.checked_sub(1) else {
            return Err(Defect::Nested { group: cut(group) });
        };
        let Some(names) = self.groups.get(group) else {
            if group == KNOWN {
                calls.extend(known());
                return Ok(());
            }
            return Err(Defect::Group { group: cut(group) });
        };
        for name in names {
            if name.starts_with('@') {
                self.collect(name, depth, seen, calls)?;
            } else {
                calls.extend(syscalls::canonical(name));
            }
        }
        Ok(())
    }
}
