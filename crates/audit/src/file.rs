//! Opening, creating and replacing the log's files without ever following a link.
//!
//! Not for: what is in them.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// `O_NOFOLLOW | O_NONBLOCK` (linux/fcntl.h): a link in a file's place is an error, and a FIFO there
/// does not hang its reader.
#[cfg(target_arch = "x86_64")]
const PLAIN_ONLY: i32 = 0o400_000 | 0o4_000;
/// The same two flags; arm has another number for the first.
#[cfg(target_arch = "aarch64")]
const PLAIN_ONLY: i32 = 0o100_000 | 0o4_000;

/// A system call on one of the log's files failed.
#[derive(Debug, thiserror::Error)]
#[error("{call} {}: {source}{}", path.display(), remedy(source))]
pub struct FileError {
    /// Name of the call.
    pub call: &'static str,
    /// The file or folder.
    pub path: PathBuf,
    /// What the kernel answered.
    #[source]
    pub source: io::Error,
}

impl FileError {
    pub(crate) fn at(call: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self { call, path, source }
    }

    /// True when the file system or a quota is full.
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        is_disk_full(&self.source)
    }
}

fn is_disk_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

fn remedy(error: &io::Error) -> &'static str {
    if is_disk_full(error) {
        "; free space there, nothing is done unrecorded"
    } else {
        ""
    }
}

/// The writes that must be tried against failure; the kernel's own in production.
pub(crate) trait Disk: Send + Sync + std::fmt::Debug {
    /// Appends all of `bytes`, with one `write(2)` unless the kernel takes only a part.
    fn write(&self, file: &File, bytes: &[u8]) -> io::Result<()>;
    /// Cuts the file back to `length` bytes.
    fn truncate(&self, file: &File, length: u64) -> io::Result<()>;
    /// Returns once the file's data is on disk (`fdatasync(2)`).
    fn sync(&self, file: &File) -> io::Result<()>;
}

/// The real disk.
#[derive(Debug)]
pub(crate) struct Kernel;

impl Disk for Kernel {
    fn write(&self, mut file: &File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }

    fn truncate(&self, file: &File, length: u64) -> io::Result<()> {
        file.set_len(length)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }
}

/// Makes the folder (0750) if it isn't there; its parent must be.
pub(crate) fn make_folder(path: &Path) -> Result<(), FileError> {
    match DirBuilder::new().mode(0o750).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other.map_err(FileError::at("mkdir", path)),
    }
}

/// Creates a file that must not exist yet, for appending.
pub(crate) fn create(path: &Path, mode: u32) -> Result<File, FileError> {
    OpenOptions::new()
        .append(true)
        .create_new(true)
        .mode(mode)
        .custom_flags(PLAIN_ONLY)
        .open(path)
        .map_err(FileError::at("create", path))
}

pub(crate) fn open_for_appending(path: &Path) -> Result<File, FileError> {
    plain(OpenOptions::new().append(true), path)
}

pub(crate) fn open_for_reading(path: &Path) -> Result<File, FileError> {
    plain(OpenOptions::new().read(true), path)
}

/// Opens (or creates, 0600) the lock file and locks it; `None` when another process holds it. The
/// kernel drops the lock with the file, however its owner ends.
pub(crate) fn lock(path: &Path) -> Result<Option<File>, FileError> {
    let file = plain(
        OpenOptions::new().write(true).create(true).mode(0o600),
        path,
    )?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(FileError::at("flock", path)(error)),
    }
}

/// Puts created and renamed names of the folder on disk.
pub(crate) fn sync_folder(path: &Path) -> Result<(), FileError> {
    let folder = File::open(path).map_err(FileError::at("open", path))?;
    folder.sync_all().map_err(FileError::at("fsync", path))
}

/// Puts `bytes` in the place of the file at once: whoever reads gets the old content or the new one.
pub(crate) fn replace(path: &Path, bytes: &[u8], mode: u32) -> Result<(), FileError> {
    let fresh = path.with_extension("new");
    match std::fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(FileError::at("unlink", &fresh)(error));
        }
        _ => {}
    }
    let mut file = create(&fresh, mode)?;
    file.write_all(bytes)
        .map_err(FileError::at("write", &fresh))?;
    file.sync_data()
        .map_err(FileError::at("fdatasync", &fresh))?;
    std::fs::rename(&fresh, path).map_err(FileError::at("rename", path))
}

/// The first `limit` bytes of a small file; `None` when there is no such file.
pub(crate) fn read_small(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, FileError> {
    let file = match open_for_reading(path) {
        Err(error) if error.source.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let mut bytes = Vec::new();
    file.take(limit)
        .read_to_end(&mut bytes)
        .map_err(FileError::at("read", path))?;
    Ok(Some(bytes))
}

fn plain(options: &mut OpenOptions, path: &Path) -> Result<File, FileError> {
    let file = options
        .custom_flags(PLAIN_ONLY)
        .open(path)
        .map_err(FileError::at("open", path))?;
    let is_plain = file
        .metadata()
        .map_err(FileError::at("fstat", path))?
        .is_file();
    if is_plain {
        return Ok(file);
    }
    Err(FileError::at("open", path)(io::Error::other(
        "not a regular file",
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_no_link_even_to_a_good_file() {
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real"), folder.path().join("link"));
        std::fs::write(&real, b"x").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        assert!(open_for_reading(&real).is_ok());
        assert!(open_for_appending(&real).is_ok());
        assert!(lock(&real).unwrap().is_some());
        assert!(open_for_reading(&link).is_err());
        assert!(open_for_appending(&link).is_err());
        assert!(lock(&link).is_err());
        assert!(create(&link, 0o640).is_err());
    }

    #[test]
    fn refuses_a_folder_in_a_files_place() {
        let folder = tempfile::tempdir().unwrap();
        assert!(open_for_reading(folder.path()).is_err());
    }
}
