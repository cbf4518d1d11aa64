//! One secret in force: its definition with its present content, or the reason why it has none.
//!
//! Not for: files and changes (`vault`).

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use model::{SecretDefinition, SecretName};
use zeroize::Zeroizing;

use crate::change::ChangeError;
use crate::credential::{Credential, Present, Reason};
use crate::flight::Flight;
use crate::material::{Material, OAuth2Material};
use crate::record::Record;
use crate::secret::{Grant, Kind, Secret};
use crate::vault::Listed;

#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) name: SecretName,
    pub(crate) definition: Option<SecretDefinition>,
    /// The user who set it; `None` for one that is not in the vault.
    pub(crate) defined_by: Option<u32>,
    secret: Option<Arc<Secret>>,
    version: AtomicU64,
    pub(crate) created_ms: u64,
    pub(crate) content: Result<Content, Reason>,
    used_ms: AtomicU64,
}

#[derive(Debug)]
pub(crate) enum Content {
    /// A value that is used as it is.
    Ready(Arc<Present>),
    /// What a token is asked for with.
    OAuth(Box<OAuth>),
}

#[derive(Debug)]
pub(crate) struct OAuth {
    pub(crate) grant: Grant,
    pub(crate) material: Mutex<OAuth2Material>,
    pub(crate) flight: Flight,
}

impl Entry {
    /// A secret of the vault.
    pub(crate) fn sealed(record: &Record, definition: &SecretDefinition) -> Self {
        let material = record.material.clone();
        let dates = (record.version, record.created_ms);
        Self {
            defined_by: Some(record.defined_by),
            ..Self::new(definition, dates, Ok(material))
        }
    }

    /// A secret whose value is elsewhere.
    pub(crate) fn elsewhere(
        definition: &SecretDefinition,
        material: &Result<Zeroizing<Vec<u8>>, Reason>,
    ) -> Self {
        Self::new(definition, (0, 0), material.clone())
    }

    /// A secret that can't be used.
    pub(crate) fn broken(
        name: &SecretName,
        definition: Option<&SecretDefinition>,
        reason: Reason,
    ) -> Self {
        Self {
            name: name.clone(),
            definition: definition.cloned(),
            defined_by: None,
            secret: None,
            version: AtomicU64::new(0),
            created_ms: 0,
            content: Err(reason),
            used_ms: AtomicU64::new(0),
        }
    }

    fn new(
        definition: &SecretDefinition,
        (version, created_ms): (u64, u64),
        material: Result<Zeroizing<Vec<u8>>, Reason>,
    ) -> Self {
        let secret = match Secret::new(definition) {
            Ok(secret) => Arc::new(secret),
            Err(error) => {
                return Self::broken(&definition.name, Some(definition), Reason::of(error));
            }
        };
        let material =
            material.and_then(|bytes| Material::read(&secret.kind, bytes).map_err(Reason::of));
        Self {
            name: definition.name.clone(),
            definition: Some(definition.clone()),
            defined_by: None,
            content: material.and_then(|material| Content::new(material, &secret.kind, version)),
            secret: Some(secret),
            version: AtomicU64::new(version),
            created_ms,
            used_ms: AtomicU64::new(0),
        }
    }

    /// Its definition, for a new value of the user who gave it.
    pub(crate) fn defined(&self, by: u32) -> Result<SecretDefinition, ChangeError> {
        let definition = self.definition.as_ref();
        let definition = definition.ok_or_else(|| ChangeError::NoDefinition(self.name.clone()))?;
        match self.defined_by {
            Some(other) if other != by => Err(ChangeError::DefinedByOther {
                name: self.name.clone(),
                by: other,
                hosts: definition.hosts.join(", "),
            }),
            _ => Ok(definition.clone()),
        }
    }

    /// Whether a session that knows the secret like this may have its present value: the same use,
    /// and no host that is not named any more.
    pub(crate) fn serves(&self, known: &Secret) -> bool {
        self.secret.as_ref().is_none_or(|secret| {
            let mut hosts = known.hosts.iter();
            hosts.all(|host| secret.hosts.contains(host))
                && secret.place == known.place
                && secret.format == known.format
                && secret.kind == known.kind
        })
    }

    /// The value as far as nobody has to be asked for it.
    pub(crate) fn at_hand(&self) -> Option<Arc<Present>> {
        match self.content.as_ref().ok()? {
            Content::Ready(present) => Some(Arc::clone(present)),
            Content::OAuth(oauth) => oauth.flight.landed(),
        }
    }

    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Relaxed)
    }

    pub(crate) fn set_version(&self, version: u64) {
        self.version.store(version, Ordering::Relaxed);
    }

    pub(crate) fn used_ms(&self) -> u64 {
        self.used_ms.load(Ordering::Relaxed)
    }

    pub(crate) fn mark_used(&self, now_ms: u64) {
        self.used_ms.fetch_max(now_ms, Ordering::Relaxed);
    }

    pub(crate) fn listed(&self) -> Listed {
        Listed {
            name: self.name.clone(),
            definition: self.definition.clone(),
            secret: self.secret.clone().filter(|_| self.content.is_ok()),
            version: self.version(),
            created_ms: self.created_ms,
            used_ms: self.used_ms(),
            problem: self.content.as_ref().err().map(ToString::to_string),
        }
    }
}

impl Content {
    fn new(material: Material, kind: &Kind, version: u64) -> Result<Self, Reason> {
        let ready = |credential| {
            let present = Present {
                version,
                credential,
            };
            Ok(Self::Ready(Arc::new(present)))
        };
        match (material, kind) {
            (Material::OAuth2(material), Kind::OAuth2(grant)) => Ok(Self::OAuth(Box::new(OAuth {
                grant: grant.clone(),
                material: Mutex::new(material),
                flight: Flight::default(),
            }))),
            (Material::Value(value), _) => ready(Credential::Token(value)),
            (Material::Aws(aws), _) => ready(Credential::Aws(aws)),
            (Material::OAuth2(_), _) => Err(Reason::new("its material is another kind's")),
        }
    }
}
