//! A change to a sealed secret before it is made, and why one is refused.
//!
//! Not for: making it (`vault`).

use model::{SecretDefinition, SecretName};

use crate::credential::Reason;
use crate::material::{Material, MaterialError};
use crate::secret::{DefinitionError, Secret};
use crate::store::StoreError;

/// A value that was judged and not yet set.
#[derive(Debug)]
pub struct Draft {
    /// What it is for.
    pub secret: Secret,
    pub(crate) definition: SecretDefinition,
    /// The user who said so.
    pub(crate) defined_by: u32,
    pub(crate) material: Material,
}

/// A secret that was not set or removed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// There is no key.
    #[error("{0}")]
    Closed(Reason),
    /// The definition says something impossible.
    #[error(transparent)]
    Definition(#[from] DefinitionError),
    /// The value does not fit.
    #[error(transparent)]
    Material(#[from] MaterialError),
    /// The folder.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Root decided what it is for.
    #[error("secret {0} is defined in sheriffd.toml: set only its value, or change it there")]
    Configured(SecretName),
    /// Root decided where its value is.
    #[error("the value of secret {0} comes from {1}, as sheriffd.toml says")]
    Elsewhere(SecretName, String),
    /// A new secret has to say where it may go.
    #[error("secret {0} is new: say where it may go with --host")]
    NoDefinition(SecretName),
    /// Another operator said where it may go, perhaps since the value's owner last looked.
    #[error(
        "user {by} defined secret {name}, for {hosts}: say where your value may go with --host"
    )]
    DefinedByOther {
        /// Which.
        name: SecretName,
        /// Who.
        by: u32,
        /// Where it may go as it is defined.
        hosts: String,
    },
    /// Sources beside the vault are root's to name: they are opened with root's rights.
    #[error("only sheriffd.toml can name a source other than the vault")]
    Source,
}
