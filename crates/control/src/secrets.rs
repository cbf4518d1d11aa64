//! Operators' changes to the vault, on record before they are made, and the configuration's secrets as
//! the warden hands them over.
//!
//! Not for: keeping them (`vault`), nor for which of them a session gets (`granted`).

use std::fs::File;
use std::io::{Read, Seek};
use std::os::fd::OwnedFd;

use audit::{Event, Kind, LogError, Principal};
use egress::Hop;
use model::{SecretDefinition, SecretName};
use serde_json::json;
use vault::material::MATERIAL_MAX;
use vault::{ChangeError, Configured, Listed, Reason};
use warrant::secrets::{Arrived, SecretEntry, ValueAt};
use zeroize::Zeroizing;

use crate::Office;
use crate::hop::{self, HopError};

/// A change that an operator asked for and did not get.
#[derive(Debug, thiserror::Error)]
pub enum SecretChangeError {
    /// The vault refused it.
    #[error(transparent)]
    Change(#[from] ChangeError),
    /// It could not be put on record, so it was not made.
    #[error("not on record: {0}")]
    NotRecorded(#[from] LogError),
    /// No such secret.
    #[error("there is no secret {0}")]
    Unknown(SecretName),
    /// The office is going away.
    #[error("the office is closing")]
    Closing,
}

impl Office {
    /// All secrets.
    #[must_use]
    pub fn secrets(&self) -> Vec<Listed> {
        self.parts.vault.list()
    }

    /// Sets a secret for an operator: judged, recorded, sealed, in this order.
    ///
    /// # Errors
    /// [`SecretChangeError`]; nothing is changed then.
    pub async fn set_secret(
        &self,
        (name, definition): (&SecretName, Option<SecretDefinition>),
        material: Zeroizing<Vec<u8>>,
        uid: u32,
    ) -> Result<Listed, SecretChangeError> {
        let draft = self.parts.vault.draft(name, definition, (material, uid))?;
        let hosts: Vec<String> = draft.secret.hosts.iter().map(ToString::to_string).collect();
        let data = json!({ "name": name, "hosts": hosts });
        let event = Event::new(Kind::SecretSet, Principal::Operator { uid });
        self.parts.recorder.append(event.data(data)).await?;
        let vault = self.parts.vault.clone();
        let committed = tokio::task::spawn_blocking(move || vault.commit(draft)).await;
        self.settle(name, committed).await?;
        let listed = self.parts.vault.find(name);
        listed.ok_or_else(|| SecretChangeError::Unknown(name.clone()))
    }

    /// Removes a secret for an operator. Sessions that have it are answered 503 from then on.
    ///
    /// # Errors
    /// [`SecretChangeError`].
    pub async fn remove_secret(
        &self,
        name: &SecretName,
        uid: u32,
    ) -> Result<(), SecretChangeError> {
        if self.parts.vault.find(name).is_none() {
            return Err(SecretChangeError::Unknown(name.clone()));
        }
        let event = Event::new(Kind::SecretRemoved, Principal::Operator { uid });
        let event = event.data(json!({ "name": name }));
        self.parts.recorder.append(event).await?;
        let (vault, removed) = (self.parts.vault.clone(), name.clone());
        let removed = tokio::task::spawn_blocking(move || vault.remove(&removed)).await;
        self.settle(name, removed).await.map(drop)
    }

    /// A change that is on record and was not made is told, too.
    async fn settle<T>(
        &self,
        name: &SecretName,
        done: Result<Result<T, ChangeError>, tokio::task::JoinError>,
    ) -> Result<T, SecretChangeError> {
        let error = match done {
            Ok(Ok(done)) => return Ok(done),
            Ok(Err(error)) => error.into(),
            Err(_gone) => SecretChangeError::Closing,
        };
        let data =
            json!({ "what": "secret not changed", "name": name, "reason": error.to_string() });
        let event = Event::new(Kind::Alert, Principal::Sheriff).data(data);
        self.parts.recorder.note(event).await;
        Err(error)
    }

    /// Takes over what the configuration says of secrets from now on.
    pub(crate) fn take_secrets(&self, fds: Vec<OwnedFd>) {
        match warrant::Secrets::read(fds) {
            Ok(arrived) => self.take_arrived(arrived),
            Err(error) => tracing::error!(%error, "the old secrets stay in force"),
        }
    }

    fn take_arrived(&self, arrived: Arrived) {
        self.parts.vault.configure(configured(arrived.entries));
        match arrived.hop.map(hop::hop).transpose() {
            Ok(hop) => self.parts.proxy.set_hop(hop),
            // The warden has read it and found it good.
            Err(error) => tracing::error!(%error, "the old upstream proxy stays in force"),
        }
    }
}

/// Secrets of the configuration with their values read. A value that can't be had makes its secret
/// unavailable.
#[must_use]
pub fn configured(entries: Vec<(SecretEntry, Option<OwnedFd>)>) -> Vec<Configured> {
    let read = |(entry, file): (SecretEntry, Option<OwnedFd>)| {
        let material = match (entry.value, file) {
            (ValueAt::Vault, _) => None,
            (ValueAt::Attached, Some(file)) => Some(read_value(file)),
            (ValueAt::Attached, None) => Some(Err(Reason::new("its value did not arrive"))),
            (ValueAt::Missing(reason), _) => Some(Err(Reason::new(reason))),
        };
        Configured {
            definition: entry.definition,
            material,
        }
    };
    entries.into_iter().map(read).collect()
}

/// What arrived, read.
#[derive(Debug)]
pub struct Unpacked {
    /// The vault's key.
    pub key: Option<File>,
    /// The secrets of the configuration.
    pub configured: Vec<Configured>,
    /// The proxy that egress goes through.
    pub hop: Option<Hop>,
}

/// Reads what arrived.
///
/// # Errors
/// For an upstream proxy that is none; without it nothing may leave.
pub fn unpack(arrived: Arrived) -> Result<Unpacked, HopError> {
    Ok(Unpacked {
        key: arrived.key.map(File::from),
        configured: configured(arrived.entries),
        hop: arrived.hop.map(hop::hop).transpose()?,
    })
}

pub(crate) fn read_value(file: OwnedFd) -> Result<Zeroizing<Vec<u8>>, Reason> {
    let mut file = File::from(file);
    // Room for the longest at once: a vector that grows leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MATERIAL_MAX + 1));
    // The position is shared with whoever held the file before.
    let read = file
        .rewind()
        .and_then(|()| file.take(MATERIAL_MAX as u64 + 1).read_to_end(&mut bytes));
    match read {
        Ok(_) => Ok(bytes),
        Err(error) => Err(Reason::new(format!("its value can't be read: {error}"))),
    }
}
