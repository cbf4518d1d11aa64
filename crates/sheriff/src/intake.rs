//! Reads a file that a command line names, whole and bounded.
//!
//! Not for: profiles (`shelf`), nor for knowing what is in the file.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The name that stands for standard input.
const STANDARD_INPUT: &str = "-";

/// A file that can't be taken in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IntakeError {
    #[error("{}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{}: larger than {most} bytes", path.display())]
    TooLarge { path: PathBuf, most: usize },
    #[error("{}: byte {at} is not UTF-8 text", path.display())]
    NotText { path: PathBuf, at: usize },
}

/// The bytes of the file, or of standard input for `-`, at most `most`.
pub(crate) fn bytes(path: &Path, most: usize) -> Result<Vec<u8>, IntakeError> {
    let error = |source| IntakeError::Read {
        path: path.to_owned(),
        source,
    };
    let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    let read = if path == Path::new(STANDARD_INPUT) {
        io::stdin().lock().take(limit).read_to_end(&mut bytes)
    } else {
        let file = File::open(path).map_err(error)?;
        file.take(limit).read_to_end(&mut bytes)
    };
    read.map_err(error)?;
    if bytes.len() > most {
        let path = path.to_owned();
        return Err(IntakeError::TooLarge { path, most });
    }
    Ok(bytes)
}

/// The same for text.
pub(crate) fn text(path: &Path, most: usize) -> Result<String, IntakeError> {
    String::from_utf8(bytes(path, most)?).map_err(|error| IntakeError::NotText {
        path: path.to_owned(),
        at: error.utf8_error().valid_up_to(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_or_no_text_is_refused_and_what_just_fits_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        std::fs::write(&path, b"ab\xff").unwrap();
        assert_eq!(bytes(&path, 3).unwrap(), b"ab\xff");
        assert!(matches!(
            bytes(&path, 2),
            Err(IntakeError::TooLarge { most: 2, .. })
        ));
        assert!(matches!(
            text(&path, 3),
            Err(IntakeError::NotText { at: 2, .. })
        ));
        assert!(matches!(
            text(folder.path(), 3),
            Err(IntakeError::Read { .. })
        ));
    }
}
