//! The key that seals the vault: from a descriptor that the daemon hands over (a systemd credential),
//! or from a file of the office's own, made at first use.
//!
//! Not for: sealing (`record`).

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

/// Bytes of a key of XChaCha20-Poly1305.
pub const KEY_BYTES: usize = 32;
/// Longest key file: the key in hexadecimal digits and a line end.
const TEXT_MAX: usize = 2 * KEY_BYTES + 2;
/// Bits of a mode that let others in.
const OTHERS: u32 = 0o077;
/// What a file that is opened must not be, so that no link leads elsewhere.
const NO_FOLLOW: i32 = libc::O_NOFOLLOW;

/// The key. Overwritten when it is dropped.
pub struct Key(Zeroizing<[u8; KEY_BYTES]>);

/// No key, so no secrets of the vault.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The system's answer.
    #[error("the vault's key: {call} {}: {source}", path.display())]
    File {
        /// What was tried.
        call: &'static str,
        /// On which path.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// Others could have read it, or it is somebody else's.
    #[error(
        "the vault's key {} has mode {mode:03o} and owner {owner}; it must be 600 and {expected}'s: \
         check who could read it, then `chmod 600` and `chown` it",
        path.display()
    )]
    Open {
        /// Which file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
        /// Its owner.
        owner: u32,
        /// Whose it must be.
        expected: u32,
    },
    /// Not a key.
    #[error(
        "the vault's key {} is not {KEY_BYTES} bytes or {} hexadecimal digits: restore it from a backup",
        path.display(), 2 * KEY_BYTES
    )]
    Form {
        /// Which file.
        path: PathBuf,
    },
    /// A new one would make what is sealed unreadable for good.
    #[error(
        "the vault's key {} is missing, but there are sealed secrets: restore it from a backup, or \
         remove them from {}",
        path.display(), folder.display()
    )]
    Missing {
        /// The key's file.
        path: PathBuf,
        /// The folder of what it sealed.
        folder: PathBuf,
    },
    /// No randomness.
    #[error("the vault's key: no randomness: {0}")]
    Random(getrandom::Error),
}

impl Key {
    /// Reads a key that the daemon opened.
    ///
    /// # Errors
    /// [`KeyError::File`], [`KeyError::Form`].
    pub fn from_file(file: File, name: &Path) -> Result<Self, KeyError> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(TEXT_MAX + 1));
        let read = file.take(TEXT_MAX as u64 + 1).read_to_end(&mut bytes);
        read.map_err(failed("read", name))?;
        let key = parse(&bytes);
        key.ok_or_else(|| KeyError::Form {
            path: name.to_owned(),
        })
    }

    /// Reads the key at `path`, or makes it unless `folder` holds what another one has sealed.
    ///
    /// # Errors
    /// [`KeyError`]; a file that others can read is refused, not repaired: it may be known already.
    pub fn at(path: &Path, folder: &Path) -> Result<Self, KeyError> {
        let opened = OpenOptions::new()
            .read(true)
            .custom_flags(NO_FOLLOW)
            .open(path);
        match opened {
            Ok(file) => {
                check(&file, path)?;
                Self::from_file(file, path)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::make(path, folder),
            Err(error) => Err(failed("open", path)(error)),
        }
    }

    fn make(path: &Path, folder: &Path) -> Result<Self, KeyError> {
        if holds_records(folder) {
            return Err(KeyError::Missing {
                path: path.to_owned(),
                folder: folder.to_owned(),
            });
        }
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        getrandom::fill(bytes.as_mut_slice()).map_err(KeyError::Random)?;
        let draft = path.with_extension("new");
        write(&draft, bytes.as_slice()).map_err(failed("write", &draft))?;
        fs::rename(&draft, path).map_err(failed("rename", path))?;
        let parent = path.parent().unwrap_or(path);
        let synced = File::open(parent).and_then(|folder| folder.sync_all());
        synced.map_err(failed("fsync", parent))?;
        Ok(Self(bytes))
    }

    /// The bytes, for the cipher.
    pub(crate) fn expose(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key")
    }
}

fn check(file: &File, path: &Path) -> Result<(), KeyError> {
    let found = file.metadata().map_err(failed("stat", path))?;
    let expected = sys::users::effective();
    let mode = found.mode() & 0o777;
    if found.is_file() && mode & OTHERS == 0 && found.uid() == expected {
        return Ok(());
    }
    Err(KeyError::Open {
        path: path.to_owned(),
        mode,
        owner: found.uid(),
        expected,
    })
}

fn parse(bytes: &[u8]) -> Option<Key> {
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    if bytes.len() == KEY_BYTES {
        key.copy_from_slice(bytes);
        return Some(Key(key));
    }
    let text = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    if text.len() != 2 * KEY_BYTES {
        return None;
    }
    for (byte, pair) in key.iter_mut().zip(text.chunks_exact(2)) {
        let digit = |at: usize| char::from(*pair.get(at)?).to_digit(16);
        *byte = u8::try_from(digit(0)? << 4 | digit(1)?).ok()?;
    }
    Some(Key(key))
}

fn write(draft: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .custom_flags(NO_FOLLOW)
        .open(draft)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// A folder that can't be read counts as one with records.
fn holds_records(folder: &Path) -> bool {
    match fs::read_dir(folder) {
        Ok(mut entries) => entries.any(|entry| match entry {
            Ok(entry) => entry.path().extension() == Some(crate::store::EXTENSION.as_ref()),
            Err(_unreadable) => true,
        }),
        Err(error) => error.kind() != io::ErrorKind::NotFound,
    }
}

fn failed(call: &'static str, path: &Path) -> impl FnOnce(io::Error) -> KeyError {
    let path = path.to_owned();
    move |source| KeyError::File { call, path, source }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn makes_a_key_once_that_only_its_owner_can_read_and_finds_it_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vault.key");
        let first = Key::at(&path, folder.path()).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        let again = Key::at(&path, folder.path()).unwrap();
        assert_eq!(first.expose(), again.expose());
        assert_ne!(first.expose(), &[0; KEY_BYTES]);
    }

    #[test]
    fn refuses_a_key_that_others_can_read_and_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vault.key");
        Key::at(&path, folder.path()).unwrap();
        for mode in [0o640, 0o604, 0o666] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let error = Key::at(&path, folder.path()).unwrap_err().to_string();
            assert!(error.contains("chmod 600"), "{error}");
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(Key::at(&path, folder.path()).is_ok());
    }

    #[test]
    fn refuses_a_link_and_bytes_that_are_no_key() {
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real"), folder.path().join("link"));
        Key::at(&real, folder.path()).unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        assert!(matches!(
            Key::at(&link, folder.path()),
            Err(KeyError::File { .. })
        ));
        fs::write(&real, [1; KEY_BYTES - 1]).unwrap();
        assert!(matches!(
            Key::at(&real, folder.path()),
            Err(KeyError::Form { .. })
        ));
        fs::write(&real, format!("{}\n", "0f".repeat(KEY_BYTES))).unwrap();
        assert_eq!(
            Key::at(&real, folder.path()).unwrap().expose(),
            &[15; KEY_BYTES]
        );
    }

    #[test]
    fn makes_no_new_key_over_records_that_an_old_one_sealed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vault.key");
        fs::write(folder.path().join("a.sealed"), "x").unwrap();
        assert!(matches!(
            Key::at(&path, folder.path()),
            Err(KeyError::Missing { .. })
        ));
        assert!(!path.exists());
    }
}
