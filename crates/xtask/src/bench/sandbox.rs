//! How Sheriff and its peers are told to run one command: `sheriff run`, `bwrap`, `runc run`, nothing.
//!
//! Not for: timing (`launch`) or weighing (`memory`).

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use super::Absence;
use super::kept::Kept;
use super::product::Daemon;
use crate::error::Error;

/// What is run inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Payload {
    /// Ends at once.
    True,
    /// Writes a line, then ends.
    Echo,
    /// Writes a line, then does nothing for longer than any measurement.
    Sleep,
}

/// One way to run a command apart from the host.
#[derive(Debug)]
pub(crate) enum Sandbox<'d> {
    /// No sandbox: what any launch costs at least.
    Spawn,
    /// Ours, by a running daemon.
    Sheriff(&'d Daemon),
    /// All namespaces, no network, no seccomp, no cgroup.
    Bwrap(PathBuf),
    /// A bundle per payload; all namespaces but the user's, cgroups, no seccomp.
    Runc(Runc),
}

/// A runc with a state folder and bundles of its own.
#[derive(Debug)]
pub(crate) struct Runc {
    program: PathBuf,
    folder: tempfile::TempDir,
    next: AtomicU64,
}

impl Payload {
    const ALL: [Self; 3] = [Self::True, Self::Echo, Self::Sleep];

    /// Its arguments. All peers run the host's own binaries.
    const fn argv(self) -> &'static [&'static str] {
        match self {
            Self::True => &["/bin/true"],
            Self::Echo => &["/bin/echo", "up"],
            Self::Sleep => &["/bin/sh", "-c", "echo up; exec sleep 300"],
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::True => "true",
            Self::Echo => "echo",
            Self::Sleep => "sleep",
        }
    }
}

impl Sandbox<'_> {
    /// bwrap, if it is installed and runs here.
    pub(crate) fn bwrap() -> Result<Self, Absence> {
        Self::Bwrap(installed("bwrap")?).proven()
    }

    /// runc, if it is installed and runs here.
    pub(crate) fn runc(folder: &Path) -> Result<Self, Absence> {
        Self::Runc(Runc::new(installed("runc")?, folder)?).proven()
    }

    /// The command line that runs the payload, with no input and, unless changed, no output.
    pub(crate) fn command(&self, payload: Payload) -> Command {
        let mut command = match self {
            Self::Spawn => Command::new("/usr/bin/env"),
            Self::Sheriff(daemon) => daemon.run(&[]),
            Self::Bwrap(program) => bwrap(program),
            Self::Runc(runc) => runc.command(payload),
        };
        match self {
            Self::Spawn => command = plain(payload),
            Self::Sheriff(_) => drop(command.arg("--").args(payload.argv())),
            Self::Bwrap(_) => drop(command.args(payload.argv())),
            Self::Runc(_) => {}
        }
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command
    }

    /// Itself, if it can run anything.
    fn proven(self) -> Result<Self, Absence> {
        let mut command = self.command(Payload::True);
        command.stderr(Stdio::piped());
        Kept::spawn(&mut command, super::ONE_RUN)?.succeed()?;
        Ok(self)
    }
}

fn plain(payload: Payload) -> Command {
    let mut argv = payload.argv().iter();
    let mut command = Command::new(argv.next().copied().unwrap_or("/bin/true"));
    command.args(argv);
    command
}

fn bwrap(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.args(["--unshare-all", "--die-with-parent", "--ro-bind", "/", "/"]);
    command.args(["--dev", "/dev", "--proc", "/proc"]);
    command
}

impl Runc {
    fn new(program: PathBuf, folder: &Path) -> Result<Self, Error> {
        let folder = tempfile::tempdir_in(folder).map_err(|source| Error::Io {
            what: "bundle",
            source,
        })?;
        let runc = Self {
            program,
            folder,
            next: AtomicU64::new(0),
        };
        for payload in Payload::ALL {
            runc.make_bundle(payload)?;
        }
        Ok(runc)
    }

    fn command(&self, payload: Payload) -> Command {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let own = std::process::id();
        let mut command = Command::new(&self.program);
        command.arg("--root").arg(self.folder.path().join("state"));
        command.arg("run").arg("--bundle").arg(self.bundle(payload));
        command.arg(format!("sheriff-bench-{own}-{number}"));
        command
    }

    /// Removes containers whose runc was killed before it could.
    pub(crate) fn sweep(&self) -> Result<(), Error> {
        let own = std::process::id();
        for number in 0..self.next.load(Ordering::Relaxed) {
            let name = format!("sheriff-bench-{own}-{number}");
            if !self.folder.path().join("state").join(&name).exists() {
                continue;
            }
            let mut command = Command::new(&self.program);
            command.arg("--root").arg(self.folder.path().join("state"));
            command.args(["delete", "--force", &name]);
            command.stdout(Stdio::null()).stderr(Stdio::piped());
            Kept::spawn(&mut command, super::ONE_RUN)?.succeed()?;
        }
        Ok(())
    }

    fn bundle(&self, payload: Payload) -> PathBuf {
        self.folder.path().join(payload.name())
    }

    /// A root folder with the host's programs bound in, and a configuration that runs the payload.
    fn make_bundle(&self, payload: Payload) -> Result<(), Error> {
        let bundle = self.bundle(payload);
        let root = bundle.join("rootfs");
        let file = |source| Error::File {
            what: "bundle",
            path: bundle.clone(),
            source,
        };
        for folder in ["usr", "proc", "dev"] {
            fs::create_dir_all(root.join(folder)).map_err(file)?;
        }
        let mut mounts = vec![
            bind("/usr"),
            json!({"destination": "/proc", "type": "proc", "source": "proc"}),
            json!({"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
                   "options": ["nosuid", "mode=755", "size=64k"]}),
        ];
        for name in ["bin", "sbin", "lib", "lib64"] {
            let host = Path::new("/").join(name);
            match fs::read_link(&host) {
                Ok(link) => symlink(link, root.join(name)).map_err(file)?,
                Err(_) if host.is_dir() => mounts.push(bind(&host.to_string_lossy())),
                Err(_) => {}
            }
        }
        let text = config(payload, &mounts).to_string();
        fs::write(bundle.join("config.json"), text).map_err(file)
    }
}

fn bind(path: &str) -> Value {
    json!({"destination": path, "type": "bind", "source": path, "options": ["rbind", "ro"]})
}

fn config(payload: Payload, mounts: &[Value]) -> Value {
    let namespaces = ["pid", "network", "ipc", "uts", "mount"].map(|kind| json!({ "type": kind }));
    json!({
        "ociVersion": "1.0.2",
        "process": {
            "user": {"uid": 0, "gid": 0},
            "args": payload.argv(),
            "env": ["PATH=/usr/bin:/bin"],
            "cwd": "/",
            "capabilities": {},
            "noNewPrivileges": true,
        },
        "root": {"path": "rootfs", "readonly": true},
        "hostname": "bench",
        "mounts": mounts,
        "linux": {
            "namespaces": namespaces,
            "resources": {
                "memory": {"limit": 1 << 30},
                "pids": {"limit": 256},
                "cpu": {"quota": 150_000, "period": 100_000},
            },
        },
    })
}

/// Where the program is.
pub(crate) fn installed(name: &str) -> Result<PathBuf, Absence> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).map(|folder| folder.join(name));
    // Daemons live in sbin, which a user's PATH may not have.
    let sbin = ["/usr/sbin", "/usr/local/sbin"].map(|folder| Path::new(folder).join(name));
    let mut found = folders.chain(sbin);
    found
        .find(|path| path.is_file())
        .ok_or(Absence::NotInstalled)
}
