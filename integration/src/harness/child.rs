//! A child process whose output is collected while it runs, with a deadline on every wait.
//!
//! Not for: what the child is; see `jail` and `daemon`.

use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// A running child. Killed on drop.
#[derive(Debug)]
pub(crate) struct Child {
    pid: Pid,
    input: Option<std::process::ChildStdin>,
    shared: Arc<Shared>,
    streams: u8,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

/// What is known of a child.
#[derive(Debug, Default, Clone)]
pub(crate) struct State {
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    pub(crate) status: Option<ExitStatus>,
    ended_streams: u8,
}

impl Child {
    /// Starts a command with its output collected; its standard input is as the command says.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let stdout = child.stdout.take().unwrap();
        let stderr = child.stderr.take().unwrap();
        let started = Self::adopt(child, 2);
        started.collect(stdout, |state| &mut state.stdout);
        started.collect(stderr, |state| &mut state.stderr);
        started
    }

    /// Takes over a child whose output comes over `streams` readers that the caller adds.
    pub(super) fn adopt(mut child: std::process::Child, streams: u8) -> Self {
        let shared = Arc::new(Shared::default());
        let started = Self {
            pid: Pid::from_child(&child),
            input: child.stdin.take(),
            shared: Arc::clone(&shared),
            streams,
        };
        background(move || {
            let status = child.wait().unwrap();
            shared.change(|state| state.status = Some(status));
        });
        started
    }

    /// Adds everything that comes from `source` to one of the outputs.
    pub(super) fn collect<R>(&self, mut source: R, output: fn(&mut State) -> &mut Vec<u8>)
    where
        R: Read + Send + 'static,
    {
        let shared = Arc::clone(&self.shared);
        background(move || {
            let mut buffer = [0; 64 * 1024];
            // A terminal's master reports EIO when the other side is gone: that is its end.
            while let Ok(count @ 1..) = source.read(&mut buffer) {
                shared.change(|state| output(state).extend_from_slice(&buffer[..count]));
            }
            shared.change(|state| state.ended_streams += 1);
        });
    }

    /// Writes to the child's standard input, which must be a pipe.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.input
            .as_mut()
            .unwrap()
            .write_all(bytes.as_ref())
            .unwrap();
    }

    /// Closes the child's standard input.
    pub(crate) fn close_input(&mut self) {
        self.input = None;
    }

    /// The child's process id.
    pub(crate) fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// Sends a signal to the child.
    pub(crate) fn signal(&self, signal: Signal) {
        if self.state().status.is_none() {
            kill_process(self.pid, signal).unwrap();
        }
    }

    /// What is known at this moment.
    pub(crate) fn state(&self) -> State {
        self.shared.state.lock().unwrap().clone()
    }

    /// Waits until the standard output holds this text; fails when it ends before, or too late.
    pub(crate) fn await_text(&self, text: &str, patience: Duration) -> String {
        let over = |state: &State| contains(&state.stdout, text) || state.is_over(self.streams);
        let state = self.await_state(&format!("output {text:?}"), patience, over);
        assert!(
            contains(&state.stdout, text),
            "{text:?} never came: {state}"
        );
        String::from_utf8_lossy(&state.stdout).into_owned()
    }

    /// Waits for the child's end and the end of its output.
    pub(crate) fn wait(&self, patience: Duration) -> State {
        self.await_state("the end", patience, |state| state.is_over(self.streams))
    }

    fn await_state(&self, what: &str, patience: Duration, done: impl Fn(&State) -> bool) -> State {
        let deadline = Instant::now() + patience;
        let mut state = self.shared.state.lock().unwrap();
        while !done(&state) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let late = state.clone();
                drop(state);
                self.signal(Signal::KILL);
                panic!("waited {patience:?} for {what} in vain: {late}");
            }
            state = self.shared.changed.wait_timeout(state, left).unwrap().0;
        }
        state.clone()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let status = self.shared.state.lock().map(|state| state.status);
        if let Ok(None) = status {
            // An error says that it ended in this very moment, which is as good.
            kill_process(self.pid, Signal::KILL).unwrap_or_default();
        }
    }
}

impl Shared {
    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap());
        self.changed.notify_all();
    }
}

impl State {
    /// Exit code as a shell gives it: 128 + n for signal n. Fails while the child runs.
    pub(crate) fn code(&self) -> i32 {
        let status = self.status.unwrap();
        let signal = || 128 + status.signal().unwrap();
        status.code().unwrap_or_else(signal)
    }

    fn is_over(&self, streams: u8) -> bool {
        self.status.is_some() && self.ended_streams == streams
    }
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = |bytes: &[u8]| {
            let tail = bytes.len().saturating_sub(8 * 1024);
            String::from_utf8_lossy(&bytes[tail..]).into_owned()
        };
        write!(
            f,
            "status {:?}\n--- stdout\n{}\n--- stderr\n{}",
            self.status,
            text(&self.stdout),
            text(&self.stderr)
        )
    }
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes
        .windows(text.len())
        .any(|part| part == text.as_bytes())
}

/// Runs in a thread that ends with its child.
pub(super) fn background(work: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().name("harness".to_owned());
    drop(thread.spawn(work).unwrap());
}
