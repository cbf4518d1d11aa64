//! Where the daemon's sockets are.
//!
//! Not for: connecting to them (`attach`, `control`).

use std::path::{Path, PathBuf};

/// Where an installed daemon has its sockets.
const INSTALLED: &str = "/run/sheriff";

/// The folder with the daemon's sockets, as an option of every command.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Sockets {
    /// Folder with the daemon's sockets [default: /run/sheriff].
    ///
    /// The id differs from any field of a command: a global option overwrites those it shares one with.
    #[arg(
        id = "socket-dir",
        long = "socket-dir",
        value_name = "DIR",
        env = "SHERIFF_SOCKET_DIR",
        global = true
    )]
    dir: Option<PathBuf>,
}

impl Sockets {
    /// Those of the daemon with this folder.
    pub(crate) fn of(folder: &Path) -> Self {
        Self {
            dir: Some(folder.to_owned()),
        }
    }

    /// The socket that starts jails and processes in them.
    pub(crate) fn attach(&self) -> PathBuf {
        self.dir().join("attach.sock")
    }

    /// The socket with the operator's API.
    pub(crate) fn control(&self) -> PathBuf {
        self.dir().join("control.sock")
    }

    /// Whether the user named a daemon. Then no other one will do: it would have other rules and
    /// another log.
    pub(crate) const fn are_named(&self) -> bool {
        self.dir.is_some()
    }

    fn dir(&self) -> &Path {
        self.dir.as_deref().unwrap_or_else(|| Path::new(INSTALLED))
    }
}
