//! A list of a policy file that may be neither empty nor endless.
//!
//! An empty list reads as "nothing" to one person and as "no restriction" to another, so it is refused.
//!
//! Not for: lists that are built in code.

use serde::{Deserialize, Serialize};

/// One to `MAX` values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<T>", into = "Vec<T>")]
#[serde(bound(
    serialize = "T: Clone + Serialize",
    deserialize = "T: Deserialize<'de>"
))]
pub struct Listed<T, const MAX: usize>(Vec<T>);

/// A list with too few or too many entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    /// Nothing in it.
    #[error("an empty list is refused: name at least one entry, or leave the key out")]
    Empty,
    /// More than the limit.
    #[error("a list of {found} entries is refused: at most {allowed}")]
    TooMany {
        /// How many there are.
        found: usize,
        /// How many there may be.
        allowed: usize,
    },
}

impl<T, const MAX: usize> Listed<T, MAX> {
    /// The values in the order of the file.
    #[must_use]
    pub fn as_slice(&self) -> &[T] {
        &self.0
    }
}

impl<T, const MAX: usize> TryFrom<Vec<T>> for Listed<T, MAX> {
    type Error = ListError;

    fn try_from(values: Vec<T>) -> Result<Self, ListError> {
        if values.is_empty() {
            return Err(ListError::Empty);
        }
        if values.len() > MAX {
            return Err(ListError::TooMany {
                found: values.len(),
                allowed: MAX,
            });
        }
        Ok(Self(values))
    }
}

impl<T, const MAX: usize> From<Listed<T, MAX>> for Vec<T> {
    fn from(list: Listed<T, MAX>) -> Self {
        list.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_empty_and_oversized_lists_and_takes_the_rest() {
        type Two = Listed<u8, 2>;
        assert_eq!(Two::try_from(vec![]), Err(ListError::Empty));
        assert_eq!(Two::try_from(vec![1, 2]).map(Vec::from), Ok(vec![1, 2]));
        assert!(Two::try_from(vec![1, 2, 3]).is_err());
    }
}
