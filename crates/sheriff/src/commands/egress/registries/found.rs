//! The registries that were found, and what the reader should know.
//!
//! Not for: finding them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::repository::{Reach, Repository};

/// Most rules; hosts with more registries than this have a list of their own.
const HOSTS_MAX: usize = 256;
/// Most paths of one host, as of one rule.
const PATHS_MAX: usize = policy::rule::PATHS_MAX;
/// Most notes; of more, nobody reads the last.
const NOTES_MAX: usize = 64;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    hosts: BTreeMap<(String, u16), Paths>,
    notes: Vec<String>,
    added: usize,
}

/// What is read from one port of a host.
#[derive(Debug, Default)]
pub(super) struct Paths {
    pub(super) patterns: BTreeSet<String>,
    /// Which settings say so.
    pub(super) sources: BTreeSet<String>,
    /// The host's own address, where it has to be named.
    pub(super) address: Option<IpAddr>,
}

impl Found {
    /// Adds the registry that a setting names, or a note on why not.
    pub(super) fn add(&mut self, url: &str, reach: Reach, source: &str) {
        match Repository::parse(url, reach) {
            Ok(repository) => self.put(repository, source),
            Err(error) => self.note(format!("{source}: left out: {error}")),
        }
    }

    pub(super) fn note(&mut self, note: String) {
        if self.notes.len() < NOTES_MAX && !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    pub(super) fn notes(&self) -> impl Iterator<Item = &str> {
        self.notes.iter().map(String::as_str)
    }

    /// How often something was added.
    pub(super) const fn count(&self) -> usize {
        self.added
    }

    /// Host and port, with what is read there.
    pub(super) fn hosts(&self) -> impl Iterator<Item = (&(String, u16), &Paths)> {
        self.hosts.iter()
    }

    fn put(&mut self, repository: Repository, source: &str) {
        let key = (repository.host.to_string(), repository.port);
        if self.hosts.len() == HOSTS_MAX && !self.hosts.contains_key(&key) {
            return self.note(format!(
                "{source}: left out: more than {HOSTS_MAX} registries"
            ));
        }
        let paths = self.hosts.entry(key).or_default();
        if paths.patterns.len() == PATHS_MAX && !paths.patterns.contains(&repository.paths) {
            return self.note(format!(
                "{source}: left out: more than {PATHS_MAX} paths of a host"
            ));
        }
        paths.address = repository.own_address();
        paths.patterns.insert(repository.paths);
        paths.sources.insert(source.to_owned());
        self.added += 1;
    }
}
