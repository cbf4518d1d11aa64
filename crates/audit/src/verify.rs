//! Whether a log is whole, from its files and the public key alone.
//!
//! Not for: repair; a log that fails here is evidence and stays as it is.
//!
//! Found: any changed, added, removed, repeated or moved byte, line or segment up to the last
//! checkpoint, for anyone who lacks the signing key; byte totals that disagree; a cut that goes
//! behind the signed head; a beginning that is gone without a sealed `log.pruned`; a log rebuilt from
//! nothing with another key, if `key` was given.
//!
//! Not found, because nothing in the files can show it: entries *after* the last checkpoint that
//! were cut at a line's end, or replaced by others with fitting hashes ([`Report::unsealed`] says how
//! many stand unprotected); a cut behind an older checkpoint by someone who kept that time's
//! `audit-head` and put it back; anything done with the signing key. Against these, copy
//! [`Report::last`] (or a receipt) to another machine and compare.

use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use crate::chain::{Chain, Totals};
use crate::checkpoint::{Checkpoint, HEAD_FILE, Head, HeadFile};
use crate::entry::LineError;
use crate::file::FileError;
use crate::judge::{Fault, follow, judge};
use crate::lines::{Lines, Step};
use crate::retention::Pruned;
use crate::segment::{self, Segment};
use crate::{Entry, EntryHash, Kind, PublicKey, ReadError};

/// Problems listed in a report; a log with more is not better understood by the rest.
pub const PROBLEMS_MAX: usize = 1000;

/// How long an unfinished last line is given to be finished, should the log be in use.
const UNFINISHED_GRACE: Duration = Duration::from_millis(50);

/// An entry by position.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mark {
    /// Its number.
    pub seq: u64,
    /// Its time, RFC 3339.
    pub time: String,
    /// Its hash as stated.
    pub hash: EntryHash,
}

/// One finding and its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// File name.
    pub segment: String,
    /// Line, from 1; 0 for the file as a whole.
    pub line: u64,
    /// What is wrong.
    pub what: Fault,
}

/// What was found in a log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Entries read.
    pub entries: u64,
    /// Segments read.
    pub segments: u64,
    /// Checkpoints read.
    pub checkpoints: u64,
    /// Entries after the last checkpoint: chained, but not yet protected by a signature.
    pub unsealed: u64,
    /// The first entry.
    pub first: Option<Mark>,
    /// The last entry.
    pub last: Option<Mark>,
    /// The last entry that the log's own retention removed; 0 when it begins with its first.
    pub pruned_through: u64,
    /// Sum over the `egress.close` entries, those that were removed included.
    pub bytes_up: u64,
    /// Sum over the `egress.close` entries.
    pub bytes_down: u64,
    /// The key that signatures were checked against: the one given, else the log's own claim.
    pub key: Option<PublicKey>,
    /// Everything wrong, at most [`PROBLEMS_MAX`].
    pub problems: Vec<Problem>,
    /// Problems beyond that.
    pub more_problems: u64,
}

impl Report {
    /// True when nothing is wrong.
    #[must_use]
    pub const fn is_intact(&self) -> bool {
        self.problems.is_empty()
    }
}

/// Checks the log in `dir`. Without `key`, the log's first checkpoint says which key is right, so
/// that only inconsistency shows, not a log made anew.
///
/// # Errors
/// [`ReadError`] when files can't be read. Whatever is wrong with their content is in the report.
pub fn verify(dir: &Path, key: Option<&PublicKey>) -> Result<Report, ReadError> {
    // The head first: a log in use may grow beyond it meanwhile, but never falls behind it.
    let head = Head::read(dir)?;
    let listing = segment::list(dir)?;
    let mut walk = Walk::new(key, &head);
    for name in listing.misnamed {
        walk.problem(name, 0, Fault::Misnamed);
    }
    let count = listing.segments.len();
    for (index, segment) in listing.segments.iter().enumerate() {
        walk.segment(segment, index + 1 == count)?;
    }
    walk.head(head);
    Ok(walk.finish())
}

struct Walk {
    report: Report,
    chain: Chain,
    /// The line before was unreadable: the next entry is taken as it comes.
    is_lost: bool,
    has_events: bool,
    /// The last entry that a `log.pruned` names, and that of a sealed one.
    pruned: (u64, u64),
    head_seq: Option<u64>,
    /// Hash of the entry at `head_seq`.
    at_head: Option<EntryHash>,
}

impl Walk {
    fn new(key: Option<&PublicKey>, head: &HeadFile) -> Self {
        let head_seq = match head {
            HeadFile::Present(head) => Some(head.seq),
            HeadFile::Missing | HeadFile::Unreadable => None,
        };
        Self {
            report: Report {
                key: key.copied(),
                ..Report::default()
            },
            chain: Chain::new(),
            is_lost: false,
            has_events: false,
            pruned: (0, 0),
            head_seq,
            at_head: None,
        }
    }

    fn problem(&mut self, segment: String, line: u64, what: Fault) {
        if self.report.problems.len() < PROBLEMS_MAX {
            self.report.problems.push(Problem {
                segment,
                line,
                what,
            });
        } else {
            self.report.more_problems += 1;
        }
    }

    fn segment(&mut self, segment: &Segment, is_last: bool) -> Result<(), ReadError> {
        let mut lines = segment::read(segment)?;
        self.report.segments += 1;
        let read = |lines: &mut Lines| lines.step().map_err(FileError::at("read", &segment.path));
        loop {
            let mut step = read(&mut lines)?;
            if is_last && matches!(step, Step::End { unfinished: 1.. }) {
                std::thread::sleep(UNFINISHED_GRACE);
                step = read(&mut lines)?;
            }
            let line = lines.number();
            match step {
                Step::Line => self.line(segment, line, lines.text()),
                Step::TooLong => self.unreadable(segment, line, LineError::TooLong),
                Step::End { unfinished } => {
                    self.end(segment, line, unfinished, is_last);
                    return Ok(());
                }
            }
        }
    }

    fn end(&mut self, segment: &Segment, line: u64, unfinished: u64, is_last: bool) {
        if unfinished > 0 {
            self.problem(segment.name(), line, Fault::Torn { bytes: unfinished });
        } else if line == 1 && !is_last {
            self.problem(segment.name(), 0, Fault::EmptySegment);
        }
    }

    fn line(&mut self, segment: &Segment, line: u64, text: &[u8]) {
        let entry = match Entry::from_line(text) {
            Ok(entry) => entry,
            Err(error) => return self.unreadable(segment, line, error),
        };
        if line == 1 && entry.seq != segment.first {
            let name = Fault::Name {
                named: segment.first,
                found: entry.seq,
            };
            self.problem(segment.name(), 0, name);
        }
        if self.report.entries == 0 {
            self.begin(&entry);
        }
        if std::mem::take(&mut self.is_lost) {
            (self.chain.next_seq, self.chain.prev) = (entry.seq, entry.prev);
        }
        for fault in judge(&self.chain, &entry, self.report.key.as_ref()) {
            self.problem(segment.name(), line, fault);
        }
        self.count(&entry);
        follow(&mut self.chain, &entry);
    }

    /// A log that does not begin with its first entry begins with a checkpoint, which says what came
    /// before. Whether that may be gone shows further on.
    fn begin(&mut self, first: &Entry) {
        if first.seq <= 1 || first.kind != Kind::Checkpoint {
            return;
        }
        if let Some(checkpoint) = Checkpoint::in_data(&first.data) {
            self.chain.next_seq = checkpoint.entries.saturating_add(1);
            self.chain.prev = checkpoint.head;
            self.chain.totals = Totals::from(&checkpoint);
        }
    }

    /// Holds a missing beginning against what the log says that it removed.
    fn beginning(&mut self) {
        let first = self.report.first.as_ref().map_or(1, |mark| mark.seq);
        let (_, allowed) = self.pruned;
        if first > 1 && first > allowed.saturating_add(1) {
            let cut = Fault::BeginningCut { first, allowed };
            self.problem(String::new(), 0, cut);
        }
        self.report.pruned_through = first.saturating_sub(1);
    }

    fn unreadable(&mut self, segment: &Segment, line: u64, error: LineError) {
        self.is_lost = true;
        self.problem(segment.name(), line, Fault::Line { line: error });
    }

    fn count(&mut self, entry: &Entry) {
        self.report.entries += 1;
        self.has_events |= !entry.kind.is_reserved();
        if let Some(pruned) = pruned(entry) {
            self.pruned.0 = self.pruned.0.max(pruned.through);
        }
        if entry.kind == Kind::Checkpoint {
            self.pruned.1 = self.pruned.0;
            self.report.checkpoints += 1;
            let stated = Checkpoint::in_data(&entry.data).map(|checkpoint| checkpoint.key);
            self.report.key = self.report.key.or(stated);
        }
        let mark = Mark {
            seq: entry.seq,
            time: entry.time.clone(),
            hash: entry.hash,
        };
        if self.head_seq == Some(entry.seq) {
            self.at_head = Some(entry.hash);
        }
        self.report.first.get_or_insert_with(|| mark.clone());
        self.report.last = Some(mark);
    }

    /// Compares the log with its signed head.
    fn head(&mut self, file: HeadFile) {
        let last = self.report.last.as_ref().map_or(0, |mark| mark.seq);
        let fault = match file {
            HeadFile::Missing if self.has_events => Some(Fault::HeadMissing),
            HeadFile::Missing => None,
            HeadFile::Unreadable => Some(Fault::HeadMalformed),
            HeadFile::Present(head) => self.head_fault(&head, last),
        };
        if let Some(fault) = fault {
            self.problem(HEAD_FILE.to_owned(), 0, fault);
        }
    }

    fn head_fault(&self, head: &Head, last: u64) -> Option<Fault> {
        if self.report.key.is_some_and(|key| key != head.key) {
            return Some(Fault::Key { found: head.key });
        }
        if !head.is_signed_by(&head.key) {
            return Some(Fault::Signature);
        }
        if head.seq > last {
            return Some(Fault::Cut {
                head: head.seq,
                last,
            });
        }
        (self.at_head != Some(head.hash)).then_some(Fault::HeadDiffers { head: head.seq })
    }

    fn finish(mut self) -> Report {
        if self.report.entries == 0 {
            self.problem(String::new(), 0, Fault::Empty);
        }
        self.beginning();
        self.report.unsealed = self.chain.unsealed;
        self.report.bytes_up = self.chain.totals.bytes_up;
        self.report.bytes_down = self.chain.totals.bytes_down;
        self.report
    }
}

fn pruned(entry: &Entry) -> Option<Pruned> {
    let is_it = entry.kind == Kind::LogPruned;
    is_it.then(|| Pruned::in_data(&entry.data)).flatten()
}

#[cfg(test)]
mod tests;
