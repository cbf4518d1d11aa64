//! A daemon for the length of one command: started, awaited, and gone with us.
//!
//! Not for: anything the installed daemon would not do; it is the same program.

use std::env;
use std::io::{self, PipeReader, PipeWriter, Read};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use sys::command::{self, Collected, Interest, signal};

use super::AttachError;

/// How long the daemon may take to listen: it sweeps, makes a hub and cells, and starts its office.
const READY_WAIT: Duration = Duration::from_secs(30);
/// How long it may take to end jails and remove its folders.
const END_WAIT: Duration = Duration::from_secs(10);
/// Longest line on the ready descriptor: a path (`PATH_MAX`) and a newline.
const READY_LINE_MAX: usize = 4097;

/// A running daemon that ends when this value does.
#[derive(Debug)]
pub(super) struct Ephemeral {
    child: Child,
    runtime: PathBuf,
    /// The daemon ends when it reads the end of this pipe, so it can't outlive us.
    lifeline: PipeWriter,
}

impl Ephemeral {
    /// Starts the daemon and waits until it listens.
    pub(super) fn start() -> Result<Self, AttachError> {
        let start = |source| AttachError::Start { source };
        let (ready, ready_theirs) = io::pipe().map_err(start)?;
        let (lifeline_theirs, lifeline) = io::pipe().map_err(start)?;
        let child = spawn(&ready_theirs, &lifeline_theirs)?;
        drop((ready_theirs, lifeline_theirs));
        let mut daemon = Self {
            child,
            runtime: PathBuf::new(),
            lifeline,
        };
        daemon.runtime = daemon.await_ready(ready)?;
        Ok(daemon)
    }

    /// The folder with its sockets.
    pub(super) fn folder(&self) -> &Path {
        &self.runtime
    }

    /// Where it takes commands.
    pub(super) fn attach_socket(&self) -> PathBuf {
        self.runtime.join("attach.sock")
    }

    /// Ends the daemon and waits until it is gone, for a bounded time.
    pub(super) fn stop(self) -> Result<(), AttachError> {
        let Self {
            mut child,
            lifeline,
            ..
        } = self;
        drop(lifeline);
        if await_exit(&mut child)?.is_some() {
            return Ok(());
        }
        Err(AttachError::Lingers {
            seconds: END_WAIT.as_secs(),
        })
    }

    fn await_ready(&mut self, mut ready: PipeReader) -> Result<PathBuf, AttachError> {
        let deadline = Instant::now() + READY_WAIT;
        let mut line = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let [state] = command::wait([(ready.as_fd(), Interest::Input)], Some(left))?;
            if !state.input {
                return Err(AttachError::Slow {
                    seconds: READY_WAIT.as_secs(),
                });
            }
            let mut chunk = [0; 512];
            let count = ready
                .read(&mut chunk)
                .map_err(|source| AttachError::Start { source })?;
            line.extend_from_slice(chunk.get(..count).unwrap_or_default());
            if line.last() == Some(&b'\n') {
                line.pop();
                return Ok(PathBuf::from(std::ffi::OsString::from_vec(line)));
            }
            if count == 0 || line.len() > READY_LINE_MAX {
                let status = await_exit(&mut self.child)?;
                return Err(AttachError::NotReady {
                    status: status.map_or_else(|| "still running".to_owned(), |it| it.to_string()),
                });
            }
        }
    }
}

/// Waits for the daemon's exit; `None` when it takes longer than [`END_WAIT`].
fn await_exit(child: &mut Child) -> Result<Option<ExitStatus>, AttachError> {
    // Before the first look: an exit after this line can't be missed.
    let exits = Collected::new(&[signal::CHILD])?;
    let deadline = Instant::now() + END_WAIT;
    loop {
        let status = child
            .try_wait()
            .map_err(|source| AttachError::Start { source })?;
        let left = deadline.saturating_duration_since(Instant::now());
        if status.is_some() || left.is_zero() {
            return Ok(status);
        }
        command::wait([(exits.as_fd(), Interest::Input)], Some(left))?;
        while exits.take()?.is_some() {}
    }
}

fn spawn(ready: &PipeWriter, lifeline: &PipeReader) -> Result<Child, AttachError> {
    // This process has one thread, so no other child can inherit these in between.
    sys::fds::set_cloexec(ready.as_fd(), false)?;
    sys::fds::set_cloexec(lifeline.as_fd(), false)?;
    Command::new(program())
        .args(["--ephemeral", "--log", "warn"])
        .args(["--ready-fd", &ready.as_raw_fd().to_string()])
        .args(["--lifeline-fd", &lifeline.as_raw_fd().to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        // A group of its own: the terminal's ^C is for the command, which we pass it on to.
        .process_group(0)
        .spawn()
        .map_err(|source| AttachError::Start { source })
}

/// The daemon beside our own executable, else whichever `PATH` has.
fn program() -> PathBuf {
    let beside = env::current_exe()
        .ok()
        .map(|me| me.with_file_name("sheriffd"));
    beside
        .filter(|path| path.exists())
        .unwrap_or_else(|| PathBuf::from("sheriffd"))
}
