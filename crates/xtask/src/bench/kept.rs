//! Child processes that can't outlive their time, nor us.
//!
//! Not for: what they are.

use std::collections::BTreeMap;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus};
use std::sync::{Condvar, LazyLock, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;

use crate::error::Error;

/// A child that is killed when its time is over and when this value is dropped.
#[derive(Debug)]
pub(crate) struct Kept {
    name: String,
    child: Child,
    pid: Pid,
    reaped: bool,
}

/// When each living child's time is over. A child is listed until just before it is reaped, under
/// the lock: so its id is its own whenever it is killed.
#[derive(Debug, Default)]
struct Watch {
    due: Mutex<BTreeMap<i32, Instant>>,
    changed: Condvar,
    /// When every child's time is over.
    end: OnceLock<Instant>,
}

/// From now on no child, present or future, lives beyond this time. Only the first call counts.
pub(crate) fn end_all_within(limit: Duration) {
    WATCH.end.get_or_init(|| Instant::now() + limit);
}

static WATCH: LazyLock<Watch> = LazyLock::new(|| {
    // The thread ends with the process; without it a stuck child would only stop the chore.
    drop(
        thread::Builder::new()
            .name("watch".to_owned())
            .spawn(|| WATCH.run()),
    );
    Watch::default()
});

impl Kept {
    /// Starts the child, which may live this long.
    pub(crate) fn spawn(command: &mut Command, limit: Duration) -> Result<Self, Error> {
        let name = command.get_program().to_string_lossy().into_owned();
        let start = |source| Error::Start {
            program: name.clone(),
            source,
        };
        let child = command.spawn().map_err(start)?;
        let id = child.id().cast_signed();
        WATCH.add(id, limit);
        Ok(Self {
            name,
            child,
            pid: Pid::from_raw(id),
            reaped: false,
        })
    }

    /// From now on it may live this long.
    pub(crate) fn limit(&self, limit: Duration) {
        WATCH.add(self.pid.as_raw(), limit);
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its standard input, once, when it is a pipe.
    pub(crate) const fn stdin(&mut self) -> Option<ChildStdin> {
        self.child.stdin.take()
    }

    /// Its standard output, once, when it is a pipe.
    pub(crate) const fn stdout(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    /// What it wrote to standard error, when that is a pipe; waits for its end.
    pub(crate) fn errors(&mut self) -> String {
        use std::io::Read;
        let mut text = Vec::new();
        if let Some(stream) = self.child.stderr.take() {
            // A message cut short is still the best account of a failure.
            drop(stream.take(ERRORS_MAX).read_to_end(&mut text));
        }
        String::from_utf8_lossy(&text).trim().to_owned()
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> Result<ExitStatus, Error> {
        let what = |source| Error::Start {
            program: self.name.clone(),
            source,
        };
        self.await_end().map_err(what)?;
        let mut due = WATCH.lock();
        due.remove(&self.pid.as_raw());
        self.reaped = true;
        self.child.wait().map_err(what)
    }

    /// Waits for its end, which must be a success.
    pub(crate) fn succeed(&mut self) -> Result<(), Error> {
        let status = self.wait()?;
        if status.success() {
            return Ok(());
        }
        let said = self.errors();
        let said = said.lines().last().unwrap_or_default();
        Err(Error::Unmet(format!("{}: {status} {said}", self.name)))
    }

    /// Waits without reaping, so that the id stays taken.
    fn await_end(&self) -> std::io::Result<()> {
        loop {
            match waitid(
                Id::Pid(self.pid),
                WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT,
            ) {
                Ok(_) => return Ok(()),
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}

/// Most of a child's errors that are read; enough for any message.
const ERRORS_MAX: u64 = 64 * 1024;

impl Drop for Kept {
    fn drop(&mut self) {
        if !self.reaped {
            // Both fail only if it is gone already.
            drop(self.child.kill());
            drop(self.wait());
        }
    }
}

impl Watch {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<i32, Instant>> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, id: i32, limit: Duration) {
        let own = Instant::now() + limit;
        let end = self.end.get().map_or(own, |end| own.min(*end));
        self.lock().insert(id, end);
        self.changed.notify_one();
    }

    fn run(&self) {
        let mut due = self.lock();
        loop {
            let now = Instant::now();
            due.retain(|id, end| {
                let over = *end <= now;
                if over {
                    // It is not reaped yet, so the id is its own; a refusal means it is ending.
                    kill(Pid::from_raw(*id), Signal::SIGKILL).unwrap_or_default();
                }
                !over
            });
            let next = due.values().min().copied();
            let wait = next.map_or(IDLE, |end| end.saturating_duration_since(now));
            let (locked, _) = self
                .changed
                .wait_timeout(due, wait)
                .unwrap_or_else(PoisonError::into_inner);
            due = locked;
        }
    }
}

/// How long the watch sleeps with nobody to watch.
const IDLE: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kills_a_child_whose_time_is_over_and_no_other() {
        let started = Instant::now();
        let mut late =
            Kept::spawn(Command::new("sleep").arg("60"), Duration::from_millis(50)).unwrap();
        let mut timely = Kept::spawn(&mut Command::new("true"), Duration::from_secs(60)).unwrap();
        assert!(timely.wait().unwrap().success());
        assert!(!late.wait().unwrap().success());
        assert!(started.elapsed() < Duration::from_secs(30));
    }
}
