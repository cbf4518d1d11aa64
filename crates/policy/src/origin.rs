//! Where a rule was written, as records and denials name it: `coder:31`, `cli:0`.
//!
//! Not for: positions of errors (`profile`).

use std::fmt;

use serde::{Deserialize, Serialize};

/// Source of the rules of the command line.
pub const CLI: &str = "cli";

/// A rule's source and its line there (or its index on the command line).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Origin {
    /// A profile's name, `egress/` and the name of an egress list, `cli`, or `ceiling`.
    pub source: String,
    /// Line of the rule's head from 1, or index of the option from 0.
    pub number: u32,
}

impl Origin {
    /// A rule of the command line.
    #[must_use]
    pub fn cli(index: u32) -> Self {
        Self {
            source: CLI.to_owned(),
            number: index,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.source, self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_source_and_number() {
        assert_eq!(Origin::cli(2).to_string(), "cli:2");
    }
}
