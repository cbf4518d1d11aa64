//! The secrets that root's configuration names, on their way to the office: what they are for, and a
//! descriptor of where each value is. The warden opens and never reads.
//!
//! Not for: secrets that operators set; the office seals those itself.

use std::fs::File;
use std::io::{Read, Seek};
use std::os::fd::OwnedFd;

use model::SecretDefinition;
use serde::{Deserialize, Serialize};

use crate::hop::HopEntry;

/// Most secrets of a configuration: each may take a descriptor of one message.
pub const CONFIGURED_MAX: usize = 64;
/// Largest memory file of definitions; the configuration that they come from is smaller.
const BYTES_MAX: u64 = 1 << 20;

/// All of them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Secrets {
    /// True when the vault's key comes along. Else it is the office's own file.
    pub key: bool,
    /// Each one.
    pub entries: Vec<SecretEntry>,
    /// The proxy that egress goes through: its credentials are a secret, too.
    pub hop: Option<HopEntry>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretEntry {
    /// What it is for.
    pub definition: SecretDefinition,
    /// Where its value is.
    pub value: ValueAt,
}

/// Where a value is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ValueAt {
    /// In the vault.
    Vault,
    /// In the next descriptor.
    Attached,
    /// Nowhere: why it could not be opened.
    Missing(String),
}

/// Secrets that did not arrive whole.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    /// The memory file can't be read.
    #[error("secrets: {0}")]
    Read(#[from] std::io::Error),
    /// The bytes are not those of secrets, or too many.
    #[error("secrets: {0}")]
    Form(#[from] postcard::Error),
    /// The descriptors are not those that the entries speak of.
    #[error("secrets: {got} descriptors instead of {wanted}")]
    Descriptors {
        /// How many there must be.
        wanted: usize,
        /// How many there are.
        got: usize,
    },
}

/// What arrived.
#[derive(Debug)]
pub struct Arrived {
    /// The vault's key.
    pub key: Option<OwnedFd>,
    /// Each secret, with its descriptor if it has one.
    pub entries: Vec<(SecretEntry, Option<OwnedFd>)>,
    /// The proxy that egress goes through, with the descriptor of its credentials if it has one.
    pub hop: Option<(HopEntry, Option<OwnedFd>)>,
}

impl Secrets {
    /// The form in which they travel in a memory file.
    ///
    /// # Errors
    /// None in practice: every field has a form.
    pub fn encode(&self) -> Result<Vec<u8>, SecretsError> {
        Ok(postcard::to_allocvec(self)?)
    }

    /// Puts descriptors to their entries: the memory file, the key if there is one, each value, then the
    /// hop's credentials.
    ///
    /// # Errors
    /// [`SecretsError`].
    pub fn read(fds: Vec<OwnedFd>) -> Result<Arrived, SecretsError> {
        let got = fds.len();
        let mut fds = fds.into_iter();
        let file = fds.next();
        let file = file.ok_or(SecretsError::Descriptors { wanted: 1, got })?;
        let mut file = File::from(file);
        file.rewind()?;
        let mut bytes = Vec::new();
        file.take(BYTES_MAX).read_to_end(&mut bytes)?;
        let secrets: Self = postcard::from_bytes(&bytes)?;
        let attached = secrets.entries.iter().filter(|entry| entry.is_attached());
        let hops = secrets.hop.iter().filter(|hop| hop.is_attached());
        let wanted = 1 + usize::from(secrets.key) + attached.count() + hops.count();
        if wanted != got {
            return Err(SecretsError::Descriptors { wanted, got });
        }
        let key = if secrets.key { fds.next() } else { None };
        let with_fd = secrets.entries.into_iter().map(|entry| {
            let fd = if entry.is_attached() {
                fds.next()
            } else {
                None
            };
            (entry, fd)
        });
        let entries = with_fd.collect();
        let hop = secrets.hop.map(|hop| {
            let fd = if hop.is_attached() { fds.next() } else { None };
            (hop, fd)
        });
        Ok(Arrived { key, entries, hop })
    }
}

impl SecretEntry {
    fn is_attached(&self) -> bool {
        self.value == ValueAt::Attached
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use model::{SecretKind, SecretPlace};

    use super::*;

    fn file(bytes: &[u8]) -> OwnedFd {
        sys::fds::memory_file(c"test", bytes).unwrap()
    }

    fn entry(name: &str, value: ValueAt) -> SecretEntry {
        let definition = SecretDefinition {
            name: name.parse().unwrap(),
            hosts: vec!["a.test".to_owned()],
            place: Some(SecretPlace::Query("key".to_owned())),
            format: None,
            env: None,
            prefix: None,
            kind: SecretKind::Static,
            source: None,
        };
        SecretEntry { definition, value }
    }

    #[test]
    fn each_value_finds_its_secret_and_a_descriptor_too_few_or_too_many_is_refused() {
        let hop = HopEntry {
            server: "proxy.test:3128".to_owned(),
            direct: Vec::new(),
            resolves: false,
            credentials: Some(ValueAt::Attached),
        };
        let secrets = Secrets {
            key: true,
            hop: Some(hop.clone()),
            entries: vec![
                entry("a", ValueAt::Attached),
                entry("b", ValueAt::Vault),
                entry("c", ValueAt::Missing("gone".to_owned())),
                entry("d", ValueAt::Attached),
            ],
        };
        let told = || file(&secrets.encode().unwrap());
        let all = vec![told(), file(b"key"), file(b"1"), file(b"2"), file(b"3")];
        let arrived = Secrets::read(all).unwrap();
        assert!(arrived.key.is_some());
        let (arrived_hop, credentials) = arrived.hop.unwrap();
        assert_eq!(arrived_hop, hop);
        let read = |fd: &OwnedFd| {
            let fd = fd.try_clone().unwrap();
            let (mut file, mut text) = (File::from(fd), String::new());
            file.rewind().unwrap();
            file.read_to_string(&mut text).unwrap();
            text
        };
        assert_eq!(read(&credentials.unwrap()), "3");
        let text = |at: usize| arrived.entries[at].1.as_ref().map(read);
        assert_eq!((text(0).as_deref(), text(1)), (Some("1"), None));
        assert_eq!((text(2), text(3).as_deref()), (None, Some("2")));
        let entries: Vec<_> = arrived
            .entries
            .into_iter()
            .map(|(entry, _)| entry)
            .collect();
        assert_eq!(entries, secrets.entries);
        for fds in [vec![], vec![told()], vec![told(), file(b""), file(b"")]] {
            let got = fds.len();
            let error = Secrets::read(fds);
            assert!(matches!(error, Err(SecretsError::Descriptors { got: g, .. }) if g == got));
        }
    }
}
