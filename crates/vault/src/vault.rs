//! All secrets of one daemon: those that operators set, sealed, and those that its configuration names.
//!
//! A secret that can't be read makes itself unavailable and no other; without a key all sealed ones
//! are, and those of the configuration are not.
//!
//! Not for: which session may use which (`wallet`).

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{SystemTime, UNIX_EPOCH};

use model::{SecretDefinition, SecretName};
use tasks::Group;
use zeroize::Zeroizing;

use crate::change::{ChangeError, Draft};
use crate::credential::{Present, Presenting, Reason, Unavailable, Values};
use crate::entry::{Content, Entry};
use crate::key::{Key, KeyError};
use crate::material::Material;
use crate::oauth::TokenFetcher;
use crate::record::Record;
use crate::secret::{Secret, Source};
use crate::store::{SECRETS_MAX, Store, StoreError};

/// What a vault is made of.
#[derive(Debug)]
pub struct VaultParts<'a> {
    /// Folder of the sealed secrets, [`prepare`](crate::store::prepare)d.
    pub folder: &'a Path,
    /// What they are sealed with. Without it the others still work.
    pub key: Result<Key, KeyError>,
    /// Secrets of the daemon's configuration.
    pub configured: Vec<Configured>,
    /// Carries requests to token endpoints.
    pub fetcher: Arc<dyn TokenFetcher>,
    /// Owner of those requests.
    pub group: Group,
}

/// A secret of the daemon's configuration.
#[derive(Debug)]
pub struct Configured {
    /// What it is for.
    pub definition: SecretDefinition,
    /// Its material, or why that can't be had; `None` when it is in the vault.
    pub material: Option<Result<Zeroizing<Vec<u8>>, Reason>>,
}

/// The secrets. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Vault(pub(crate) Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    store: Result<Store, Reason>,
    configured: RwLock<BTreeMap<SecretName, Configured>>,
    entries: RwLock<BTreeMap<SecretName, Arc<Entry>>>,
    /// Held while a sealed secret changes.
    turn: Mutex<()>,
    pub(crate) fetcher: Arc<dyn TokenFetcher>,
    pub(crate) group: Group,
}

/// What an operator may know of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub name: SecretName,
    /// What it is for; `None` for a record that can't be opened.
    pub definition: Option<SecretDefinition>,
    /// The same, checked; `None` when it can't be used.
    pub secret: Option<Arc<Secret>>,
    /// Its version; 0 for one that is not in the vault.
    pub version: u64,
    /// When it was set, in milliseconds since 1970; 0 for one that is not in the vault.
    pub created_ms: u64,
    /// When a request last took it, in milliseconds since 1970; 0 for never under this office.
    pub used_ms: u64,
    /// Why it can't be used.
    pub problem: Option<String>,
}

impl Vault {
    /// Opens the vault. What can't be used is logged and answers so when it is asked for.
    #[must_use]
    pub fn open(parts: VaultParts<'_>) -> Self {
        let store = parts.key.map_err(Reason::of);
        let store = store.and_then(|key| {
            let store = Store::open(parts.folder, key);
            store.map_err(Reason::of)
        });
        if let Err(error) = &store {
            tracing::error!(%error, "the vault stays closed: its secrets can't be used");
        }
        let vault = Self(Arc::new(Inner {
            store,
            configured: RwLock::default(),
            entries: RwLock::default(),
            turn: Mutex::default(),
            fetcher: parts.fetcher,
            group: parts.group,
        }));
        vault.configure(parts.configured);
        vault
    }

    /// Takes over the secrets of a configuration, in place of those of an earlier one. Requests under
    /// way keep what they have.
    pub fn configure(&self, configured: Vec<Configured>) {
        let _turn = self.0.turn();
        let configured = configured.into_iter();
        let configured = configured.map(|one| (one.definition.name.clone(), one));
        *write(&self.0.configured) = configured.collect();
        let mut names: BTreeSet<SecretName> = read(&self.0.configured).keys().cloned().collect();
        names.extend(read(&self.0.entries).keys().cloned());
        match self.0.store.as_ref().map(Store::names) {
            Ok(Ok(sealed)) => names.extend(sealed),
            Ok(Err(error)) => tracing::error!(%error, "the vault can't be listed"),
            Err(_said_before) => {}
        }
        for name in names {
            self.0.renew(&name);
        }
    }

    /// Judges a value before it is set: of a new secret with its definition, or for a secret that there is,
    /// which keeps its definition if none is given and the same user gave it: else a value could be lured
    /// to hosts that its owner never named. Nothing is changed yet.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub fn draft(
        &self,
        name: &SecretName,
        definition: Option<SecretDefinition>,
        (material, by): (Zeroizing<Vec<u8>>, u32),
    ) -> Result<Draft, ChangeError> {
        self.0.store()?;
        let definition = self.0.definition(name, definition, by)?;
        let secret = Secret::new(&definition)?;
        if secret.source != Source::Vault {
            return Err(ChangeError::Source);
        }
        let entries = read(&self.0.entries);
        if !entries.contains_key(name) && entries.len() >= SECRETS_MAX {
            return Err(StoreError::Full.into());
        }
        Ok(Draft {
            material: Material::read(&secret.kind, material)?,
            definition,
            defined_by: by,
            secret,
        })
    }

    /// Seals what was judged, as a new version. Requests under way keep the old one, which is overwritten
    /// in memory after the last of them. Waits for the disk.
    ///
    /// # Errors
    /// [`ChangeError`]; the old version stays then.
    pub fn commit(&self, draft: Draft) -> Result<(), ChangeError> {
        let _turn = self.0.turn();
        let name = draft.definition.name.clone();
        let before = self.0.entry(&name).map(|entry| entry.version());
        self.0.store()?.write(&Record {
            version: before.unwrap_or_default().saturating_add(1),
            definition: draft.definition,
            defined_by: draft.defined_by,
            created_ms: now_ms(),
            material: draft.material.encode(),
        })?;
        self.0.renew(&name);
        Ok(())
    }

    /// Removes a sealed value; says whether there was one. Requests under way keep theirs.
    ///
    /// # Errors
    /// [`ChangeError`]; the secret may still be there then.
    pub fn remove(&self, name: &SecretName) -> Result<bool, ChangeError> {
        let _turn = self.0.turn();
        if let Some(source) = self.0.source_elsewhere(name) {
            return Err(ChangeError::Elsewhere(name.clone(), source));
        }
        let removed = self.0.store()?.remove(name)?;
        self.0.renew(name);
        Ok(removed)
    }

    /// All secrets, by name.
    #[must_use]
    pub fn list(&self) -> Vec<Listed> {
        let entries = read(&self.0.entries);
        entries.values().map(|entry| entry.listed()).collect()
    }

    /// One secret as it is defined now.
    #[must_use]
    pub fn find(&self, name: &SecretName) -> Option<Listed> {
        self.0.entry(name).map(|entry| entry.listed())
    }
}

impl Values for Vault {
    fn present<'a>(&'a self, secret: &'a Secret) -> Presenting<'a> {
        Box::pin(async move {
            let unavailable = |reason: Reason| Unavailable {
                name: secret.name.clone(),
                reason,
            };
            let entry = self.0.entry(&secret.name);
            let entry = entry.ok_or_else(|| unavailable(Reason::new("it was removed")))?;
            // The session holds the secret as it was defined at its start. A value that was set since
            // for other hosts must not go to the old ones.
            if !entry.serves(secret) {
                return Err(unavailable(Reason::new(
                    "it was defined anew; start the session again",
                )));
            }
            entry.mark_used(now_ms());
            match &entry.content {
                Ok(Content::Ready(present)) => Ok(Arc::clone(present)),
                Ok(Content::OAuth(_)) => crate::token::present(&self.0, &entry).await,
                Err(reason) => Err(unavailable(reason.clone())),
            }
        })
    }

    fn at_hand(&self, secret: &Secret) -> Option<Arc<Present>> {
        let entry = self.0.entry(&secret.name)?;
        entry.serves(secret).then(|| entry.at_hand()).flatten()
    }
}

impl Inner {
    pub(crate) fn entry(&self, name: &SecretName) -> Option<Arc<Entry>> {
        read(&self.entries).get(name).map(Arc::clone)
    }

    /// Seals the material of an entry anew, after its token endpoint has replaced a part of it. It is
    /// on disk when this returns.
    pub(crate) fn reseal(&self, entry: &Arc<Entry>, material: &Material) -> Result<(), Reason> {
        let _turn = self.turn();
        let now = self.entry(&entry.name);
        if !now.is_some_and(|now| Arc::ptr_eq(&now, entry)) {
            return Err(Reason::new("it was set anew meanwhile"));
        }
        if let Some(source) = self.source_elsewhere(&entry.name) {
            return Err(Reason::new(format!(
                "its endpoint replaces refresh tokens, which {source} can't keep: keep it in the vault"
            )));
        }
        let definition = entry.definition.clone();
        let definition = definition.ok_or_else(|| Reason::new("it has no definition"))?;
        let record = Record {
            version: entry.version().saturating_add(1),
            definition,
            defined_by: entry.defined_by.unwrap_or_default(),
            created_ms: entry.created_ms,
            material: material.encode(),
        };
        let written = self.store.as_ref().map_err(Clone::clone)?.write(&record);
        written.map_err(Reason::of)?;
        entry.set_version(record.version);
        Ok(())
    }

    /// Puts what is configured and sealed under this name in force.
    fn renew(&self, name: &SecretName) {
        let used = self.entry(name).map(|entry| entry.used_ms());
        let entry = self.build(name);
        let mut entries = write(&self.entries);
        let Some(entry) = entry else {
            entries.remove(name);
            return;
        };
        if let Err(reason) = &entry.content {
            tracing::error!(secret = %name, %reason, "a secret can't be used");
        }
        entry.mark_used(used.unwrap_or_default());
        entries.insert(name.clone(), Arc::new(entry));
    }

    fn build(&self, name: &SecretName) -> Option<Entry> {
        let configured = read(&self.configured);
        let Some(configured) = configured.get(name) else {
            let record = self.record(name).transpose()?;
            return Some(match record {
                Ok(record) => Entry::sealed(&record, &record.definition),
                Err(reason) => Entry::broken(name, None, reason),
            });
        };
        let definition = &configured.definition;
        Some(match &configured.material {
            Some(material) => Entry::elsewhere(definition, material),
            None => match self.record(name) {
                Ok(Some(record)) => Entry::sealed(&record, definition),
                Ok(None) => {
                    let reason =
                        Reason::new(format!("it has no value yet: `sheriff secret set {name}`"));
                    Entry::broken(name, Some(definition), reason)
                }
                Err(reason) => Entry::broken(name, Some(definition), reason),
            },
        })
    }

    fn record(&self, name: &SecretName) -> Result<Option<Record>, Reason> {
        let store = self.store.as_ref().map_err(Clone::clone)?;
        store.read(name).map_err(Reason::of)
    }

    /// The definition that a value is set under.
    fn definition(
        &self,
        name: &SecretName,
        given: Option<SecretDefinition>,
        by: u32,
    ) -> Result<SecretDefinition, ChangeError> {
        if let Some(source) = self.source_elsewhere(name) {
            return Err(ChangeError::Elsewhere(name.clone(), source));
        }
        let configured = read(&self.configured);
        match (configured.get(name), given) {
            (Some(_), Some(_)) => Err(ChangeError::Configured(name.clone())),
            (Some(configured), None) => Ok(configured.definition.clone()),
            (None, Some(given)) => Ok(SecretDefinition {
                name: name.clone(),
                ..given
            }),
            (None, None) => {
                let entry = self.entry(name);
                let entry = entry.ok_or_else(|| ChangeError::NoDefinition(name.clone()))?;
                entry.defined(by)
            }
        }
    }

    /// Where a configured value is, if not in the vault.
    fn source_elsewhere(&self, name: &SecretName) -> Option<String> {
        let configured = read(&self.configured);
        let configured = configured.get(name).filter(|one| one.material.is_some())?;
        configured.definition.source.clone()
    }

    fn store(&self) -> Result<&Store, ChangeError> {
        let store = self.store.as_ref();
        store.map_err(|reason| ChangeError::Closed(reason.clone()))
    }

    fn turn(&self) -> std::sync::MutexGuard<'_, ()> {
        // Nothing is guarded but files, which are whole at any moment.
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read<T>(lock: &RwLock<T>) -> std::sync::RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> std::sync::RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}
