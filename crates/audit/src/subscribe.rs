//! Live copies of appended entries for whoever watches, at no cost to whoever writes.
//!
//! Not for: history (`reader`).

use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use crate::Entry;

/// Whether a hook wants to be called again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interest {
    /// Yes.
    More,
    /// No: the hook is dropped.
    Done,
}

/// Called with each entry once it is written, in order, under the log's lock: it must return at
/// once (hand the entry to a queue) and must not use the log.
pub type Hook = Box<dyn FnMut(&Arc<Entry>) -> Interest + Send>;

/// The log's watchers.
#[derive(Default)]
pub(crate) struct Watchers(Vec<Hook>);

impl Watchers {
    pub(crate) fn add(&mut self, hook: Hook) {
        self.0.push(hook);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn tell(&mut self, entry: &Arc<Entry>) {
        self.0.retain_mut(|hook| hook(entry) == Interest::More);
    }
}

impl fmt::Debug for Watchers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Watchers({})", self.0.len())
    }
}

/// An entry, and how many were lost before it because the subscriber was slow.
#[derive(Debug, Clone)]
pub struct Live {
    /// Entries between the one received before and this one.
    pub missed: u64,
    /// The entry.
    pub entry: Arc<Entry>,
}

/// The receiving end of a bounded queue of entries. When it is full, entries are lost to this
/// subscriber, counted, and can be read back from the files. Drop it to unsubscribe.
#[derive(Debug)]
pub struct Subscription {
    queue: Receiver<Arc<Entry>>,
    next_seq: u64,
}

impl Subscription {
    /// A subscription to what follows `last_seq`, and the hook that feeds it.
    pub(crate) fn after(last_seq: u64, capacity: usize) -> (Self, Hook) {
        // A queue of 0 would hand over only to a receiver that is waiting already.
        let (sender, queue) = sync_channel(capacity.max(1));
        let hook = Box::new(move |entry: &Arc<Entry>| offer(&sender, entry));
        (
            Self {
                queue,
                next_seq: last_seq.saturating_add(1),
            },
            hook,
        )
    }

    /// The next entry, waiting no longer than `timeout` for it.
    ///
    /// # Errors
    /// `Timeout` when none came; `Disconnected` when the log is closed and all were received.
    pub fn next_within(&mut self, timeout: Duration) -> Result<Live, RecvTimeoutError> {
        let entry = self.queue.recv_timeout(timeout)?;
        let missed = entry.seq.saturating_sub(self.next_seq);
        self.next_seq = entry.seq.saturating_add(1);
        Ok(Live { missed, entry })
    }
}

fn offer(sender: &SyncSender<Arc<Entry>>, entry: &Arc<Entry>) -> Interest {
    match sender.try_send(Arc::clone(entry)) {
        Ok(()) | Err(TrySendError::Full(_)) => Interest::More,
        Err(TrySendError::Disconnected(_)) => Interest::Done,
    }
}
