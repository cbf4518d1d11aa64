//! Where the daemon's sockets are.
//!
//! Not for: connecting to them (`attach`, `control`).

use std::path::PathBuf;

/// The folder with the daemon's sockets, as an option of every command.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Sockets {
    /// Folder with the daemon's sockets.
    #[arg(
        long = "socket-dir",
        value_name = "DIR",
        env = "SHERIFF_SOCKET_DIR",
        default_value = "/run/sheriff",
        global = true
    )]
    dir: PathBuf,
}

impl Sockets {
    /// The socket that starts jails and processes in them.
    pub(crate) fn attach(&self) -> PathBuf {
        self.dir.join("attach.sock")
    }

    /// The socket with the operator's API.
    pub(crate) fn control(&self) -> PathBuf {
        self.dir.join("control.sock")
    }
}
