//! Why the log could not be opened, written or read.
//!
//! Not for: findings about a log's integrity (`verify::Fault`).

use std::path::PathBuf;

use crate::canonical::CanonicalError;
use crate::chain::TotalsError;
use crate::entry::LineError;
use crate::file::FileError;
use crate::key::KeyError;
use crate::{Kind, LINE_MAX};

/// The log can't be opened, or an event was not recorded. What an event was to permit must then
/// not be done.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// A system call failed; see [`FileError::is_disk_full`].
    #[error(transparent)]
    File(#[from] FileError),
    /// The key pair can't be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Another writer has the log open.
    #[error("{} is open in another process: stop that one or choose another folder", dir.display())]
    Locked {
        /// The log's folder.
        dir: PathBuf,
    },
    /// The log's end is not what a log of ours can end with. Going on would bury that.
    #[error(
        "{segment} line {line}: {what}; run `sheriff audit verify`, keep the folder, and start in another one"
    )]
    Damaged {
        /// File name.
        segment: String,
        /// Line, from 1; 0 for the file as a whole.
        line: u64,
        /// What is wrong.
        what: String,
    },
    /// The event's data has no canonical form.
    #[error("event {kind}: {source}")]
    Data {
        /// The event's kind.
        kind: Kind,
        /// What the data holds.
        #[source]
        source: CanonicalError,
    },
    /// The event would not fit in a line. It was not cut: nothing was written.
    #[error("event {kind} takes {bytes} bytes, the limit is {LINE_MAX}")]
    TooLong {
        /// The event's kind.
        kind: Kind,
        /// Size of its line.
        bytes: usize,
    },
    /// The kind is the log's own.
    #[error("only the log itself writes {kind}")]
    Reserved {
        /// The event's kind.
        kind: Kind,
    },
    /// An `egress.close` that can't be summed.
    #[error(transparent)]
    Totals(#[from] TotalsError),
    /// The clock is before 1970.
    #[error("the clock is before 1970: set it")]
    Clock,
    /// An earlier failure left the end of the file unknown; nothing more is written.
    #[error("the log stopped: {cause}; restart the service, opening the log repairs its end")]
    Broken {
        /// The failure.
        cause: String,
    },
    /// The log was closed.
    #[error("the log is closed")]
    Closed,
}

/// A log can't be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A system call failed.
    #[error(transparent)]
    File(#[from] FileError),
    /// A line is no entry. Reading on skips it.
    #[error("{segment} line {line}: {source}")]
    Line {
        /// File name.
        segment: String,
        /// Line, from 1.
        line: u64,
        /// What is wrong with it.
        #[source]
        source: LineError,
    },
    /// A segment ends in the middle of a line although another follows it. Reading on skips it.
    #[error("{segment} ends within line {line}")]
    Torn {
        /// File name.
        segment: String,
        /// Line, from 1.
        line: u64,
    },
}
