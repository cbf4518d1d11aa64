//! Puts a document where `-o` says, whole or not at all, or on standard output.
//!
//! Not for: results that a person reads (`render`), nor for making the document.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::render::Output;

/// A document that could not be put where it should be. Nothing is left of it there.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DepositError {
    #[error("{}: is no ordinary file, so it is not replaced", path.display())]
    NotAFile { path: PathBuf },
    #[error("{}: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("standard output is a terminal, which can't show this: give -o FILE")]
    Terminal,
}

/// Puts a text there; without a path it goes to standard output.
pub(crate) fn text(to: Option<&Path>, text: &str) -> Result<(), Failure> {
    match to {
        Some(path) => Ok(put(path, text.as_bytes())?),
        None => print(text.as_bytes()),
    }
}

/// Puts bytes there that are no text.
pub(crate) fn binary(to: Option<&Path>, bytes: &[u8]) -> Result<(), Failure> {
    match to {
        Some(path) => Ok(put(path, bytes)?),
        None if io::stdout().is_terminal() => Err(DepositError::Terminal.into()),
        None => print(bytes),
    }
}

/// Whether the file could be put there: what took long to make must not be lost to a slip in its name.
pub(crate) fn check(path: &Path) -> Result<(), DepositError> {
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
    let found = fs::metadata(folder.unwrap_or_else(|| Path::new(".")));
    let error = |source| DepositError::Write {
        path: path.to_owned(),
        source,
    };
    if !found.map_err(error)?.is_dir() {
        return Err(error(io::ErrorKind::NotADirectory.into()));
    }
    Ok(())
}

fn print(bytes: &[u8]) -> Result<(), Failure> {
    let mut output = Output::new();
    output.document(bytes)?;
    output.finish()
}

/// Writes a new file beside the old one and puts it in its place: whoever reads sees one or the
/// other. The old one's permissions stay.
fn put(path: &Path, bytes: &[u8]) -> Result<(), DepositError> {
    let error = |source| DepositError::Write {
        path: path.to_owned(),
        source,
    };
    let permissions = match path.symlink_metadata() {
        Ok(old) if old.is_file() => Some(old.permissions()),
        Ok(_) => {
            let path = path.to_owned();
            return Err(DepositError::NotAFile { path });
        }
        Err(absent) if absent.kind() == io::ErrorKind::NotFound => None,
        Err(other) => return Err(error(other)),
    };
    let beside = beside(path).map_err(error)?;
    let mut options = OpenOptions::new();
    let file = options.write(true).create_new(true).open(&beside);
    let written = fill(file.map_err(error)?, bytes, permissions)
        .and_then(|()| fs::rename(&beside, path))
        .map_err(error);
    if written.is_err() {
        // It is ours alone; what keeps it from going away is what kept it from being written.
        fs::remove_file(&beside).unwrap_or(());
    }
    written
}

/// A name in the same folder, so that the file can be moved over the old one.
fn beside(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let mut new = std::ffi::OsString::from(".");
    new.push(name);
    new.push(format!(".{}.new", std::process::id()));
    Ok(path.with_file_name(new))
}

fn fill(mut file: File, bytes: &[u8], permissions: Option<Permissions>) -> io::Result<()> {
    if let Some(permissions) = permissions {
        file.set_permissions(permissions)?;
    }
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_file_is_replaced_with_its_permissions_kept_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.json");
        put(&path, b"one").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        put(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn folders_links_and_devices_are_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("/dev/null", &link).unwrap();
        for path in [folder.path(), &link, Path::new("/dev/null")] {
            let error = put(path, b"x").unwrap_err();
            assert!(matches!(error, DepositError::NotAFile { .. }), "{error}");
        }
        assert!(put(&folder.path().join("none/x"), b"x").is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
