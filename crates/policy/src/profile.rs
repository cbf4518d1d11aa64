//! Jail profiles: from TOML and its parents to one resolved profile with nothing left open.
//!
//! How a child and its parent merge: a single value of the child replaces the parent's; lists add, a
//! tmpfs of the same path and a variable of the same name being replaced; egress rules of both hold, and
//! since deny beats allow a child can't take a deny away.
//!
//! Not for: reading files (the caller looks profiles up) or enforcing anything.

mod document;
mod fault;
mod layer;
mod place;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use model::{ByteSize, Limits, ProfileName};
use serde::{Deserialize, Serialize};

use crate::budget::Budget;
use crate::egress::{EgressPolicy, EgressRules};

pub use document::{EnvName, EnvValue};
pub use fault::{Fault, ProfileError};
pub use place::{PlaceError, Root, WorkspaceMode};

pub(crate) use fault::Position;
pub(crate) use layer::{RuleReader, parse, read_egress_list};

use layer::Layer;

/// Largest profile file; far more than the 20,000 rules of a policy need between all its files.
pub const FILE_MAX: usize = 256 * 1024;
/// Most profiles in a chain of parents, the first one included.
pub const DEPTH_MAX: usize = 8;
/// Most egress lists that one chain names.
pub const EGRESS_LISTS_MAX: usize = 64;
/// Most variables of a resolved environment.
pub const ENVIRONMENT_MAX: usize = 256;

/// Which folder a profile is looked up in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProfileKind {
    /// `profiles/jail/NAME.toml`.
    Jail,
    /// `profiles/egress/NAME.toml`: `version`, `name`, `[[allow]]` and `[[deny]]`.
    Egress,
}

/// A profile's text and the file that errors name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The file's path, or another name that tells an operator where to look.
    pub file: String,
    /// Its whole content.
    pub text: String,
}

/// Why a profile could not be looked up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LookupError {
    /// No such profile.
    #[error("there is no such profile")]
    NotFound,
    /// It is there and can't be used.
    #[error("it can't be read: {reason}")]
    Unreadable {
        /// What went wrong, as the caller puts it.
        reason: String,
    },
}

/// A profile with its parents and egress lists merged and checked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResolvedProfile {
    /// The profile that was asked for.
    pub name: ProfileName,
    /// It and its parents, nearest first.
    pub chain: Vec<ProfileName>,
    /// What the jail sees.
    pub filesystem: Filesystem,
    /// Where the workspace is.
    pub workspace: Workspace,
    /// What it may use.
    pub limits: Limits,
    /// The seccomp profile of every process in it.
    pub seccomp: ProfileName,
    /// The least Landlock ABI with which it may start.
    pub landlock_min_abi: u32,
    /// Rules of all files; the command line's may be added before they become a policy.
    pub egress: EgressRules,
    /// Byte budgets.
    pub budget: Budget,
    /// Variables that are set inside.
    pub environment: BTreeMap<String, String>,
}

/// The jail's view of files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filesystem {
    /// Where system folders come from.
    pub root: Root,
    /// Host paths that are also visible, read-only, at the same place.
    pub read_only: Vec<PathBuf>,
    /// Memory file systems, each path once.
    pub tmpfs: Vec<Tmpfs>,
}

/// One memory file system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tmpfs {
    /// Where in the jail.
    pub path: PathBuf,
    /// Its limit, more than 0; what it holds counts to the jail's memory too.
    pub size: ByteSize,
}

/// The workspace's mount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workspace {
    /// Where in the jail.
    pub path: PathBuf,
    /// Whether the jail may write to it.
    pub mode: WorkspaceMode,
}

/// How the caller finds profiles.
pub type Lookup<'a> = dyn FnMut(ProfileKind, &ProfileName) -> Result<Source, LookupError> + 'a;

impl ResolvedProfile {
    /// Reads a profile, its parents and its egress lists, and merges them.
    ///
    /// # Errors
    /// The first fault, with file, line and key, and what is accepted there.
    pub fn resolve(name: &ProfileName, lookup: &mut Lookup<'_>) -> Result<Self, ProfileError> {
        let layers = read_chain(name, lookup)?;
        let lists = read_egress_lists(&layers, lookup)?;
        let asked = Position::of_request(layers.first().map_or("", |layer| &layer.file));
        let chain = layers.iter().map(|layer| layer.name.clone()).collect();
        let mut merged = layers
            .into_iter()
            .rev()
            .reduce(|parent, child| child.over(parent))
            .ok_or_else(|| {
                asked.fault(Fault::Lookup {
                    name: name.clone(),
                    cause: LookupError::NotFound,
                })
            })?;
        merged.rules.extend(lists);
        merged.finish(name.clone(), chain)
    }

    /// The egress rules as a policy, without any of the command line.
    ///
    /// # Errors
    /// Never for a resolved profile; the type says so because rules can be changed after resolution.
    pub fn policy(&self, generation: u64) -> Result<EgressPolicy, crate::egress::PolicyError> {
        EgressPolicy::new(generation, self.egress.clone())
    }
}

impl EgressRules {
    /// Reads a list by itself: the text of `profiles/egress/NAME.toml`.
    ///
    /// # Errors
    /// The first fault, with file, line and key.
    pub fn read(name: &ProfileName, source: &Source) -> Result<Self, ProfileError> {
        read_egress_list(name, source).map(|rules| Self { rules })
    }
}

fn read_chain(name: &ProfileName, lookup: &mut Lookup<'_>) -> Result<Vec<Layer>, ProfileError> {
    let mut layers: Vec<Layer> = Vec::new();
    let mut next = Some((name.clone(), Position::of_request(name.as_str())));
    while let Some((name, asked)) = next {
        if layers.iter().any(|layer| layer.name == name) {
            return Err(asked.fault(Fault::Cycle { name }));
        }
        if layers.len() == DEPTH_MAX {
            return Err(asked.fault(Fault::TooDeep));
        }
        let source = find(ProfileKind::Jail, &name, &asked, lookup)?;
        let layer = Layer::read(name, &source)?;
        next = layer.extends.clone();
        layers.push(layer);
    }
    Ok(layers)
}

/// Each list once, however often the chain names it.
fn read_egress_lists(
    layers: &[Layer],
    lookup: &mut Lookup<'_>,
) -> Result<Vec<crate::rule::Rule>, ProfileError> {
    let mut seen = BTreeSet::new();
    let mut rules = Vec::new();
    for (name, asked) in layers.iter().flat_map(|layer| &layer.egress_extends) {
        if !seen.insert(name) {
            continue;
        }
        if seen.len() > EGRESS_LISTS_MAX {
            return Err(asked.clone().fault(Fault::TooManyLists));
        }
        let source = find(ProfileKind::Egress, name, asked, lookup)?;
        rules.extend(read_egress_list(name, &source)?);
    }
    Ok(rules)
}

fn find(
    kind: ProfileKind,
    name: &ProfileName,
    asked: &Position,
    lookup: &mut Lookup<'_>,
) -> Result<Source, ProfileError> {
    let source = lookup(kind, name).map_err(|cause| {
        asked.clone().fault(Fault::Lookup {
            name: name.clone(),
            cause,
        })
    })?;
    if source.text.len() > FILE_MAX {
        let found = source.text.len();
        return Err(Position::of_request(&source.file).fault(Fault::TooLarge { found }));
    }
    Ok(source)
}

#[cfg(test)]
mod tests;
