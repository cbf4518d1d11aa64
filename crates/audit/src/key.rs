//! The Ed25519 key pair that signs checkpoints, and its two files.
//!
//! Not for: what is signed (`checkpoint`, `head`).

use std::fmt;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::file::{self, FileError};
use crate::hex;

/// File of the secret half, mode 0600: 64 hexadecimal digits and a newline.
pub const SECRET_FILE: &str = "audit-key";
/// File of the public half, mode 0644, in the same form.
pub const PUBLIC_FILE: &str = "audit-key.pub";

/// Bytes read of a key file: its 65 and one, so that a longer file shows.
const KEY_FILE_MAX: u64 = 66;

/// The keys can't be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// A call on a key file failed.
    #[error(transparent)]
    File(#[from] FileError),
    /// Not 64 lower-case hexadecimal digits that are a key.
    #[error("{} holds no key: restore it from a backup", path.display())]
    Malformed {
        /// The key file.
        path: PathBuf,
    },
    /// Others than the owner may read the secret key.
    #[error("{} has mode {mode:o}: others may have copied it; use chmod 600 if nobody could", path.display())]
    Exposed {
        /// The key file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The public file is not of this secret key.
    #[error("{} does not belong to the secret key beside it: restore the pair from a backup", path.display())]
    Mismatch {
        /// The public key file.
        path: PathBuf,
    },
    /// There is a log but its key is gone.
    #[error("{} is missing although a log exists: restore it, or move the log's folder aside", path.display())]
    Missing {
        /// The key file.
        path: PathBuf,
    },
    /// The kernel gave no random bytes.
    #[error("no random bytes for a new key: {cause}")]
    Random {
        /// What the kernel answered.
        cause: getrandom::Error,
    },
}

/// The public half, enough to check every signature. As text, 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicKey([u8; 32]);

/// A text that is no public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a public key is 64 lower-case hexadecimal digits of an Ed25519 point")]
pub struct PublicKeyError;

impl PublicKey {
    /// Reads a public key file.
    ///
    /// # Errors
    /// [`KeyError`] when the file can't be read or holds no key.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let missing = || KeyError::Missing {
            path: path.to_owned(),
        };
        let bytes = file::read_small(path, KEY_FILE_MAX)?.ok_or_else(missing)?;
        Self::in_file(&bytes).ok_or_else(|| KeyError::Malformed {
            path: path.to_owned(),
        })
    }

    /// True when `signature` (hexadecimal) is this key's over `message`. Strict: keys and signatures
    /// that would fit several messages are refused.
    pub(crate) fn verifies(&self, message: &[u8], signature: &str) -> bool {
        let signature = hex::decode(signature).map(|bytes| Signature::from_bytes(&bytes));
        let (Some(signature), Ok(key)) = (signature, VerifyingKey::from_bytes(&self.0)) else {
            return false;
        };
        key.verify_strict(message, &signature).is_ok()
    }

    fn in_file(bytes: &[u8]) -> Option<Self> {
        std::str::from_utf8(bytes)
            .ok()?
            .strip_suffix('\n')?
            .parse()
            .ok()
    }
}

impl FromStr for PublicKey {
    type Err = PublicKeyError;

    fn from_str(text: &str) -> Result<Self, PublicKeyError> {
        let bytes = hex::decode(text).ok_or(PublicKeyError)?;
        let is_point = VerifyingKey::from_bytes(&bytes).is_ok();
        is_point.then_some(Self(bytes)).ok_or(PublicKeyError)
    }
}

impl TryFrom<String> for PublicKey {
    type Error = PublicKeyError;

    fn try_from(text: String) -> Result<Self, PublicKeyError> {
        text.parse()
    }
}

impl From<PublicKey> for String {
    fn from(key: PublicKey) -> Self {
        key.to_string()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The pair. The secret half is wiped from memory when dropped and has no printed form.
pub(crate) struct KeyPair(SigningKey);

impl KeyPair {
    /// Reads the pair, or makes one where there is none and `may_create`.
    pub(crate) fn load(dir: &Path, may_create: bool) -> Result<Self, KeyError> {
        let path = dir.join(SECRET_FILE);
        let pair = match file::read_small(&path, KEY_FILE_MAX)?.map(Zeroizing::new) {
            Some(bytes) => Self::in_file(&path, &bytes)?,
            None if may_create => Self::create(&path)?,
            None => return Err(KeyError::Missing { path }),
        };
        pair.publish(dir)?;
        Ok(pair)
    }

    pub(crate) fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    /// The signature over `message` as 128 hexadecimal digits.
    pub(crate) fn sign(&self, message: &[u8]) -> String {
        hex::encode(&self.0.sign(message).to_bytes())
    }

    fn in_file(path: &Path, bytes: &[u8]) -> Result<Self, KeyError> {
        let metadata = std::fs::symlink_metadata(path).map_err(FileError::at("lstat", path))?;
        let mode = metadata.permissions().mode() & 0o7777;
        if mode & 0o077 != 0 {
            return Err(KeyError::Exposed {
                path: path.to_owned(),
                mode,
            });
        }
        let text = std::str::from_utf8(bytes)
            .ok()
            .and_then(|text| text.strip_suffix('\n'));
        let seed = text.and_then(hex::decode).map(Zeroizing::new);
        let seed = seed.ok_or_else(|| KeyError::Malformed {
            path: path.to_owned(),
        })?;
        Ok(Self(SigningKey::from_bytes(&seed)))
    }

    fn create(path: &Path) -> Result<Self, KeyError> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *seed).map_err(|cause| KeyError::Random { cause })?;
        let text = Zeroizing::new(hex::encode(&*seed) + "\n");
        file::replace(path, text.as_bytes(), 0o600)?;
        Ok(Self(SigningKey::from_bytes(&seed)))
    }

    /// Writes the public file if it isn't there; one that disagrees is an error.
    fn publish(&self, dir: &Path) -> Result<(), KeyError> {
        let path = dir.join(PUBLIC_FILE);
        match file::read_small(&path, KEY_FILE_MAX)? {
            Some(bytes) if PublicKey::in_file(&bytes) == Some(self.public()) => Ok(()),
            Some(_) => Err(KeyError::Mismatch { path }),
            None => {
                file::replace(&path, format!("{}\n", self.public()).as_bytes(), 0o644)?;
                Ok(file::sync_folder(dir)?)
            }
        }
    }
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyPair({})", self.public())
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;

    use super::*;

    #[test]
    fn keeps_one_pair_and_refuses_an_exposed_swapped_or_lost_one() {
        let dir = tempfile::tempdir().unwrap();
        let (secret, public) = (dir.path().join(SECRET_FILE), dir.path().join(PUBLIC_FILE));
        assert!(matches!(
            KeyPair::load(dir.path(), false),
            Err(KeyError::Missing { .. })
        ));
        let pair = KeyPair::load(dir.path(), true).unwrap();
        let mode = std::fs::metadata(&secret).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let again = KeyPair::load(dir.path(), false).unwrap();
        assert_eq!(
            (again.public(), PublicKey::read(&public).unwrap()),
            (pair.public(), pair.public())
        );
        assert!(pair.public().verifies(b"m", &again.sign(b"m")));
        assert!(!pair.public().verifies(b"n", &again.sign(b"m")));

        std::fs::set_permissions(&secret, Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(
            KeyPair::load(dir.path(), true),
            Err(KeyError::Exposed { .. })
        ));
        std::fs::remove_file(&secret).unwrap();
        assert!(matches!(
            KeyPair::load(dir.path(), true),
            Err(KeyError::Mismatch { .. })
        ));
    }

    #[test]
    fn never_prints_the_secret_half() {
        let dir = tempfile::tempdir().unwrap();
        let pair = KeyPair::load(dir.path(), true).unwrap();
        let secret = std::fs::read_to_string(dir.path().join(SECRET_FILE)).unwrap();
        assert!(!format!("{pair:?}").contains(secret.trim()));
    }
}
