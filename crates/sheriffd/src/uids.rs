//! A pair of host user ids for each jail, shared with no other jail of any daemon on this host.
//!
//! Not for: users that the host knows by name; the range lies above all that distributions hand out
//! (systemd's uid table ends its container range at 1,879,048,191).

use std::collections::BTreeSet;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// First id of the range.
const BASE: u32 = 1_900_000_000;
/// Ids of one block: 4,096 jails with two each, and the office's own.
const BLOCK: u32 = 8_194;
/// Blocks, that is, daemons at once.
const BLOCKS: u32 = 64;
/// Where blocks are locked. Locks go with their holders, so a crash frees its block.
const LOCKS: &str = "/run/sheriff-uids";

/// The block of ids that this daemon holds.
#[derive(Debug)]
pub(crate) struct Uids {
    first: u32,
    most: u32,
    next: u32,
    used: BTreeSet<u32>,
    _lock: File,
}

/// No ids can be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UidError {
    #[error("{call} {LOCKS}: {source}")]
    Io {
        call: &'static str,
        source: io::Error,
    },
    #[error("all {BLOCKS} blocks of user ids are held by other daemons (locks in {LOCKS})")]
    Blocks,
    #[error("all {most} jails of this daemon are in use; raise jails.most or end some")]
    Jails { most: u32 },
}

impl Uids {
    /// Takes the first block that no living daemon holds.
    pub(crate) fn claim(most: u32) -> Result<Self, UidError> {
        let folder = Path::new(LOCKS);
        match DirBuilder::new().mode(0o700).create(folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(UidError::Io {
                    call: "mkdir",
                    source: error,
                });
            }
            _made_or_there => {}
        }
        for block in 0..BLOCKS {
            if let Some(lock) = try_block(folder, block)? {
                let first = BASE + block * BLOCK;
                return Ok(Self {
                    first,
                    most,
                    next: 0,
                    used: BTreeSet::new(),
                    _lock: lock,
                });
            }
        }
        Err(UidError::Blocks)
    }

    /// The office's id where no user is set up for it.
    pub(crate) const fn office(&self) -> u32 {
        self.first
    }

    /// Takes a pair: the jail's root, and the agent one above. The one freed longest ago goes last.
    pub(crate) fn take(&mut self) -> Result<u32, UidError> {
        let slot = (0..self.most)
            .map(|step| (self.next + step) % self.most)
            .find(|slot| !self.used.contains(slot))
            .ok_or(UidError::Jails { most: self.most })?;
        self.next = (slot + 1) % self.most;
        self.used.insert(slot);
        Ok(self.first + 2 + 2 * slot)
    }

    /// Gives a pair back, once no process and no file of it is left.
    pub(crate) fn give_back(&mut self, root: u32) {
        self.used.remove(&(root.saturating_sub(self.first + 2) / 2));
    }
}

fn try_block(folder: &Path, block: u32) -> Result<Option<File>, UidError> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true).mode(0o600);
    let file = options
        .open(folder.join(format!("block-{block}")))
        .map_err(|source| UidError::Io {
            call: "open",
            source,
        })?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(std::fs::TryLockError::WouldBlock) => Ok(None),
        Err(std::fs::TryLockError::Error(source)) => Err(UidError::Io {
            call: "flock",
            source,
        }),
    }
}
