//! Names and order of the files that make up a log.
//!
//! Not for: their content (`lines`, `entry`).

use std::path::{Path, PathBuf};

use crate::file::{self, FileError};

/// Mode of a segment: its owner writes, its group (auditors) reads.
pub(crate) const MODE: u32 = 0o640;

/// Most segments of one folder that are looked at: 16 TiB of log at the default size. More is no
/// log of ours but an attempt to exhaust the reader.
pub const SEGMENTS_MAX: usize = 262_144;

const PREFIX: &str = "audit-";
const SUFFIX: &str = ".jsonl";
const DIGITS: usize = 20;

/// One file of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) path: PathBuf,
    /// The seq of its first entry, from its name.
    pub(crate) first: u64,
}

impl Segment {
    pub(crate) fn starting_at(dir: &Path, first: u64) -> Self {
        Self {
            path: dir.join(format!("{PREFIX}{first:0DIGITS$}{SUFFIX}")),
            first,
        }
    }

    /// The file name, for messages.
    pub(crate) fn name(&self) -> String {
        self.path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    }
}

/// The folder's segments in order of their first seq, and names that only look like segments.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    pub(crate) segments: Vec<Segment>,
    pub(crate) misnamed: Vec<String>,
}

pub(crate) fn list(dir: &Path) -> Result<Listing, FileError> {
    let mut listing = Listing::default();
    for entry in std::fs::read_dir(dir).map_err(FileError::at("opendir", dir))? {
        let name = entry.map_err(FileError::at("readdir", dir))?.file_name();
        let name = name.to_string_lossy();
        match first_seq(&name) {
            Some(first) => listing.segments.push(Segment {
                path: dir.join(&*name),
                first,
            }),
            None if name.ends_with(SUFFIX) => listing.misnamed.push(name.into_owned()),
            None => {}
        }
        if listing.segments.len() + listing.misnamed.len() > SEGMENTS_MAX {
            let error = std::io::Error::other("more segments than a log can have");
            return Err(FileError::at("readdir", dir)(error));
        }
    }
    listing
        .segments
        .sort_unstable_by_key(|segment| segment.first);
    listing.misnamed.sort_unstable();
    Ok(listing)
}

/// Opens for reading from the start.
pub(crate) fn read(segment: &Segment) -> Result<crate::lines::Lines, FileError> {
    file::open_for_reading(&segment.path).map(crate::lines::Lines::new)
}

fn first_seq(name: &str) -> Option<u64> {
    let digits = name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?;
    let well_formed = digits.len() == DIGITS && digits.bytes().all(|b| b.is_ascii_digit());
    digits.parse().ok().filter(|_| well_formed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_segments_by_number_and_sets_impostors_apart() {
        let dir = tempfile::tempdir().unwrap();
        for first in [10, 9, u64::MAX] {
            std::fs::write(Segment::starting_at(dir.path(), first).path, b"").unwrap();
        }
        for other in [
            "lock",
            "audit-key",
            "audit-1.jsonl",
            "audit-+0000000000000000001.jsonl",
        ] {
            std::fs::write(dir.path().join(other), b"").unwrap();
        }
        let listing = list(dir.path()).unwrap();
        let firsts: Vec<_> = listing.segments.iter().map(|s| s.first).collect();
        assert_eq!(firsts, [9, 10, u64::MAX]);
        assert_eq!(
            listing.segments[0].name(),
            "audit-00000000000000000009.jsonl"
        );
        assert_eq!(
            listing.misnamed,
            ["audit-+0000000000000000001.jsonl", "audit-1.jsonl"]
        );
    }
}
