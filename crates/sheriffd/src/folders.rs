//! The daemon's folders and sockets: made with tight modes, locked against a second daemon, removed.
//!
//! Not for: what is inside the audit log (`audit`) or a jail's view (`jail`).

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, chown};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use model::SessionId;
use sys::seqpacket;

/// Connections that may wait to be accepted on each of the operator's sockets.
const BACKLOG: i32 = 128;

/// How long the undertaker of a daemon that died may still hold its lock.
const UNDERTAKER_GRACE: Duration = Duration::from_secs(5);

/// Where everything is. Removes what dies with the daemon when it is [`Folders::remove`]d.
#[derive(Debug)]
pub(crate) struct Folders {
    /// Sockets, `lock`, and one folder a jail below `sessions/`.
    pub(crate) runtime: PathBuf,
    /// The office's own folder; its `audit/` holds the log.
    pub(crate) office: PathBuf,
    /// True for folders that only this run of the daemon uses.
    private: bool,
    /// Held for the life of the daemon.
    _lock: File,
}

/// The operator's sockets, listening.
#[derive(Debug)]
pub(crate) struct OperatorSockets {
    /// HTTP.
    pub(crate) control: OwnedFd,
    /// Messages with descriptors.
    pub(crate) attach: OwnedFd,
    /// HTTP, for metrics alone.
    pub(crate) metrics: OwnedFd,
}

/// Who owns what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Owners {
    /// The office's user and group.
    pub(crate) office: (u32, u32),
    /// Group of the operators.
    pub(crate) operators: u32,
}

/// A folder or socket that can't be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FolderError {
    #[error("{call} {}: {source}", path.display())]
    Io {
        call: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("another sheriffd holds {}; stop it first, or choose other folders", path.display())]
    Held { path: PathBuf },
    #[error("{} is not a folder of root's that nobody else can write to; remove it", path.display())]
    Foreign { path: PathBuf },
    #[error(transparent)]
    Socket(#[from] sys::SysError),
}

impl Folders {
    /// Makes the folders of a daemon that is installed.
    pub(crate) fn standing(
        runtime: &Path,
        state: &Path,
        owners: Owners,
    ) -> Result<Self, FolderError> {
        Self::make(runtime, state, owners, false)
    }

    /// Makes private folders below the runtime folder.
    pub(crate) fn private(runtime: &Path, owners: Owners) -> Result<Self, FolderError> {
        Self::make(runtime, &runtime.join("state"), owners, true)
    }

    fn make(
        runtime: &Path,
        state: &Path,
        owners: Owners,
        private: bool,
    ) -> Result<Self, FolderError> {
        // 0711: operators pass through to their sockets; nobody lists what is here.
        folder(runtime, 0o711, (0, 0))?;
        let lock = lock(&runtime.join("lock"))?;
        folder(&runtime.join("sessions"), 0o700, (0, 0))?;
        folder(state, 0o711, (0, 0))?;
        let office = state.join("office");
        folder(&office, 0o700, owners.office)?;
        folder(&office.join("audit"), 0o700, owners.office)?;
        Ok(Self {
            runtime: runtime.to_owned(),
            office,
            private,
            _lock: lock,
        })
    }

    /// The audit log's folder.
    pub(crate) fn audit(&self) -> PathBuf {
        self.office.join("audit")
    }

    /// Listens on the operator's sockets: root and the operators' group may connect (0660).
    pub(crate) fn listen(&self, owners: Owners) -> Result<OperatorSockets, FolderError> {
        let control = self.runtime.join("control.sock");
        let attach = self.runtime.join("attach.sock");
        clear_socket(&control)?;
        clear_socket(&attach)?;
        let metrics = self.runtime.join("metrics.sock");
        clear_socket(&metrics)?;
        let sockets = OperatorSockets {
            control: UnixListener::bind(&control)
                .map_err(failed("bind", &control))?
                .into(),
            attach: seqpacket::listen_at(&attach, BACKLOG)?,
            metrics: UnixListener::bind(&metrics)
                .map_err(failed("bind", &metrics))?
                .into(),
        };
        for path in [&control, &attach, &metrics] {
            chown(path, Some(0), Some(owners.operators)).map_err(failed("chown", path))?;
            fs::set_permissions(path, Permissions::from_mode(0o660))
                .map_err(failed("chmod", path))?;
        }
        Ok(sockets)
    }

    /// Makes a jail's own folder with its gateway socket, which only the agent's user may use.
    pub(crate) fn gateway(
        &self,
        session: &SessionId,
        agent: u32,
    ) -> Result<(PathBuf, OwnedFd), FolderError> {
        let path = self.session(session);
        DirBuilder::new()
            .mode(0o711)
            .create(&path)
            .map_err(failed("mkdir", &path))?;
        let socket = path.join("gateway.sock");
        let listener = UnixListener::bind(&socket).map_err(failed("bind", &socket))?;
        chown(&socket, Some(agent), Some(agent)).map_err(failed("chown", &socket))?;
        let mode = Permissions::from_mode(0o600);
        fs::set_permissions(&socket, mode).map_err(failed("chmod", &socket))?;
        Ok((path, listener.into()))
    }

    /// Removes a jail's folder.
    pub(crate) fn remove_gateway(&self, session: &SessionId) -> Result<(), FolderError> {
        remove_tree(&self.session(session))
    }

    /// Removes the sessions of a daemon that died without its undertaker.
    pub(crate) fn sweep(&self) -> Result<(), FolderError> {
        let sessions = self.runtime.join("sessions");
        remove_tree(&sessions)?;
        folder(&sessions, 0o700, (0, 0))
    }

    fn session(&self, session: &SessionId) -> PathBuf {
        self.runtime.join("sessions").join(session.as_str())
    }

    /// What must go when the daemon does, for this process or one that outlives it.
    pub(crate) fn remains(&self) -> Remains {
        Remains {
            runtime: self.runtime.clone(),
            private: self.private,
        }
    }
}

/// What a daemon leaves in the file system when it dies; removing it twice is harmless.
#[derive(Debug, Clone)]
pub(crate) struct Remains {
    runtime: PathBuf,
    private: bool,
}

impl Remains {
    /// Removes sockets and sessions; all of it for private folders.
    pub(crate) fn remove(&self) -> Result<(), FolderError> {
        if self.private {
            return remove_tree(&self.runtime);
        }
        remove_tree(&self.runtime.join("sessions"))?;
        clear_socket(&self.runtime.join("control.sock"))?;
        clear_socket(&self.runtime.join("metrics.sock"))?;
        clear_socket(&self.runtime.join("attach.sock"))
    }
}

/// Makes a folder, or accepts one that is root's (or the wanted owner's) and not open to others.
fn folder(path: &Path, mode: u32, (uid, gid): (u32, u32)) -> Result<(), FolderError> {
    match DirBuilder::new().mode(mode).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(failed("mkdir", path)(error));
        }
        _made_or_there => {}
    }
    let found = fs::symlink_metadata(path).map_err(failed("stat", path))?;
    let ours = found.is_dir() && (found.uid() == 0 || found.uid() == uid);
    if !ours || found.mode() & 0o022 != 0 {
        return Err(FolderError::Foreign {
            path: path.to_owned(),
        });
    }
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(failed("chmod", path))?;
    chown(path, Some(uid), Some(gid)).map_err(failed("chown", path))
}

fn lock(path: &Path) -> Result<File, FolderError> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true).mode(0o600);
    let file = options.open(path).map_err(failed("open", path))?;
    let until = Instant::now() + UNDERTAKER_GRACE;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(fs::TryLockError::WouldBlock) if Instant::now() < until => {
                std::thread::sleep(Duration::from_millis(20));
            }
            Err(fs::TryLockError::WouldBlock) => {
                return Err(FolderError::Held {
                    path: path.to_owned(),
                });
            }
            Err(fs::TryLockError::Error(error)) => return Err(failed("flock", path)(error)),
        }
    }
}

/// A socket left by a daemon that died; the lock says that no living one uses it.
fn clear_socket(path: &Path) -> Result<(), FolderError> {
    ignore_missing(fs::remove_file(path)).map_err(failed("unlink", path))
}

fn remove_tree(path: &Path) -> Result<(), FolderError> {
    ignore_missing(fs::remove_dir_all(path)).map_err(failed("remove", path))
}

fn ignore_missing(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn failed<'a>(call: &'static str, path: &'a Path) -> impl Fn(io::Error) -> FolderError + 'a {
    move |source| FolderError::Io {
        call,
        path: path.to_owned(),
        source,
    }
}
