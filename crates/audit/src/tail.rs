//! The growing end of the log: appends lines, starts segments, makes checkpoints. One thread at a time.
//!
//! Not for: locking and syncing (`commit`).

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use serde_json::{Value, json};

use crate::chain::Chain;
use crate::checkpoint::{Checkpoint, Head};
use crate::entry::{Draft, Receipt};
use crate::file::{self, Disk, FileError};
use crate::key::KeyPair;
use crate::retention::{Kept, Pruned, Retention};
use crate::segment::{self, Segment};
use crate::subscribe::Watchers;
use crate::{Entry, EntryHash, Event, Kind, LINE_MAX, LogError, Principal, timestamp};

/// When the tail starts segments and makes checkpoints.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    pub(crate) segment_bytes: u64,
    pub(crate) checkpoint_every: u64,
    pub(crate) retention: Retention,
}

/// The segment being written.
#[derive(Debug)]
pub(crate) struct Current {
    pub(crate) file: Arc<File>,
    pub(crate) path: PathBuf,
    pub(crate) length: u64,
}

/// Where an entry got in the chain.
#[derive(Debug)]
pub(crate) struct Placed {
    pub(crate) receipt: Receipt,
    prev: EntryHash,
}

#[derive(Debug)]
pub(crate) struct Tail {
    pub(crate) dir: PathBuf,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) pace: Pace,
    pub(crate) keys: KeyPair,
    pub(crate) chain: Chain,
    pub(crate) current: Current,
    /// Last seq that is on disk.
    pub(crate) synced: u64,
    /// The newest signed head that still has to be stored, once it is on disk.
    pub(crate) head: Option<Head>,
    /// Why nothing may be written any more.
    pub(crate) broken: Option<String>,
    pub(crate) watchers: Watchers,
}

impl Tail {
    /// Appends the event, after a new segment or checkpoint where one is due. On an error nothing of
    /// the event is in the file. Those who watch are still to be told.
    pub(crate) fn append(&mut self, event: &Event, draft: &Draft<'_>) -> Result<Placed, LogError> {
        self.check()?;
        let time = now()?;
        let (line, receipt) = self.chain.place(draft, time.clone());
        if line.len() > LINE_MAX {
            return Err(LogError::TooLong {
                kind: event.kind,
                bytes: line.len(),
            });
        }
        // Refused here rather than at the write: room need not be made for what can't be summed.
        self.chain.totals.with(event.kind, &event.data)?;
        if self.make_room(line.len() as u64)? {
            let (line, receipt) = self.chain.place(draft, time);
            return self.write(event, &line, receipt);
        }
        self.write(event, &line, receipt)
    }

    /// Appends one of the log's own events where it stands, without making room.
    pub(crate) fn append_own(&mut self, kind: Kind, data: Value) -> Result<Receipt, LogError> {
        self.check()?;
        let event = Event::new(kind, Principal::Sheriff).data(data);
        let draft = Draft::of(&event).map_err(|source| LogError::Data { kind, source })?;
        let (line, receipt) = self.chain.place(&draft, now()?);
        let placed = self.write(&event, &line, receipt)?;
        let receipt = placed.receipt.clone();
        self.tell(event, placed);
        Ok(receipt)
    }

    /// Tells those who watch of an entry that was written. What is left of it costs time to free, which
    /// is better done without the lock.
    pub(crate) fn tell(&mut self, event: Event, placed: Placed) -> Option<Arc<Entry>> {
        if self.watchers.is_empty() {
            return None;
        }
        let Placed { receipt, prev } = placed;
        let entry = Arc::new(Entry {
            seq: receipt.seq,
            time: receipt.time,
            kind: event.kind,
            session: event.session,
            run: event.run,
            step: event.step,
            principal: event.principal,
            data: event.data,
            prev,
            hash: receipt.hash,
        });
        self.watchers.tell(&entry);
        Some(entry)
    }

    /// Appends a signed checkpoint about everything so far.
    pub(crate) fn checkpoint(&mut self) -> Result<Receipt, LogError> {
        let checkpoint = Checkpoint::sign(&self.keys, &self.chain);
        let receipt = self.append_own(Kind::Checkpoint, json!(checkpoint))?;
        self.head = Some(Head::sign(&self.keys, &self.chain));
        Ok(receipt)
    }

    /// Fails when an earlier failure forbids further writes.
    pub(crate) fn check(&self) -> Result<(), LogError> {
        match &self.broken {
            Some(cause) => Err(LogError::Broken {
                cause: cause.clone(),
            }),
            None => Ok(()),
        }
    }

    pub(crate) fn is_synced(&self) -> bool {
        self.synced >= self.chain.last_seq()
    }

    /// Starts a segment if `bytes` more would overfill this one, and makes the checkpoint that opens
    /// every segment but the first or that is due. True when the chain moved.
    pub(crate) fn make_room(&mut self, bytes: u64) -> Result<bool, LogError> {
        let overfull = self.current.length.saturating_add(bytes) > self.pace.segment_bytes;
        let rotates = overfull && self.current.length > 0;
        if rotates {
            self.rotate()?;
        }
        let opens = self.current.length == 0 && self.chain.last_seq() > 0;
        if rotates {
            self.checkpoint()?;
            self.prune()?;
            return Ok(true);
        }
        if opens || self.chain.unsealed >= self.pace.checkpoint_every {
            self.checkpoint()?;
            return Ok(true);
        }
        Ok(false)
    }

    /// Removes the segments whose time is up, once that is signed and on disk. A file that can't be
    /// removed stays for the next time: keeping too much must not stop the record.
    pub(crate) fn prune(&mut self) -> Result<(), LogError> {
        if self.pace.retention.keeps_all() {
            return Ok(());
        }
        let segments = segment::list(&self.dir)?.segments.into_iter();
        let kept: Vec<Kept> = segments.map(Kept::of).collect::<Result<_, _>>()?;
        let count = self.pace.retention.expired(&kept, SystemTime::now());
        let Some(pruned) = Pruned::of(&kept, count) else {
            return Ok(());
        };
        self.append_own(Kind::LogPruned, json!(pruned))?;
        self.checkpoint()?;
        let synced = self.disk.sync(&self.current.file);
        self.settle(synced.map_err(FileError::at("fdatasync", &self.current.path)))?;
        self.synced = self.chain.last_seq();
        if let Some(head) = self.head.take() {
            // Without it the head would name an entry that is gone.
            if let Err(error) = head.store(&self.dir) {
                self.head = Some(head);
                return Err(error.into());
            }
        }
        // Oldest first, so that what is left has no gap wherever this ends.
        for kept in kept.into_iter().take(count) {
            if std::fs::remove_file(&kept.segment.path).is_err() {
                break;
            }
        }
        let folder = file::sync_folder(&self.dir);
        self.settle(folder)
    }

    /// Syncs the full segment, so that no later one is ever on disk without it, and starts the next.
    fn rotate(&mut self) -> Result<(), LogError> {
        let synced = self.disk.sync(&self.current.file);
        self.settle(synced.map_err(FileError::at("fdatasync", &self.current.path)))?;
        self.synced = self.chain.last_seq();
        let next = Segment::starting_at(&self.dir, self.chain.next_seq);
        let file = Arc::new(file::create(&next.path, segment::MODE)?);
        self.current = Current {
            file,
            path: next.path,
            length: 0,
        };
        let folder = file::sync_folder(&self.dir);
        self.settle(folder)
    }

    /// After a failed sync the kernel may have dropped the pages: nothing more can be promised.
    fn settle(&mut self, result: Result<(), FileError>) -> Result<(), LogError> {
        if let Err(error) = &result {
            self.broken = Some(error.to_string());
        }
        Ok(result?)
    }

    fn write(&mut self, event: &Event, line: &[u8], receipt: Receipt) -> Result<Placed, LogError> {
        let totals = self.chain.totals.with(event.kind, &event.data)?;
        if let Err(error) = self.disk.write(&self.current.file, line) {
            self.take_back();
            return Err(FileError::at("write", &self.current.path)(error).into());
        }
        self.current.length += line.len() as u64;
        let prev = self.chain.prev;
        self.chain.advance(event.kind, receipt.hash, totals);
        Ok(Placed { receipt, prev })
    }

    /// Cuts off whatever a failed write left, so that the next line starts at a line's start.
    fn take_back(&mut self) {
        let Current { file, path, length } = &self.current;
        if let Err(error) = self.disk.truncate(file, *length) {
            self.broken = Some(FileError::at("ftruncate", path)(error).to_string());
        }
    }
}

fn now() -> Result<String, LogError> {
    timestamp::rfc3339(SystemTime::now()).ok_or(LogError::Clock)
}
