//! Shares the log among threads and puts what they wrote on disk, many entries per sync.
//!
//! Not for: what a line is or where it goes (`tail`).

use std::fs::File;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use crate::entry::{Draft, Receipt};
use crate::file::{Disk, FileError};
use crate::tail::Tail;
use crate::{Event, LogError};

/// How long the syncer gathers entries before it syncs them. The promise is 50 ms; this leaves 30
/// of them to the disk.
pub const GATHER: Duration = Duration::from_millis(20);

/// When an append returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sync {
    /// Once the kernel has the line, which outlives every process; a thread syncs it to disk within
    /// 50 ms (as far as the disk is that fast). Only a crash of the host can lose those.
    Group,
    /// Once the line is on disk. Concurrent appends share a sync.
    Always,
}

#[derive(Debug)]
pub(crate) struct Commit {
    inner: Mutex<Inner>,
    /// Something became unsynced, or the log closes.
    dirty: Condvar,
    /// A sync ended.
    settled: Condvar,
    mode: Sync,
    disk: Arc<dyn Disk>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) tail: Tail,
    /// A thread is in fdatasync; others wait for it rather than sync too.
    syncing: bool,
    /// Held while the log is open; `None` once it is closed.
    lock: Option<File>,
}

type Guard<'a> = MutexGuard<'a, Inner>;

impl Commit {
    pub(crate) fn new(tail: Tail, lock: File, mode: Sync) -> Self {
        let disk = Arc::clone(&tail.disk);
        let inner = Mutex::new(Inner {
            tail,
            syncing: false,
            lock: Some(lock),
        });
        Self {
            inner,
            dirty: Condvar::new(),
            settled: Condvar::new(),
            mode,
            disk,
        }
    }

    /// Appends an event whose data was encoded before. Nothing is copied and nothing freed under the lock,
    /// which all requests of the host pass through.
    pub(crate) fn append(&self, event: Event, data: Vec<u8>) -> Result<Receipt, LogError> {
        let mut told = None;
        self.change(|tail| {
            let placed = tail.append(&event, &Draft::with(data, &event))?;
            let receipt = placed.receipt.clone();
            told = tail.tell(event, placed);
            Ok(receipt)
        })
    }

    pub(crate) fn checkpoint(&self) -> Result<Receipt, LogError> {
        self.change(Tail::checkpoint)
    }

    /// A checkpoint, if anything was appended since the last one.
    pub(crate) fn seal(&self) -> Result<Option<Receipt>, LogError> {
        if self.open()?.tail.chain.unsealed == 0 {
            return Ok(None);
        }
        self.checkpoint().map(Some)
    }

    /// Returns once everything written so far is on disk, the signed head included.
    pub(crate) fn flush(&self) -> Result<(), LogError> {
        let inner = self.open()?;
        let last = inner.tail.chain.last_seq();
        let inner = self.settle(inner, last)?;
        // A sync that a new segment overtook may still be storing an older head.
        let busy = |inner: &mut Inner| inner.syncing;
        let mut inner = self.settled.wait_while(inner, busy).map_err(poisoned)?;
        if let Some(head) = inner.tail.head.clone() {
            head.store(&inner.tail.dir)?;
            inner.tail.head = None;
        }
        Ok(())
    }

    /// Seals the log with a checkpoint, syncs it and lets go of it, even where sealing fails.
    pub(crate) fn close(&self) -> Result<(), LogError> {
        let sealed = match self.open() {
            Err(LogError::Closed) => return Ok(()),
            Err(error) => Err(error),
            Ok(inner) if inner.tail.chain.unsealed == 0 => inner.tail.check(),
            Ok(mut inner) => inner.tail.checkpoint().map(|_receipt| ()),
        };
        let outcome = sealed.and_then(|()| self.flush());
        let mut inner = self.lock()?;
        inner.lock = None;
        inner.tail.watchers = crate::subscribe::Watchers::default();
        self.dirty.notify_all();
        outcome
    }

    /// The open log, for reading its state and adding watchers.
    pub(crate) fn open(&self) -> Result<Guard<'_>, LogError> {
        let inner = self.lock()?;
        if inner.lock.is_none() {
            Err(LogError::Closed)
        } else {
            Ok(inner)
        }
    }

    /// The syncer thread: gathers, syncs, until the log closes or breaks.
    pub(crate) fn sync_in_groups(&self) -> Result<(), LogError> {
        let mut inner = self.lock()?;
        loop {
            let idle = |inner: &mut Inner| inner.lock.is_some() && inner.tail.is_synced();
            inner = self.dirty.wait_while(inner, idle).map_err(poisoned)?;
            let open = |inner: &mut Inner| inner.lock.is_some();
            let waited = self
                .dirty
                .wait_timeout_while(inner, GATHER, open)
                .map_err(poisoned)?;
            inner = waited.0;
            if inner.lock.is_none() {
                return Ok(());
            }
            let last = inner.tail.chain.last_seq();
            inner = self.settle(inner, last)?;
        }
    }

    fn change(
        &self,
        change: impl FnOnce(&mut Tail) -> Result<Receipt, LogError>,
    ) -> Result<Receipt, LogError> {
        let mut inner = self.open()?;
        let was_synced = inner.tail.is_synced();
        let outcome = change(&mut inner.tail);
        if was_synced && !inner.tail.is_synced() {
            self.dirty.notify_one();
        }
        let receipt = outcome?;
        if self.mode == Sync::Always {
            drop(self.settle(inner, receipt.seq)?);
        }
        Ok(receipt)
    }

    /// Returns once entry `seq` is on disk. The first to come syncs for all that wrote until then;
    /// whoever writes meanwhile is in the next round.
    fn settle<'a>(&'a self, mut inner: Guard<'a>, seq: u64) -> Result<Guard<'a>, LogError> {
        while inner.tail.synced < seq {
            inner.tail.check()?;
            inner = if inner.syncing {
                self.settled.wait(inner).map_err(poisoned)?
            } else {
                self.sync(inner)?
            };
        }
        Ok(inner)
    }

    /// One sync, without holding the lock. A head that can't be stored is tried again with the next
    /// sync and is reported by flush and close: it lags, which loses no record.
    fn sync<'a>(&'a self, mut inner: Guard<'a>) -> Result<Guard<'a>, LogError> {
        inner.syncing = true;
        let (file, path) = (
            Arc::clone(&inner.tail.current.file),
            inner.tail.current.path.clone(),
        );
        let (last, head) = (inner.tail.chain.last_seq(), inner.tail.head.clone());
        let dir = inner.tail.dir.clone();
        drop(inner);
        let outcome = self
            .disk
            .sync(&file)
            .map_err(FileError::at("fdatasync", &path));
        let stored = outcome.is_ok() && head.as_ref().is_some_and(|head| head.store(&dir).is_ok());
        let mut inner = self.lock()?;
        inner.syncing = false;
        match outcome {
            Ok(()) => inner.tail.synced = inner.tail.synced.max(last),
            Err(error) => inner.tail.broken = Some(error.to_string()),
        }
        if stored && inner.tail.head == head {
            inner.tail.head = None;
        }
        self.settled.notify_all();
        Ok(inner)
    }

    fn lock(&self) -> Result<Guard<'_>, LogError> {
        self.inner.lock().map_err(poisoned)
    }
}

/// A thread panicked while it held the log: its end is unknown.
fn poisoned<T>(_: std::sync::PoisonError<T>) -> LogError {
    LogError::Broken {
        cause: "a thread panicked while it wrote".to_owned(),
    }
}
