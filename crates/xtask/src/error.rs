//! Why a chore failed.
//!
//! Not for: printing it (`main`).

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

/// A chore failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{program}: {source}")]
    Start { program: String, source: io::Error },
    #[error("{command}: {status}")]
    Failed { command: String, status: ExitStatus },
    #[error("{what} {}: {source}", path.display())]
    File {
        what: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("{what}: {source}")]
    Io {
        what: &'static str,
        source: io::Error,
    },
    #[error("report {}: {source}", path.display())]
    Report {
        path: PathBuf,
        source: serde_json::Error,
    },
    #[error("{0}")]
    Unmet(String),
}
