//! Seccomp profiles of the shelf, read with their parents.
//!
//! Not for: what they decide (crate `seccomp`).

use std::cell::RefCell;
use std::path::Path;

use model::ProfileName;
use policy::Source;
use seccomp::Profile;

use super::{Kind, Shelf, ShelfError, name_of, read};

/// A seccomp profile that can't be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FilterError {
    #[error(transparent)]
    Shelf(#[from] ShelfError),
    #[error(transparent)]
    Profile(#[from] seccomp::ProfileError),
    #[error("{file}: `name` is {given}; it must be the file's name without .toml")]
    Name { file: String, given: ProfileName },
}

impl Shelf {
    /// The seccomp profile of this name, or in this file: a name has neither `/` nor `.`.
    pub(crate) fn filter(&self, given: &str) -> Result<Profile, FilterError> {
        if given.contains(['/', '.']) {
            return self.read_filter(&read(Path::new(given))?);
        }
        let name = name_of(Path::new(given))?;
        let source = self.find(Kind::Seccomp, &name)?;
        let profile = self.read_filter(&source)?;
        if *profile.name() != name {
            let given = profile.name().clone();
            let file = source.file;
            return Err(FilterError::Name { file, given });
        }
        Ok(profile)
    }

    /// The seccomp profile of this text; its parents come from the shelf.
    pub(crate) fn read_filter(&self, source: &Source) -> Result<Profile, FilterError> {
        // The reader only knows parents that are there; why one can't be read is kept for us.
        let unreadable = RefCell::new(None);
        let find = |name: &ProfileName| match self.find(Kind::Seccomp, name) {
            Ok(parent) => Some((parent.file, parent.text)),
            Err(ShelfError::Unknown { .. }) => None,
            Err(error) => {
                unreadable.replace(Some(error));
                None
            }
        };
        let profile = Profile::parse_with(&source.file, &source.text, &find);
        match unreadable.into_inner() {
            Some(error) => Err(error.into()),
            None => Ok(profile?),
        }
    }

    /// The names of all seccomp profiles, ascending.
    pub(crate) fn filter_names(&self) -> Result<Vec<ProfileName>, ShelfError> {
        let all = self.list()?.into_iter();
        Ok(all
            .filter(|listed| listed.kind == Kind::Seccomp)
            .map(|listed| listed.name)
            .collect())
    }
}
