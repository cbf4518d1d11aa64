//! Where a log on disk ends, and what a crash left behind it.
//!
//! Not for: a full check (`verify`): this reads back to the last segment that begins with a
//! checkpoint, which every segment but the first does.

use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::chain::{Chain, Totals};
use crate::checkpoint::{Checkpoint, HEAD_FILE, Head, HeadFile};
use crate::file::{self, FileError};
use crate::judge::{Fault, follow, judge};
use crate::lines::Step;
use crate::segment::{self, Segment};
use crate::{Entry, Kind, LogError, PublicKey, hex};

/// Bytes of a torn line whose text goes into `log.recovered`; escaped sixfold it still fits an entry.
const TORN_TEXT_MAX: usize = 4096;

/// The end of a log.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) chain: Chain,
    /// The last segment and its length up to the last newline; `None` in an empty folder.
    pub(crate) last: Option<(Segment, u64)>,
    pub(crate) torn: Option<Torn>,
    /// A signed head is there. It is missing only if the very first opening was cut short.
    pub(crate) has_head: bool,
}

/// Bytes after the last newline: an append that a crash interrupted, acknowledged to nobody.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Torn {
    bytes: u64,
    sha256: String,
    text: String,
    text_bytes: usize,
}

impl Torn {
    /// The data of `log.recovered`: how much was cut off, its hash, and its first bytes as text.
    pub(crate) fn data(&self) -> Value {
        json!({
            "bytes": self.bytes,
            "sha256": self.sha256,
            "text": self.text,
            "text_bytes": self.text_bytes,
        })
    }

    fn read(segment: &Segment, start: u64) -> Result<Self, FileError> {
        let mut file = file::open_for_reading(&segment.path)?;
        Self::read_from(&mut file, start).map_err(FileError::at("read", &segment.path))
    }

    fn read_from(file: &mut std::fs::File, start: u64) -> io::Result<Self> {
        file.seek(SeekFrom::Start(start))?;
        let (mut digest, mut bytes, mut text) = (Sha256::new(), 0, Vec::new());
        let mut chunk = [0; 8192];
        loop {
            let part = match file.read(&mut chunk)? {
                0 => break,
                length => chunk.get(..length).unwrap_or_default(),
            };
            digest.update(part);
            bytes += part.len() as u64;
            text.extend(part.iter().take(TORN_TEXT_MAX.saturating_sub(text.len())));
        }
        Ok(Self {
            bytes,
            sha256: hex::encode(&digest.finalize()),
            text_bytes: text.len(),
            text: String::from_utf8_lossy(&text).into_owned(),
        })
    }
}

/// Finds the end of the log in `dir` and checks what leads to it.
pub(crate) fn find(dir: &Path, segments: Vec<Segment>, key: &PublicKey) -> Result<Found, LogError> {
    let head = read_head(dir, key)?;
    let mut walk = Walk::begin(&segments, key, head.is_some())?;
    let count = segments.len();
    let mut end = None;
    for (index, segment) in segments.iter().enumerate().skip(walk.first_segment) {
        end = Some(walk.segment(segment, index + 1 == count)?);
    }
    if let Some(head) = &head {
        walk.compare(head)?;
    } else if walk.has_events {
        return Err(damaged(HEAD_FILE, 0, &Fault::HeadMissing));
    }
    let (length, torn) = end.unwrap_or_default();
    Ok(Found {
        chain: walk.chain,
        last: segments
            .into_iter()
            .next_back()
            .map(|segment| (segment, length)),
        torn,
        has_head: head.is_some(),
    })
}

fn read_head(dir: &Path, key: &PublicKey) -> Result<Option<Head>, LogError> {
    match Head::read(dir)? {
        HeadFile::Missing => Ok(None),
        HeadFile::Unreadable => Err(damaged(HEAD_FILE, 0, &Fault::HeadMalformed)),
        HeadFile::Present(head) if head.is_signed_by(key) => Ok(Some(head)),
        HeadFile::Present(_) => Err(damaged(HEAD_FILE, 0, &Fault::Signature)),
    }
}

struct Walk<'a> {
    key: &'a PublicKey,
    chain: Chain,
    first_segment: usize,
    last_checkpoint: Option<Entry>,
    has_events: bool,
}

impl<'a> Walk<'a> {
    /// Starts at the last segment that opens with a checkpoint of ours, or at the very first one.
    fn begin(segments: &[Segment], key: &'a PublicKey, may_skip: bool) -> Result<Self, LogError> {
        let mut walk = Self {
            key,
            chain: Chain::new(),
            first_segment: 0,
            last_checkpoint: None,
            has_events: false,
        };
        for (index, segment) in segments.iter().enumerate().rev().take_while(|_| may_skip) {
            if let Some(checkpoint) = opening_checkpoint(segment, key)? {
                walk.chain.next_seq = checkpoint.entries.saturating_add(1);
                walk.chain.prev = checkpoint.head;
                walk.chain.totals = Totals::from(&checkpoint);
                walk.first_segment = index;
                break;
            }
        }
        Ok(walk)
    }

    /// Checks one segment to its end; returns the length up to the last newline and what is torn.
    fn segment(
        &mut self,
        segment: &Segment,
        is_last: bool,
    ) -> Result<(u64, Option<Torn>), LogError> {
        if segment.first != self.chain.next_seq {
            let name = Fault::Name {
                named: segment.first,
                found: self.chain.next_seq,
            };
            return Err(damaged(&segment.name(), 0, &name));
        }
        let mut lines = segment::read(segment)?;
        loop {
            let step = lines.step().map_err(FileError::at("read", &segment.path))?;
            match step {
                Step::Line => {}
                Step::TooLong => {
                    return Err(damaged(&segment.name(), lines.number(), &"line too long"));
                }
                Step::End { unfinished: 0 } => return Ok((lines.start(), None)),
                Step::End { .. } if is_last => {
                    let start = lines.start();
                    return Ok((start, Some(Torn::read(segment, start)?)));
                }
                Step::End { unfinished: bytes } => {
                    let torn = Fault::Torn { bytes };
                    return Err(damaged(&segment.name(), lines.number(), &torn));
                }
            }
            let entry = Entry::from_line(lines.text())
                .map_err(|error| damaged(&segment.name(), lines.number(), &error))?;
            self.entry(entry)
                .map_err(|fault| damaged(&segment.name(), lines.number(), &fault))?;
        }
    }

    fn entry(&mut self, entry: Entry) -> Result<(), Fault> {
        if let Some(fault) = judge(&self.chain, &entry, Some(self.key))
            .into_iter()
            .next()
        {
            return Err(fault);
        }
        follow(&mut self.chain, &entry);
        self.has_events |= !entry.kind.is_reserved();
        if entry.kind == Kind::Checkpoint {
            self.last_checkpoint = Some(entry);
        }
        Ok(())
    }

    /// The log must reach at least to its signed head, and hold that very entry there.
    fn compare(&self, head: &Head) -> Result<(), LogError> {
        let last = self.chain.last_seq();
        if head.seq > last {
            return Err(damaged(
                HEAD_FILE,
                0,
                &Fault::Cut {
                    head: head.seq,
                    last,
                },
            ));
        }
        match &self.last_checkpoint {
            Some(entry) if entry.seq == head.seq && entry.hash != head.hash => Err(damaged(
                HEAD_FILE,
                0,
                &Fault::HeadDiffers { head: head.seq },
            )),
            _ => Ok(()),
        }
    }
}

/// The checkpoint in a segment's first line, if that is one and ours.
fn opening_checkpoint(segment: &Segment, key: &PublicKey) -> Result<Option<Checkpoint>, LogError> {
    let mut lines = segment::read(segment)?;
    let step = lines.step().map_err(FileError::at("read", &segment.path))?;
    let entry = Some(step)
        .filter(|step| *step == Step::Line)
        .and_then(|_| Entry::from_line(lines.text()).ok())
        .filter(|entry| entry.kind == Kind::Checkpoint);
    let checkpoint = entry.and_then(|entry| Checkpoint::in_data(&entry.data));
    Ok(checkpoint.filter(|checkpoint| checkpoint.is_signed_by(key)))
}

fn damaged(segment: &str, line: u64, what: &dyn std::fmt::Display) -> LogError {
    LogError::Damaged {
        segment: segment.to_owned(),
        line,
        what: what.to_string(),
    }
}
