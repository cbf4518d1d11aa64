//! The vault's folder: one sealed file a secret, each written whole or not at all.
//!
//! Not for: what is in a record (`record`), nor for which secret is in force (`vault`).

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use model::SecretName;
use zeroize::Zeroizing;

use crate::key::Key;
use crate::record::{RECORD_MAX, Record, RecordError};

/// Ending of a sealed file.
pub(crate) const EXTENSION: &str = "sealed";
/// Ending of a file that is being written.
const DRAFT: &str = "new";
/// Most secrets of one vault; each is held in memory.
pub const SECRETS_MAX: usize = 1024;

/// The folder with its key.
#[derive(Debug)]
pub(crate) struct Store {
    folder: PathBuf,
    key: Key,
}

/// A file of the vault that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The system's answer.
    #[error("{call} {}: {source}", path.display())]
    File {
        /// What was tried.
        call: &'static str,
        /// On which path.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// The folder lets others in.
    #[error("the vault {} has mode {mode:03o}: `chmod 700` it", path.display())]
    Open {
        /// The folder.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// A record that can't be opened.
    #[error(
        "{} is damaged: {source}; restore it from a backup, or set the secret anew",
        path.display()
    )]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: RecordError,
    },
    /// No room.
    #[error("the vault holds {SECRETS_MAX} secrets already; remove one with `sheriff secret rm`")]
    Full,
}

/// Makes the folder (mode 0700), or accepts it if nobody else can look into it.
///
/// # Errors
/// [`StoreError::File`], [`StoreError::Open`].
pub fn prepare(folder: &Path) -> Result<(), StoreError> {
    match fs::DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(failed("mkdir", folder)(error));
        }
        _made_or_there => {}
    }
    let found = fs::symlink_metadata(folder).map_err(failed("stat", folder))?;
    if !found.is_dir() || found.mode() & 0o077 != 0 {
        return Err(StoreError::Open {
            path: folder.to_owned(),
            mode: found.mode() & 0o777,
        });
    }
    Ok(())
}

impl Store {
    /// A store of a folder that was [`prepare`]d. What a crash left half written is removed.
    pub(crate) fn open(folder: &Path, key: Key) -> Result<Self, StoreError> {
        for entry in fs::read_dir(folder).map_err(failed("readdir", folder))? {
            let path = entry.map_err(failed("readdir", folder))?.path();
            if path.extension() == Some(DRAFT.as_ref()) {
                fs::remove_file(&path).map_err(failed("unlink", &path))?;
            }
        }
        Ok(Self {
            folder: folder.to_owned(),
            key,
        })
    }

    /// Names of all sealed files. Others in the folder are left alone.
    pub(crate) fn names(&self) -> Result<Vec<SecretName>, StoreError> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(failed("readdir", &self.folder))? {
            let path = entry.map_err(failed("readdir", &self.folder))?.path();
            if path.extension() != Some(EXTENSION.as_ref()) {
                continue;
            }
            let stem = path.file_stem().and_then(|stem| stem.to_str());
            match stem.and_then(|stem| stem.parse().ok()) {
                Some(name) => names.push(name),
                None => tracing::warn!(path = %path.display(), "no secret can have this name"),
            }
        }
        Ok(names)
    }

    /// Reads and opens one.
    pub(crate) fn read(&self, name: &SecretName) -> Result<Option<Record>, StoreError> {
        let path = self.file(name);
        let bytes = match read_bounded(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(failed("read", &path))?,
        };
        match Record::open(&bytes, name, &self.key) {
            Ok(record) => Ok(Some(record)),
            Err(source) => Err(StoreError::Damaged { path, source }),
        }
    }

    /// Writes one, whole or not at all, and on disk when this returns.
    pub(crate) fn write(&self, record: &Record) -> Result<(), StoreError> {
        let path = self.file(&record.definition.name);
        let sealed = record.seal(&self.key);
        let sealed = sealed.map_err(|source| StoreError::Damaged {
            path: path.clone(),
            source,
        })?;
        let draft = path.with_extension(DRAFT);
        write_synced(&draft, &sealed).map_err(failed("write", &draft))?;
        fs::rename(&draft, &path).map_err(failed("rename", &path))?;
        self.sync()
    }

    /// Removes one; says whether there was one.
    pub(crate) fn remove(&self, name: &SecretName) -> Result<bool, StoreError> {
        let path = self.file(name);
        match fs::remove_file(&path) {
            Ok(()) => self.sync().map(|()| true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(failed("unlink", &path)(error)),
        }
    }

    fn sync(&self) -> Result<(), StoreError> {
        let synced = File::open(&self.folder).and_then(|folder| folder.sync_all());
        synced.map_err(failed("fsync", &self.folder))
    }

    /// A name has no slash and begins with a letter, so it names a file of this folder. The ending is
    /// appended: a name may have dots.
    fn file(&self, name: &SecretName) -> PathBuf {
        self.folder.join(format!("{name}.{EXTENSION}"))
    }
}

fn read_bounded(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::new());
    File::open(path)?
        .take(RECORD_MAX as u64)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn failed(call: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError::File { call, path, source }
}
