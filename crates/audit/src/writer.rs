//! The log for those who write it: open, append, close.
//!
//! Not for: reading (`reader`) or judging (`verify`).

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};

use serde_json::json;

use crate::commit::{Commit, Sync};
use crate::entry::{Draft, Receipt};
use crate::file::{self, Disk, FileError, Kernel};
use crate::key::{KeyPair, PublicKey};
use crate::recover::{self, Found};
use crate::retention::Retention;
use crate::segment::{self, Segment};
use crate::subscribe::{Hook, Subscription, Watchers};
use crate::tail::{Current, Pace, Tail};
use crate::{Event, Kind, LogError};

/// Default size at which a segment is full: a day of a busy host, and quick to copy or check.
pub const SEGMENT_BYTES: u64 = 64 * 1024 * 1024;

/// Default number of entries between checkpoints: what an attacker could cut unnoticed stays small,
/// and signing stays under a thousandth of the work.
pub const CHECKPOINT_EVERY: u64 = 1000;

/// The lock file in the log's folder.
const LOCK_FILE: &str = "lock";

/// How a log is written.
#[derive(Debug, Clone)]
pub struct Options {
    /// A segment that would grow beyond this is followed by a new one.
    pub segment_bytes: u64,
    /// When an append returns.
    pub sync: Sync,
    /// A checkpoint follows this many entries; one also opens each segment and closes the log.
    pub checkpoint_every: u64,
    /// What of the log is kept.
    pub retention: Retention,
    /// Folder of the key pair; `None` for the log's own.
    pub key_dir: Option<PathBuf>,
}

impl Options {
    /// The defaults with this sync mode.
    #[must_use]
    pub const fn new(sync: Sync) -> Self {
        Self {
            segment_bytes: SEGMENT_BYTES,
            sync,
            checkpoint_every: CHECKPOINT_EVERY,
            retention: Retention {
                age: None,
                bytes: None,
            },
            key_dir: None,
        }
    }
}

/// The log, open for writing by this process alone. Share it by reference or in an `Arc`.
///
/// Dropping it closes it; call [`Log::close`] to learn whether that worked.
#[derive(Debug)]
pub struct Log {
    commit: Arc<Commit>,
    syncer: Mutex<Option<JoinHandle<()>>>,
    key: PublicKey,
}

impl Log {
    /// Opens the log in `dir` (made with mode 0750 if its parent is there), checks its end, repairs
    /// a torn last line, and continues the chain.
    ///
    /// # Errors
    /// [`LogError`], each naming its remedy: another writer, unusable keys, a damaged end, no disk.
    pub fn open(dir: &Path, options: &Options) -> Result<Self, LogError> {
        Self::open_on(dir, options, Arc::new(Kernel))
    }

    /// Records the event; what it permits may be done once this returned `Ok`. With
    /// [`Sync::Always`] this blocks for the disk: keep it off async threads.
    ///
    /// # Errors
    /// [`LogError`]: nothing was recorded, or (with `Always`, on a failed sync) nobody can tell;
    /// either way the effect must not happen. After a full disk the next append may work again.
    pub fn append(&self, event: &Event) -> Result<Receipt, LogError> {
        self.record(event.clone())
    }

    /// The same for an event that the caller needs no more.
    ///
    /// # Errors
    /// As for [`Log::append`].
    pub fn record(&self, event: Event) -> Result<Receipt, LogError> {
        let kind = event.kind;
        if kind.is_reserved() {
            return Err(LogError::Reserved { kind });
        }
        let data = Draft::encode_data(&event.data);
        let data = data.map_err(|source| LogError::Data { kind, source })?;
        self.commit.append(event, data)
    }

    /// Appends a checkpoint if entries stand behind the last one. Called on a timer, it bounds by time
    /// what can be cut off unnoticed when little happens.
    ///
    /// # Errors
    /// As for [`Log::append`].
    pub fn seal(&self) -> Result<Option<Receipt>, LogError> {
        self.commit.seal()
    }

    /// Appends a checkpoint now.
    ///
    /// # Errors
    /// As for [`Log::append`].
    pub fn checkpoint(&self) -> Result<Receipt, LogError> {
        self.commit.checkpoint()
    }

    /// Returns once everything appended before is on disk.
    ///
    /// # Errors
    /// As for [`Log::append`].
    pub fn flush(&self) -> Result<(), LogError> {
        self.commit.flush()
    }

    /// Seals the log with a checkpoint, syncs it, ends the syncer and lets others open it. Later
    /// calls do nothing; later appends fail.
    ///
    /// # Errors
    /// The checkpoint or the sync failed. The log is closed nevertheless.
    pub fn close(&self) -> Result<(), LogError> {
        let outcome = self.commit.close();
        let syncer = self
            .syncer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if syncer.is_some_and(|thread| thread.join().is_err()) {
            outcome?;
            let cause = "the syncer panicked".to_owned();
            return Err(LogError::Broken { cause });
        }
        outcome
    }

    /// The key that checks this log's signatures.
    #[must_use]
    pub const fn public_key(&self) -> PublicKey {
        self.key
    }

    /// A bounded queue of what is appended from now on. It never delays the log: when it is full,
    /// entries are lost to it and counted.
    ///
    /// # Errors
    /// [`LogError::Closed`].
    pub fn subscribe(&self, capacity: usize) -> Result<Subscription, LogError> {
        let mut inner = self.commit.open()?;
        let last = inner.tail.chain.last_seq();
        let (subscription, hook) = Subscription::after(last, capacity);
        inner.tail.watchers.add(hook);
        Ok(subscription)
    }

    /// Calls `hook` with each entry from now on; see [`Hook`] for what it may do.
    ///
    /// # Errors
    /// [`LogError::Closed`].
    pub fn on_append(&self, hook: Hook) -> Result<(), LogError> {
        self.commit.open()?.tail.watchers.add(hook);
        Ok(())
    }

    pub(crate) fn open_on(
        dir: &Path,
        options: &Options,
        disk: Arc<dyn Disk>,
    ) -> Result<Self, LogError> {
        file::make_folder(dir)?;
        let lock = file::lock(&dir.join(LOCK_FILE))?;
        let lock = lock.ok_or_else(|| LogError::Locked {
            dir: dir.to_owned(),
        })?;
        let segments = segment::list(dir)?.segments;
        let keys = KeyPair::load(
            options.key_dir.as_deref().unwrap_or(dir),
            segments.is_empty(),
        )?;
        let key = keys.public();
        let found = recover::find(dir, segments, &key)?;
        let tail = continue_from(dir, options, disk, (keys, found))?;
        let commit = Arc::new(Commit::new(tail, lock, options.sync));
        // The opening is on disk before anything relies on the log.
        commit.flush()?;
        let syncer = match options.sync {
            Sync::Group => Some(start_syncer(dir, &commit)?),
            Sync::Always => None,
        };
        Ok(Self {
            commit,
            syncer: Mutex::new(syncer),
            key,
        })
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        // Without the final checkpoint the log is still whole: the next opening continues it.
        drop(self.close());
    }
}

/// The log's growing end as the last run left it, repaired, with this opening recorded.
fn continue_from(
    dir: &Path,
    options: &Options,
    disk: Arc<dyn Disk>,
    (keys, found): (KeyPair, Found),
) -> Result<Tail, LogError> {
    let mut tail = Tail {
        dir: dir.to_owned(),
        current: current(dir, &found, disk.as_ref())?,
        disk,
        pace: Pace {
            segment_bytes: options.segment_bytes,
            checkpoint_every: options.checkpoint_every,
            retention: options.retention,
        },
        keys,
        synced: 0,
        chain: found.chain,
        head: None,
        broken: None,
        watchers: Watchers::default(),
    };
    tail.make_room(0)?;
    if let Some(torn) = &found.torn {
        tail.append_own(Kind::LogRecovered, torn.data())?;
    }
    tail.append_own(Kind::LogOpened, json!({ "key": tail.keys.public() }))?;
    if !found.has_head {
        tail.checkpoint()?;
    }
    tail.prune()?;
    Ok(tail)
}

/// Opens the last segment without its torn line, or creates the first one.
fn current(dir: &Path, found: &Found, disk: &dyn Disk) -> Result<Current, LogError> {
    let Some((segment, length)) = &found.last else {
        let first = Segment::starting_at(dir, found.chain.next_seq);
        let file = Arc::new(file::create(&first.path, segment::MODE)?);
        file::sync_folder(dir)?;
        return Ok(Current {
            file,
            path: first.path,
            length: 0,
        });
    };
    let file = Arc::new(file::open_for_appending(&segment.path)?);
    if found.torn.is_some() {
        disk.truncate(&file, *length)
            .map_err(FileError::at("ftruncate", &segment.path))?;
    }
    Ok(Current {
        file,
        path: segment.path.clone(),
        length: *length,
    })
}

fn start_syncer(dir: &Path, commit: &Arc<Commit>) -> Result<JoinHandle<()>, LogError> {
    let commit = Arc::clone(commit);
    // A failed sync is kept in the log and is the error of the next append; the thread just ends.
    let work = move || drop(commit.sync_in_groups());
    let thread = Builder::new().name("audit-sync".to_owned()).spawn(work);
    Ok(thread.map_err(FileError::at("clone", dir))?)
}

#[cfg(test)]
mod tests;
