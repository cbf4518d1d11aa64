//! A small file per living session, so that an office started anew goes on with its counters.
//!
//! Of secrets only the key of a session's certificate authority is here, in a file of its own.
//!
//! Not for: other secrets (of the token there is a hash), nor for history (`audit`).

mod authority;

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::SessionId;
use serde::{Deserialize, Serialize};

use crate::session::{Carried, Facts};

/// Form of the files; another one is not read.
const VERSION: u32 = 1;
/// Largest file that is read: facts are bounded by one attach message, usage by its host table.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// What is kept of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Saved {
    version: u32,
    /// What was decided at its start.
    pub facts: Facts,
    /// When its command started; RFC 3339 UTC.
    pub started: String,
    /// Milliseconds that it had been running when this was written.
    pub running_ms: u64,
    /// Milliseconds since 1970 when this was written.
    pub written_ms: u64,
    /// True while it is frozen.
    pub paused: bool,
    /// Its meters so far; budgets go on from here.
    pub carried: Carried,
}

/// The folder of these files.
#[derive(Debug, Clone)]
pub struct SavedFolder {
    path: PathBuf,
    /// Held while a file changes: a launch, the clock and an end may want the same one at once.
    turn: Arc<Mutex<()>>,
}

/// A file that could not be written, read or removed.
#[derive(Debug, thiserror::Error)]
pub enum SavedError {
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
    /// Not one of our files, or of another version.
    #[error("{} is not a saved session: {why}", path.display())]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

impl Saved {
    /// The state of a session to keep.
    #[must_use]
    pub fn of(session: &crate::Session) -> Self {
        let life = session.life();
        Self {
            version: VERSION,
            facts: session.facts().clone(),
            running_ms: life.duration_ms(),
            written_ms: now_ms(),
            paused: life.state == crate::State::Paused,
            started: life.started,
            carried: Carried {
                usage: session.usage(),
                kernel: session.kernel(),
                syscalls_denied: session.syscall_denials().count(),
            },
        }
    }

    /// How long the session has been running by now, the time without an office included. A clock
    /// that was set back counts as no time.
    #[must_use]
    pub fn running_now(&self) -> std::time::Duration {
        let away = now_ms().saturating_sub(self.written_ms);
        std::time::Duration::from_millis(self.running_ms.saturating_add(away))
    }
}

impl SavedFolder {
    /// Opens the folder, making it (mode 0700) where it is missing.
    ///
    /// # Errors
    /// The system's, with the path.
    pub fn open(path: &Path) -> Result<Self, SavedError> {
        let made = fs::DirBuilder::new().mode(0o700).create(path);
        match made {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                Err(failed("mkdir", path)(error))
            }
            _ => Ok(Self {
                path: path.to_owned(),
                turn: Arc::default(),
            }),
        }
    }

    /// Removes every file: no session of an earlier warden lives.
    ///
    /// # Errors
    /// The system's, with the path.
    pub fn clear(&self) -> Result<(), SavedError> {
        let entries = fs::read_dir(&self.path).map_err(failed("readdir", &self.path))?;
        for entry in entries {
            let path = entry.map_err(failed("readdir", &self.path))?.path();
            fs::remove_file(&path).map_err(failed("unlink", &path))?;
        }
        Ok(())
    }

    /// Writes a session's file, whole or not at all: a crash of any process leaves the old or the
    /// new text.
    ///
    /// # Errors
    /// The system's, with the path.
    pub fn write(&self, saved: &Saved) -> Result<(), SavedError> {
        let _turn = self.turn();
        self.replace(saved)
    }

    /// Writes a session's file anew, unless it was removed: an ended session must not come back.
    ///
    /// # Errors
    /// The system's, with the path.
    pub fn update(&self, saved: &Saved) -> Result<(), SavedError> {
        let _turn = self.turn();
        let path = self.file(&saved.facts.session);
        match path.try_exists() {
            Ok(true) => self.replace(saved),
            Ok(false) => Ok(()),
            Err(error) => Err(failed("stat", &path)(error)),
        }
    }

    fn turn(&self) -> MutexGuard<'_, ()> {
        // Nothing is guarded but the files, which are whole at any moment.
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn replace(&self, saved: &Saved) -> Result<(), SavedError> {
        let path = self.file(&saved.facts.session);
        let draft = path.with_extension("new");
        let text = serde_json::to_vec(saved).map_err(|error| SavedError::Malformed {
            path: path.clone(),
            why: error.to_string(),
        })?;
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&draft)
            .map_err(failed("open", &draft))?;
        file.write_all(&text).map_err(failed("write", &draft))?;
        fs::rename(&draft, &path).map_err(failed("rename", &path))
    }

    /// Reads a session's file; `None` when there is none.
    ///
    /// # Errors
    /// The system's; [`SavedError::Malformed`].
    pub fn read(&self, session: &SessionId) -> Result<Option<Saved>, SavedError> {
        let path = self.file(session);
        let text = match read_bounded(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(failed("read", &path))?,
        };
        let malformed = |why: String| SavedError::Malformed {
            path: path.clone(),
            why,
        };
        let saved: Saved =
            serde_json::from_slice(&text).map_err(|error| malformed(error.to_string()))?;
        if saved.version != VERSION || saved.facts.session != *session {
            return Err(malformed(format!("version {}", saved.version)));
        }
        Ok(Some(saved))
    }

    /// Removes a session's files, where there are any, its authority's key first.
    ///
    /// # Errors
    /// The system's, with the path.
    pub fn remove(&self, session: &SessionId) -> Result<(), SavedError> {
        let _turn = self.turn();
        let files = [self.authority_file(session), self.file(session)];
        files.iter().try_for_each(|path| remove_file(path))
    }

    /// Ids are hexadecimal by type, so they name a file in this folder and nowhere else.
    fn file(&self, session: &SessionId) -> PathBuf {
        self.path.join(format!("{session}.json"))
    }
}

fn remove_file(path: &Path) -> Result<(), SavedError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("unlink", path)(error)),
        _ => Ok(()),
    }
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let file = fs::File::open(path)?;
    io::Read::read_to_end(&mut io::Read::take(file, FILE_BYTES_MAX), &mut text)?;
    Ok(text)
}

fn failed(call: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SavedError {
    let path = path.to_owned();
    move |source| SavedError::File { call, path, source }
}

fn now_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}

#[cfg(test)]
mod tests;
