//! Why a session can't be governed as it was asked for.
//!
//! Not for: what is refused while it runs.

use model::ProfileName;
use policy::{ProfileError, RuleError};

use super::RULES_MAX;

/// A profile, rule or limit that is none.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// No profile of that name.
    #[error("no profile {name}; there are {known}")]
    Unknown {
        /// The name.
        name: ProfileName,
        /// The names that there are.
        known: String,
    },
    /// The profile is not one that can be used.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// Too many rules.
    #[error("{given} rules on the command line; at most {RULES_MAX} are allowed")]
    TooMany {
        /// How many.
        given: usize,
    },
    /// A rule of the command line.
    #[error("{option} {given:?}: {source}")]
    Rule {
        /// The option.
        option: &'static str,
        /// Its value, cut.
        given: String,
        /// What is wrong with it.
        #[source]
        source: RuleError,
    },
    /// Rules that contradict each other.
    #[error(transparent)]
    Rules(#[from] policy::PolicyError),
    /// A limit of the command line.
    #[error("--limit: {0}")]
    Limit(#[from] policy::limits::LimitError),
}

impl PolicyError {
    /// Stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unknown { .. } => "unknown_profile",
            Self::Profile(_) => "bad_profile",
            Self::TooMany { .. } | Self::Rule { .. } | Self::Rules(_) => "bad_rule",
            Self::Limit(_) => "bad_limit",
        }
    }

    /// What the operator can do about it, where the message does not say so itself.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::TooMany { .. } => "put the rules into a profile".to_owned(),
            Self::Unknown { .. }
            | Self::Profile(_)
            | Self::Rule { .. }
            | Self::Rules(_)
            | Self::Limit(_) => String::new(),
        }
    }
}
