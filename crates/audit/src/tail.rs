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
use crate::segment::{self, Segment};
use crate::subscribe::Watchers;
use crate::{Entry, Event, Kind, LINE_MAX, LogError, Principal, timestamp};

/// When the tail starts segments and makes checkpoints.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    pub(crate) segment_bytes: u64,
    pub(crate) checkpoint_every: u64,
}

/// The segment being written.
#[derive(Debug)]
pub(crate) struct Current {
    pub(crate) file: Arc<File>,
    pub(crate) path: PathBuf,
    pub(crate) length: u64,
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
    /// the event is in the file.
    pub(crate) fn append(&mut self, event: &Event, draft: &Draft<'_>) -> Result<Receipt, LogError> {
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
        self.write(&event, &line, receipt)
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
        if overfull && self.current.length > 0 {
            self.rotate()?;
        }
        let opens = self.current.length == 0 && self.chain.last_seq() > 0;
        if opens || self.chain.unsealed >= self.pace.checkpoint_every {
            self.checkpoint()?;
            return Ok(true);
        }
        Ok(false)
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

    fn write(&mut self, event: &Event, line: &[u8], receipt: Receipt) -> Result<Receipt, LogError> {
        let totals = self.chain.totals.with(event.kind, &event.data)?;
        if let Err(error) = self.disk.write(&self.current.file, line) {
            self.take_back();
            return Err(FileError::at("write", &self.current.path)(error).into());
        }
        self.current.length += line.len() as u64;
        let prev = self.chain.prev;
        self.chain.advance(event.kind, receipt.hash, totals);
        if !self.watchers.is_empty() {
            self.watchers.tell(&Arc::new(Entry {
                seq: receipt.seq,
                time: receipt.time.clone(),
                kind: event.kind,
                session: event.session.clone(),
                run: event.run.clone(),
                step: event.step.clone(),
                principal: event.principal.clone(),
                data: event.data.clone(),
                prev,
                hash: receipt.hash,
            }));
        }
        Ok(receipt)
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
