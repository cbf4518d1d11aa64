//! The product under measurement: its release binaries, and a daemon of our own to run jails with.
//!
//! Not for: building it.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use audit::{Filter, Kind, Reader};

use super::Absence;
use super::kept::Kept;
use super::sample::Sample;
use crate::error::Error;
use crate::tree;

/// Longest a daemon may live: beyond the whole of any chapter.
const DAEMON_LIFE: Duration = Duration::from_secs(240);

/// Longest it may take to end its jails and itself.
const DAEMON_END: Duration = Duration::from_secs(20);

/// The release binaries.
#[derive(Debug)]
pub(crate) struct Product {
    folder: PathBuf,
    /// Where the daemons' messages go, so that they don't break up the table.
    log: PathBuf,
}

/// A private daemon. It ends, with all its jails, when this value is dropped.
#[derive(Debug)]
pub(crate) struct Daemon {
    sheriff: PathBuf,
    runtime: PathBuf,
    child: Kept,
    /// The daemon ends when this pipe does.
    lifeline: Option<std::process::ChildStdin>,
}

impl Product {
    /// The binaries, if they were built.
    pub(crate) fn built(log: PathBuf) -> Result<Self, Absence> {
        let folder = tree::target().join("release");
        let there = |name: &str| folder.join(name).is_file();
        if !["sheriffd", "sheriff-office", "sheriff"]
            .into_iter()
            .all(there)
        {
            return Err(Absence::NotBuilt);
        }
        Ok(Self { folder, log })
    }

    /// Starts a daemon and waits until it is ready.
    pub(crate) fn start(&self) -> Result<Daemon, Absence> {
        self.start_by(None)
    }

    /// The same with this configuration, if there is one.
    pub(crate) fn start_by(&self, configuration: Option<&Path>) -> Result<Daemon, Absence> {
        let mut command = Command::new(self.folder.join("sheriffd"));
        command.args([
            "--ephemeral",
            "--ready-fd",
            "1",
            "--lifeline-fd",
            "0",
            "--log",
            "warn",
        ]);
        if let Some(path) = configuration {
            command.arg("--config").arg(path);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        command.stderr(self.messages()?);
        let mut child = Kept::spawn(&mut command, DAEMON_LIFE)?;
        let lifeline = child.stdin();
        let mut line = String::new();
        if let Some(ready) = child.stdout() {
            let read = BufReader::new(ready).read_line(&mut line);
            read.map_err(|source| Error::Io {
                what: "sheriffd",
                source,
            })?;
        }
        if line.is_empty() {
            let status = child.wait()?;
            return Err(Error::Unmet(format!("sheriffd was not ready: {status}")).into());
        }
        Ok(Daemon {
            sheriff: self.folder.join("sheriff"),
            runtime: line.trim_end().into(),
            child,
            lifeline,
        })
    }

    /// A command that needs no daemon: it starts its own.
    pub(crate) fn embedded(&self) -> Result<Command, Error> {
        let mut command = Command::new(self.folder.join("sheriff"));
        command.args(["run", "--ephemeral", "--", "/bin/true"]);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(self.messages()?);
        Ok(command)
    }

    fn messages(&self) -> Result<File, Error> {
        let opened = OpenOptions::new().create(true).append(true).open(&self.log);
        opened.map_err(|source| Error::File {
            what: "open",
            path: self.log.clone(),
            source,
        })
    }
}

impl Daemon {
    /// `sheriff run` by this daemon with these options; the command is still to be added.
    pub(crate) fn run(&self, options: &[&str]) -> Command {
        let mut command = Command::new(&self.sheriff);
        command
            .arg("--socket-dir")
            .arg(&self.runtime)
            .arg("run")
            .args(options);
        command
    }

    /// The process that everything of its jails goes through.
    pub(crate) fn office(&self) -> Option<u32> {
        super::memory::child_of(self.child.id(), "sheriff-office")
    }

    /// How long it took to build each jail, by its own clock, from the audit log.
    pub(crate) fn builds(&self) -> Result<Sample, Absence> {
        let filter = Filter {
            kinds: vec![Kind::SessionStarted],
            ..Filter::default()
        };
        let folder = self.runtime.join("state/office/audit");
        let read = |error: audit::ReadError| Error::Unmet(error.to_string());
        let mut builds = Vec::new();
        for entry in Reader::open(&folder, filter).map_err(read)? {
            let entry = entry.map_err(read)?;
            let micros = entry
                .data
                .get("build_us")
                .and_then(serde_json::Value::as_u64);
            builds.extend(micros.map(Duration::from_micros));
        }
        Ok(Sample::of(builds))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        drop(self.lifeline.take());
        self.child.limit(DAEMON_END);
        // If it does not end by itself in time, it is killed, and the kernel ends its jails.
        drop(self.child.wait());
    }
}

/// A workspace that holds our own binary as `xtask`, which needs nothing but a C library.
pub(crate) fn workspace() -> Result<tempfile::TempDir, Error> {
    let io = |source| Error::Io {
        what: "workspace",
        source,
    };
    let folder = tempfile::tempdir().map_err(io)?;
    copy_self(folder.path()).map_err(io)?;
    Ok(folder)
}

fn copy_self(folder: &Path) -> std::io::Result<()> {
    fs::copy(std::env::current_exe()?, folder.join("xtask"))?;
    Ok(())
}
