//! A record, line by line, whatever form it has; never more of it in memory than one line.
//!
//! Not for: whether a log is whole (`audit verify`).

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use audit::{Filter, Kind, LINE_MAX, Reader};

use crate::commands::egress::written::{Written, WrittenError};
use crate::failure::Failure;

/// Where lines come from.
pub(super) enum Log {
    Folder {
        path: PathBuf,
        reader: Box<Reader>,
    },
    Lines {
        name: PathBuf,
        input: Box<dyn BufRead>,
    },
}

/// A record that can't be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReplayError {
    #[error("{}: {source}", path.display())]
    Open { path: PathBuf, source: io::Error },
    #[error("{}:{line}: {source}", path.display())]
    Line {
        path: PathBuf,
        line: u64,
        source: WrittenError,
    },
    #[error("{}:{line}: longer than {LINE_MAX} bytes", path.display())]
    TooLong { path: PathBuf, line: u64 },
    #[error("{}: entry {seq}: {source}", path.display())]
    Entry {
        path: PathBuf,
        seq: u64,
        source: WrittenError,
    },
    #[error("{}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
}

impl Log {
    /// Opens a folder or a file; `-` is standard input.
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        if path == Path::new("-") {
            return Ok(Self::Lines {
                name: "standard input".into(),
                input: Box::new(BufReader::new(io::stdin())),
            });
        }
        let error = |source| ReplayError::Open {
            path: path.to_owned(),
            source,
        };
        if fs::metadata(path).map_err(error)?.is_dir() {
            let filter = Filter {
                kinds: vec![Kind::EgressDecision, Kind::Alert],
                ..Filter::default()
            };
            return Ok(Self::Folder {
                path: path.to_owned(),
                reader: Box::new(Reader::open(path, filter)?),
            });
        }
        Ok(Self::Lines {
            name: path.to_owned(),
            input: Box::new(BufReader::new(File::open(path).map_err(error)?)),
        })
    }

    /// Hands over what each line says. The first line that says nothing known ends it.
    pub(super) fn each(self, mut take: impl FnMut(Written)) -> Result<(), Failure> {
        match self {
            Self::Folder { path, reader } => {
                for entry in *reader {
                    let entry = entry?;
                    let seq = entry.seq;
                    let written = Written::of(entry).map_err(|source| ReplayError::Entry {
                        path: path.clone(),
                        seq,
                        source,
                    })?;
                    take(written);
                }
                Ok(())
            }
            Self::Lines { name, mut input } => Ok(lines(&name, &mut input, take)?),
        }
    }
}

fn lines(
    name: &Path,
    input: &mut dyn BufRead,
    mut take: impl FnMut(Written),
) -> Result<(), ReplayError> {
    let most = u64::try_from(LINE_MAX).unwrap_or(u64::MAX);
    let path = || name.to_owned();
    let mut text = Vec::new();
    for line in 1.. {
        text.clear();
        let read = input
            .take(most.saturating_add(1))
            .read_until(b'\n', &mut text);
        let read = read.map_err(|source| ReplayError::Read {
            path: path(),
            source,
        })?;
        if read == 0 {
            break;
        }
        if read > LINE_MAX {
            return Err(ReplayError::TooLong { path: path(), line });
        }
        let bare = text.trim_ascii();
        if bare.is_empty() {
            continue;
        }
        let written = Written::read(bare).map_err(|source| ReplayError::Line {
            path: path(),
            line,
            source,
        })?;
        take(written);
    }
    Ok(())
}
