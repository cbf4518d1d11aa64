//! The key of a session's certificate authority, kept for the next office: running jails go on with
//! the authority that they trust. A file of its own, since it never changes, readable for the office's
//! user alone.
//!
//! Not for: anything that is written again and again.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use authority::Authority;
use model::SessionId;
use zeroize::Zeroizing;

use super::{SavedError, SavedFolder, failed};

/// Largest file that is read: a certificate with its names takes 6 KiB at most.
const FILE_BYTES_MAX: u64 = 64 << 10;

impl SavedFolder {
    /// Writes down a session's authority. There must be none of it yet.
    ///
    /// # Errors
    /// The system's, with the path.
    pub fn write_authority(
        &self,
        session: &SessionId,
        authority: &Authority,
    ) -> Result<(), SavedError> {
        let path = self.authority_file(session);
        let file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path);
        let mut file = file.map_err(failed("open", &path))?;
        let text = authority.to_pem();
        file.write_all(text.as_bytes())
            .map_err(failed("write", &path))
    }

    /// Reads a session's authority; `None` when it has none.
    ///
    /// # Errors
    /// The system's; [`SavedError::Malformed`].
    pub fn read_authority(&self, session: &SessionId) -> Result<Option<Authority>, SavedError> {
        let path = self.authority_file(session);
        let file = match fs::File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file.map_err(failed("open", &path))?,
        };
        // Room for all of it at once: a text that grows leaves copies of the key behind.
        let room = usize::try_from(FILE_BYTES_MAX).unwrap_or_default();
        let mut text = Zeroizing::new(String::with_capacity(room));
        io::Read::read_to_string(&mut io::Read::take(file, FILE_BYTES_MAX), &mut text)
            .map_err(failed("read", &path))?;
        let read = Authority::from_pem(&text).map_err(|error| SavedError::Malformed {
            path,
            why: error.to_string(),
        });
        read.map(Some)
    }

    pub(super) fn authority_file(&self, session: &SessionId) -> PathBuf {
        self.file(session).with_extension("pem")
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use authority::Scope;
    use policy::HostPattern;

    use super::*;

    #[test]
    fn an_authority_comes_back_the_same_and_goes_with_its_session() {
        let folder = tempfile::tempdir().unwrap();
        let files = SavedFolder::open(&folder.path().join("sessions")).unwrap();
        let session = SessionId::from_random([7; 8]);
        assert!(files.read_authority(&session).unwrap().is_none());
        let scope = Scope::new([&HostPattern::parse("api.example.com").unwrap()]).unwrap();
        let one = Authority::new("test", &scope).unwrap();
        files.write_authority(&session, &one).unwrap();
        let mode = fs::metadata(files.authority_file(&session)).unwrap();
        assert_eq!(mode.permissions().mode() & 0o777, 0o600);
        let again = files.read_authority(&session).unwrap().unwrap();
        assert_eq!(again.certificate_pem(), one.certificate_pem());
        assert!(
            files.write_authority(&session, &one).is_err(),
            "written twice"
        );
        fs::write(files.authority_file(&session), "no key").unwrap();
        assert!(files.read_authority(&session).is_err());
        files.remove(&session).unwrap();
        assert!(files.read_authority(&session).unwrap().is_none());
    }
}
