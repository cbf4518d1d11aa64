//! How long segments are kept, and the record of those that were removed.
//!
//! Before a segment goes, `log.pruned` says so and a checkpoint signs it; both are on disk first. So
//! a log whose beginning was removed by its own rules can be told from one that somebody cut, and
//! the opening checkpoint of the first segment that is left carries number, hash and byte totals on.
//!
//! Not for: the segment being written, which is never removed.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::file::FileError;
use crate::segment::Segment;

/// What of a log is kept. The default is all of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retention {
    /// Segments whose last write is longer ago are removed.
    pub age: Option<Duration>,
    /// The oldest segments are removed while all together are larger.
    pub bytes: Option<u64>,
}

/// The data of a `log.pruned` entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pruned {
    /// The last entry that may be gone; the log may begin with the one after it.
    pub through: u64,
    /// Segments that are removed now.
    pub segments: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// A segment as the file system has it.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) segment: Segment,
    bytes: u64,
    written: SystemTime,
}

impl Retention {
    /// True when nothing is ever removed.
    #[must_use]
    pub const fn keeps_all(&self) -> bool {
        self.age.is_none() && self.bytes.is_none()
    }

    /// How many of the oldest segments go; the last one always stays. A clock that was set back keeps
    /// more, never less.
    pub(crate) fn expired(&self, kept: &[Kept], now: SystemTime) -> usize {
        let mut total: u64 = kept.iter().map(|kept| kept.bytes).sum();
        let candidates = kept.len().saturating_sub(1);
        let goes = |kept: &&Kept| {
            let age = now.duration_since(kept.written).unwrap_or_default();
            let is_old = self.age.is_some_and(|most| age > most);
            let is_much = self.bytes.is_some_and(|most| total > most);
            total = total.saturating_sub(kept.bytes);
            is_old || is_much
        };
        kept.iter().take(candidates).take_while(goes).count()
    }
}

impl Kept {
    pub(crate) fn of(segment: Segment) -> Result<Self, FileError> {
        let metadata = std::fs::symlink_metadata(&segment.path);
        let metadata = metadata.map_err(FileError::at("lstat", &segment.path))?;
        let written = metadata.modified();
        let written = written.map_err(FileError::at("lstat", &segment.path))?;
        Ok(Self {
            bytes: metadata.len(),
            written,
            segment,
        })
    }
}

impl Pruned {
    /// About the first `count` of these segments; `None` when there is none or none after them.
    pub(crate) fn of(kept: &[Kept], count: usize) -> Option<Self> {
        let next = kept.get(count).filter(|_| count > 0)?;
        let gone = kept.get(..count)?;
        Some(Self {
            through: next.segment.first.saturating_sub(1),
            segments: gone.len() as u64,
            bytes: gone.iter().map(|kept| kept.bytes).sum(),
        })
    }

    /// The statement in an entry's data.
    pub(crate) fn in_data(data: &Value) -> Option<Self> {
        Self::deserialize(data).ok()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn kept(ages: &[u64]) -> (Vec<Kept>, SystemTime) {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let one = |(index, age): (usize, &u64)| Kept {
            segment: Segment::starting_at(Path::new("/x"), index as u64 * 10 + 1),
            bytes: 100,
            written: now - Duration::from_secs(*age),
        };
        (ages.iter().enumerate().map(one).collect(), now)
    }

    #[test]
    fn removes_the_oldest_and_never_the_last() {
        let (kept, now) = kept(&[50, 40, 30, 20]);
        let age = |secs| Retention {
            age: Some(Duration::from_secs(secs)),
            bytes: None,
        };
        let size = |bytes| Retention {
            age: None,
            bytes: Some(bytes),
        };
        assert_eq!(Retention::default().expired(&kept, now), 0);
        assert_eq!(age(50).expired(&kept, now), 0);
        assert_eq!(age(35).expired(&kept, now), 2);
        assert_eq!(age(0).expired(&kept, now), 3);
        assert_eq!(size(400).expired(&kept, now), 0);
        assert_eq!(size(399).expired(&kept, now), 1);
        assert_eq!(size(0).expired(&kept, now), 3);
        assert_eq!(age(0).expired(&[], now), 0);
        let pruned = Pruned::of(&kept, 2).unwrap();
        assert_eq!(
            (pruned.through, pruned.segments, pruned.bytes),
            (20, 2, 200)
        );
        assert_eq!((Pruned::of(&kept, 0), Pruned::of(&kept, 4)), (None, None));
    }

    #[test]
    fn a_clock_that_was_set_back_removes_nothing() {
        let (kept, now) = kept(&[50, 40]);
        let retention = Retention {
            age: Some(Duration::from_secs(1)),
            bytes: None,
        };
        let back = now - Duration::from_secs(3600);
        assert_eq!(retention.expired(&kept, back), 0);
        assert_eq!(retention.expired(&kept, now), 1);
    }
}
