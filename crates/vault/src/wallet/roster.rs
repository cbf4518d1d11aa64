//! The secrets of a session in a fixed order, with their placeholders.
//!
//! Not for: values.

use std::sync::Arc;

use model::SecretName;

use crate::placeholder::{CORE_LEN, Placeholder};
use crate::redact::shelf::Shelf;
use crate::secret::Secret;

/// Secrets and placeholders; a number in this order names one everywhere in the crate.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    entries: Vec<(Arc<Secret>, Placeholder)>,
    /// What was compiled for answers to earlier requests.
    pub(crate) shelf: Shelf,
}

impl Roster {
    pub(crate) fn new(entries: Vec<(Arc<Secret>, Placeholder)>) -> Self {
        Self {
            entries,
            shelf: Shelf::default(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn get(&self, index: usize) -> Option<(&Arc<Secret>, &Placeholder)> {
        self.entries
            .get(index)
            .map(|(secret, placeholder)| (secret, placeholder))
    }

    pub(crate) fn name(&self, index: usize) -> Option<SecretName> {
        self.get(index).map(|(secret, _)| secret.name.clone())
    }

    pub(crate) fn find(&self, name: &SecretName) -> Option<usize> {
        self.entries
            .iter()
            .position(|(secret, _)| secret.name == *name)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, &Arc<Secret>, &Placeholder)> {
        let entries = self.entries.iter().enumerate();
        entries.map(|(index, (secret, placeholder))| (index, secret, placeholder))
    }

    /// Whose placeholder this is. All are compared, each in constant time.
    pub(crate) fn owner(&self, core: &[u8; CORE_LEN]) -> Option<usize> {
        let mut owner = None;
        for (index, _, placeholder) in self.iter() {
            if placeholder.is_core(core) {
                owner = Some(index);
            }
        }
        owner
    }
}
