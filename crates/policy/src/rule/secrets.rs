//! The secrets that a rule names: one name, or a list.
//!
//! Not for: what they are, and where they go (`vault`).

use std::fmt;

use model::SecretName;
use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::{Effect, Rule, RuleError, cli_table};
use crate::destination::Destination;
use crate::listed::Listed;
use crate::origin::Origin;

/// Most secrets of one rule. A service wants one or two; each is looked for in every request.
pub const SECRETS_MAX: usize = 8;

/// One to [`SECRETS_MAX`] names, each once. In a file: `"name"` or `["one", "two"]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct SecretNames(Listed<SecretName, SECRETS_MAX>);

impl SecretNames {
    /// The names in alphabetical order.
    #[must_use]
    pub fn as_slice(&self) -> &[SecretName] {
        self.0.as_slice()
    }
}

impl Rule {
    /// What `--secret NAME` allows: one of the destinations that the secret is bound to, with the secret.
    ///
    /// # Errors
    /// A destination that a rule with a secret can't have.
    pub fn from_cli_secret(
        name: &SecretName,
        at: &Destination,
        index: u32,
    ) -> Result<Self, RuleError> {
        let mut table = cli_table(&at.to_string())?;
        table.secret = Listed::try_from(vec![name.clone()]).ok().map(SecretNames);
        Self::new(table, Effect::Allow, Origin::cli(index))
    }
}

impl<'de> Deserialize<'de> for SecretNames {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneOrMore)
    }
}

struct OneOrMore;

impl<'de> Visitor<'de> for OneOrMore {
    type Value = SecretNames;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a secret, or a list of names")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<SecretNames, E> {
        let name = text.parse().map_err(E::custom)?;
        Listed::try_from(vec![name])
            .map(SecretNames)
            .map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut names: A) -> Result<SecretNames, A::Error> {
        let mut list: Vec<SecretName> = Vec::new();
        while let Some(name) = names.next_element()? {
            if list.contains(&name) {
                let error = format!("secret {name} is named twice");
                return Err(de::Error::custom(error));
            }
            if list.len() == SECRETS_MAX {
                let error = format!("a list of more than {SECRETS_MAX} secrets is refused");
                return Err(de::Error::custom(error));
            }
            list.push(name);
        }
        list.sort_unstable();
        Listed::try_from(list)
            .map(SecretNames)
            .map_err(de::Error::custom)
    }
}
