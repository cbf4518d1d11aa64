//! The value of a secret on its way to the daemon: from a file or standard input, never from an
//! argument, which every user of the host can read.
//!
//! Not for: judging it; the daemon does.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};

use api::control::SECRET_BYTES_MAX;
use zeroize::Zeroizing;

/// A value that can't be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ValueError {
    #[error("standard input is a terminal, which would show the value")]
    Terminal,
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("standard input: {0}")]
    Input(io::Error),
    #[error("the value is longer than {SECRET_BYTES_MAX} bytes")]
    TooLong,
}

impl ValueError {
    /// What the reader can do about it.
    pub(crate) fn remedy(&self) -> Option<String> {
        match self {
            Self::Terminal => Some(
                "pipe the value in, or name a file with --from-file; for example: pass show github | \
                 sheriff secret set github --host api.github.com"
                    .to_owned(),
            ),
            Self::File { .. } | Self::Input(_) | Self::TooLong => None,
        }
    }
}

/// A request's body: its first line, then the value as it is.
pub(super) fn body(head: &[u8], file: Option<&Path>) -> Result<Zeroizing<Vec<u8>>, ValueError> {
    // Room for all of it at once: a vector that grows leaves copies behind.
    let mut body = Zeroizing::new(Vec::with_capacity(SECRET_BYTES_MAX + 1));
    body.extend_from_slice(head);
    body.push(b'\n');
    match file {
        Some(path) => {
            let failed = |source| ValueError::File {
                path: path.to_owned(),
                source,
            };
            read(File::open(path).map_err(failed)?, &mut body).map_err(failed)?;
        }
        None if io::stdin().is_terminal() => return Err(ValueError::Terminal),
        None => read(io::stdin(), &mut body).map_err(ValueError::Input)?,
    }
    if body.len() > SECRET_BYTES_MAX {
        return Err(ValueError::TooLong);
    }
    Ok(body)
}

fn read(source: impl Read, body: &mut Vec<u8>) -> io::Result<()> {
    let room = SECRET_BYTES_MAX
        .saturating_add(1)
        .saturating_sub(body.len());
    source.take(room as u64).read_to_end(body).map(drop)
}
