//! Compiled scrubs of a session, kept for the next answers: compiling one takes longer than looking
//! through most answers with it.
//!
//! Not for: deciding what an answer must not show.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::credential::Present;
use crate::redact::Scrub;

/// Most scrubs of one session: one for each host that its secrets are for, nearly always.
const SCRUBS_MAX: usize = 16;

/// The values that a scrub was made of: numbers of the roster and versions.
pub(crate) type Made = Vec<(usize, Arc<Present>)>;

/// Scrubs, the last used one last. It keeps values alive as long as no newer version of them came.
#[derive(Default)]
pub(crate) struct Shelf {
    list: Mutex<Vec<(Made, Arc<Scrub>)>>,
}

impl Shelf {
    /// The scrub of exactly these versions.
    pub(crate) fn find(&self, of: &Made) -> Option<Arc<Scrub>> {
        let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        let at = list.iter().position(|(made, _)| is_same(made, of))?;
        let found = list.remove(at);
        let scrub = Arc::clone(&found.1);
        list.push(found);
        Some(scrub)
    }

    /// Keeps a scrub, and lets go of all that have another version of one of its values.
    pub(crate) fn put(&self, of: &Made, scrub: &Arc<Scrub>) {
        let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        list.retain(|(made, _)| !is_older(made, of) && !is_same(made, of));
        if list.len() >= SCRUBS_MAX {
            list.remove(0);
        }
        list.push((of.clone(), Arc::clone(scrub)));
    }
}

impl fmt::Debug for Shelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shelf")
    }
}

fn is_same(one: &Made, other: &Made) -> bool {
    one.len() == other.len()
        && one
            .iter()
            .zip(other)
            .all(|((at, value), (other_at, other_value))| {
                at == other_at && Arc::ptr_eq(value, other_value)
            })
}

fn is_older(made: &Made, new: &Made) -> bool {
    made.iter().any(|(at, value)| {
        new.iter()
            .any(|(new_at, new)| at == new_at && !Arc::ptr_eq(value, new))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credential::Credential;
    use crate::placeholder::tests::placeholder;
    use crate::value::SecretValue;

    fn present() -> Arc<Present> {
        let value = SecretValue::new(b"some value".to_vec()).unwrap();
        Arc::new(Present {
            version: 1,
            credential: Credential::Token(value),
        })
    }

    fn scrub() -> Arc<Scrub> {
        Arc::new(Scrub::new([(&b"some value"[..], &placeholder("", 0))]).unwrap())
    }

    #[test]
    fn a_scrub_is_found_again_for_the_same_versions_only_and_older_ones_are_let_go() {
        let shelf = Shelf::default();
        let (old, new, other) = (present(), present(), present());
        let made = |present: &Arc<Present>, at| vec![(at, Arc::clone(present))];
        shelf.put(&made(&old, 0), &scrub());
        shelf.put(&made(&other, 1), &scrub());
        assert!(shelf.find(&made(&old, 0)).is_some());
        assert!(shelf.find(&made(&new, 0)).is_none());
        shelf.put(&made(&new, 0), &scrub());
        assert!(shelf.find(&made(&old, 0)).is_none());
        assert!(shelf.find(&made(&new, 0)).is_some() && shelf.find(&made(&other, 1)).is_some());
        assert_eq!(Arc::strong_count(&old), 1);
    }
}
