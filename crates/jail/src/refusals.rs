//! PID 1 and the calls that the jail's seccomp program refuses: it hears of each, tells the warden,
//! and answers as the program without reporting would. A call that is fatal there ends its process here
//! too, by `SIGKILL`; it is refused besides, so that nothing depends on who is faster.
//!
//! Not for: deciding. Whatever a caller does, the answer is an error; there is no way to let a call
//! go on (`sys::listener`).
//!
//! One answer is the kernel's own: a signal that comes before PID 1 has heard of the call, with a handler
//! without `SA_RESTART`, ends it with `EINTR`.
//!
//! The kernel takes one listener in a chain of programs, so a program of the jail that asks for one of
//! its own gets `EBUSY`; filters without a listener can be added as anywhere.
//!
//! PID 1 is under the program itself. A refused call of its own would wait for an answer that nobody
//! else can give, so profiles must permit all that it does (`seccomp::Profile::check_floor`), and it
//! never waits for a process of the jail: that one may be waiting for it.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use model::{Denials, DeniedCall};
use seccomp::{Action, Data, Errno, Program};
use sys::SysError;
use sys::listener::{Listener, Waiting};
use sys::seqpacket::Seqpacket;
use sys::wait::Outcome;

use crate::bucket::Bucket;
use crate::wire::Report;

/// Denials told at once: what a program that tries its ways at its start may cause.
const TOLD_AT_ONCE: u32 = 64;
/// Denials told per second after that. The rest is counted, and the count told with the next.
const TOLD_PER_SECOND: u32 = 16;

/// How a program ends that was killed for a call, as the kernel has it.
pub(crate) const KILLED: Outcome = Outcome::Signalled(9);
/// And as it is told: `SIGSYS`, as where the kernel itself ends a program for a fatal call.
pub(crate) const FATAL: Outcome = Outcome::Signalled(31);

/// What became of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a process that could not be killed must not live on"]
pub(crate) enum Served {
    /// It was refused, or its caller was gone.
    Refused,
    /// It was refused, and this process killed for it.
    Killed(i32),
    /// It was refused, but its process should be dead and is not.
    NotKilled,
}

/// The listener and what it needs.
#[derive(Debug)]
pub(crate) struct Refusals {
    listener: Listener,
    /// Gives the answers.
    enforce: Program,
    bucket: Bucket,
    /// Refused and not told.
    untold: u64,
}

impl Refusals {
    pub(crate) fn new(listener: Listener, enforce: Program) -> Self {
        Self {
            listener,
            enforce,
            bucket: Bucket::new(TOLD_AT_ONCE, TOLD_PER_SECOND),
            untold: 0,
        }
    }

    /// Tells of one waiting call and refuses it. Never waits: call it when the listener is readable.
    pub(crate) fn serve(&mut self, control: &Seqpacket) -> Result<Served, SysError> {
        let Some(waiting) = self.listener.receive()? else {
            return Ok(Served::Refused);
        };
        let errno = self.errno_of(&waiting);
        // First told, then answered: what the caller did next can't come before it.
        if self.bucket.take(Instant::now()) {
            self.tell(Some(denied(&waiting, errno)), control);
        } else {
            self.untold = self.untold.saturating_add(1);
        }
        let served = match errno {
            Some(_) => Served::Refused,
            None => self.kill(&waiting),
        };
        let errno = errno.unwrap_or(Errno::EPERM);
        self.listener.refuse(&waiting, errno.number())?;
        Ok(served)
    }

    /// Ends the process that made a fatal call.
    fn kill(&self, waiting: &Waiting) -> Served {
        match self.listener.kill_caller(waiting) {
            Ok(Some(process)) => Served::Killed(process),
            // Somebody else ended it before it had its answer.
            Ok(None) => Served::Refused,
            Err(_alive) => Served::NotKilled,
        }
    }

    /// How long until the count of what was not told may be, if there is any.
    pub(crate) fn wait(&mut self) -> Option<Duration> {
        (self.untold > 0).then(|| self.bucket.wait(Instant::now()))
    }

    /// Tells the count of what was not told, if that may be now.
    pub(crate) fn catch_up(&mut self, control: &Seqpacket) {
        if self.untold > 0 && self.bucket.take(Instant::now()) {
            self.tell(None, control);
        }
    }

    /// Tells the count in any case: there is no later.
    pub(crate) fn conclude(&mut self, control: &Seqpacket) {
        if self.untold > 0 {
            self.tell(None, control);
        }
    }

    /// The answer of the program that enforces; `None` for a fatal call. That it says anything else about
    /// a call that the other one left to us can't be, and is still a refusal.
    fn errno_of(&self, waiting: &Waiting) -> Option<Errno> {
        let call = Data {
            number: waiting.number,
            arch: waiting.arch,
            instruction_pointer: waiting.instruction_pointer,
            arguments: waiting.arguments,
        };
        match seccomp::simulate(&self.enforce, &call) {
            Ok(Action::Errno(errno)) => Some(errno),
            Ok(Action::KillProcess) => None,
            _ => Some(Errno::EPERM),
        }
    }

    /// What can't be told at once is counted: the warden may be busy, and callers wait. One that is
    /// gone shows when the connection is next read.
    fn tell(&mut self, call: Option<DeniedCall>, control: &Seqpacket) {
        let report = Report::Denied(Denials {
            call,
            untold: self.untold,
        });
        self.untold = match control.offer(&report.encode()) {
            Ok(true) => 0,
            Ok(false) | Err(_) => self.untold.saturating_add(u64::from(call.is_some())),
        };
    }
}

impl AsFd for Refusals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

fn denied(waiting: &Waiting, errno: Option<Errno>) -> DeniedCall {
    DeniedCall {
        thread: waiting.thread,
        number: waiting.number,
        arch: waiting.arch,
        arguments: waiting.arguments,
        errno: errno.map(Errno::number),
    }
}
