//! Entries of a log in order, filtered, also while it is being written.
//!
//! Not for: integrity; entries come as they stand in the files. Check those with `verify`.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use model::SessionId;

use crate::file::FileError;
use crate::lines::{Lines, Step};
use crate::segment::{self, Segment};
use crate::{Entry, Kind, ReadError};

/// How often a follower looks for more: quick for an eye, nothing for a processor.
pub const POLL: Duration = Duration::from_millis(100);

/// Which entries to return. The default is all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only of this session.
    pub session: Option<SessionId>,
    /// Only of this run.
    pub run: Option<String>,
    /// Only of these kinds; empty for any.
    pub kinds: Vec<Kind>,
    /// Only events of requests that took this secret.
    pub secret: Option<String>,
    /// Only from this seq on.
    pub since: u64,
    /// At most so many.
    pub limit: Option<u64>,
}

impl Filter {
    /// True when the entry is wanted; the limit is not looked at.
    #[must_use]
    pub fn admits(&self, entry: &Entry) -> bool {
        entry.seq >= self.since
            && (self.kinds.is_empty() || self.kinds.contains(&entry.kind))
            && self
                .session
                .as_ref()
                .is_none_or(|id| entry.session.as_ref() == Some(id))
            && self
                .run
                .as_ref()
                .is_none_or(|run| entry.run.as_ref() == Some(run))
            && self
                .secret
                .as_ref()
                .is_none_or(|secret| took(entry, secret))
    }
}

/// An event of a request that took several secrets names them all, separated by commas.
fn took(entry: &Entry, secret: &str) -> bool {
    let named = entry.data.get("secret").and_then(serde_json::Value::as_str);
    named.is_some_and(|named| named.split(',').any(|name| name.trim() == secret))
}

/// Reads a log. As an iterator it ends where the log ends now; asked again later, it goes on with
/// what was appended meanwhile. A line that is still being written is left for later.
#[derive(Debug)]
pub struct Reader {
    dir: PathBuf,
    filter: Filter,
    returned: u64,
    current: Option<(Segment, Lines)>,
}

impl Reader {
    /// A reader at the first segment that can hold wanted entries.
    ///
    /// # Errors
    /// [`ReadError`] when the folder or its segments can't be read.
    pub fn open(dir: &Path, filter: Filter) -> Result<Self, ReadError> {
        let segments = segment::list(dir)?.segments;
        let after = segments.partition_point(|segment| segment.first <= filter.since);
        let start = segments.into_iter().nth(after.saturating_sub(1));
        let current = start.map(open_segment).transpose()?;
        Ok(Self {
            dir: dir.to_owned(),
            filter,
            returned: 0,
            current,
        })
    }

    /// The next wanted entry, waiting no longer than `timeout` for it to be written.
    ///
    /// # Errors
    /// [`ReadError`]; reading on skips a bad line.
    pub fn next_within(&mut self, timeout: Duration) -> Result<Option<Entry>, ReadError> {
        let deadline = Instant::now() + timeout;
        loop {
            if let Some(found) = self.next() {
                return found.map(Some);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || self.is_done() {
                return Ok(None);
            }
            std::thread::sleep(POLL.min(left));
        }
    }

    /// True when the limit is reached: nothing more will come.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.filter
            .limit
            .is_some_and(|limit| self.returned >= limit)
    }

    /// The next entry of any kind; `None` at the end.
    fn advance(&mut self) -> Result<Option<Entry>, ReadError> {
        loop {
            if let Some(entry) = self.read_line()? {
                return Ok(Some(entry));
            }
            let Some(next) = self.next_segment()? else {
                return Ok(None);
            };
            // The writer may have added to the old segment between our last look and its new one.
            if let Some(entry) = self.read_line()? {
                return Ok(Some(entry));
            }
            let torn = self.torn();
            self.current = Some(open_segment(next)?);
            torn?;
        }
    }

    /// The next complete line of the current segment as an entry.
    fn read_line(&mut self) -> Result<Option<Entry>, ReadError> {
        let Some((segment, lines)) = &mut self.current else {
            return Ok(None);
        };
        let parsed = match lines.step().map_err(FileError::at("read", &segment.path))? {
            Step::Line => Entry::from_line(lines.text()),
            Step::TooLong => Err(crate::entry::LineError::TooLong),
            Step::End { .. } => return Ok(None),
        };
        let (name, line) = (segment.name(), lines.number());
        parsed.map(Some).map_err(|source| ReadError::Line {
            segment: name,
            line,
            source,
        })
    }

    /// An error when the current segment, which has a successor, ends within a line.
    fn torn(&mut self) -> Result<(), ReadError> {
        let Some((segment, lines)) = &mut self.current else {
            return Ok(());
        };
        match lines.step().map_err(FileError::at("read", &segment.path))? {
            Step::End { unfinished } if unfinished > 0 => Err(ReadError::Torn {
                segment: segment.name(),
                line: lines.number(),
            }),
            _ => Ok(()),
        }
    }

    fn next_segment(&self) -> Result<Option<Segment>, ReadError> {
        let current = self.current.as_ref().map(|(segment, _)| segment.first);
        let mut segments = segment::list(&self.dir)?.segments.into_iter();
        Ok(segments.find(|segment| current.is_none_or(|first| segment.first > first)))
    }
}

impl Iterator for Reader {
    type Item = Result<Entry, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_done() {
            return None;
        }
        loop {
            match self.advance().transpose()? {
                Ok(entry) if !self.filter.admits(&entry) => {}
                Ok(entry) => {
                    self.returned += 1;
                    return Some(Ok(entry));
                }
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

fn open_segment(segment: Segment) -> Result<(Segment, Lines), FileError> {
    let lines = segment::read(&segment)?;
    Ok((segment, lines))
}

#[cfg(test)]
mod tests;
