//! A jail that stands: start its command, run more in it, signal, freeze, kill, hear of it.
//!
//! Not for: building it (`launch`). Nothing here blocks, except the drop of a jail that still runs.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use model::{ExitReason, ExitRecord, Layers, Recorded};
use sys::clone::Process;
use sys::readiness::wait_readable;
use sys::seqpacket::{Message, Seqpacket};
use sys::wait::Outcome;
use sys::{Errno, SysError};

use crate::cgroup::Group;
pub use crate::cgroup::group::Stats;
use crate::event::{JailEvent, MAIN_PROCESS};
use crate::programs::{Programs, broken, not_started};
use crate::ration::Ration;
use crate::spec::{Command, Stdio};
use crate::wire::{Order, Report, Spawn, Streams};

/// Most messages handled by one pump, so that a jail that talks without end can't starve others.
const MESSAGES_PER_PUMP: usize = 128;
/// How long a drop waits for a killed jail; longer means that the kernel itself is stuck.
const DEATH_MAX: Duration = Duration::from_secs(5);

/// A request to a jail failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JailError {
    /// The jail is over, or its init no longer listens.
    #[error("the jail is over")]
    Over,
    /// The command was started before.
    #[error("the command was started before")]
    Committed,
    /// No command has this number, or it is taken.
    #[error("process number {process} cannot be used")]
    Process {
        /// The number.
        process: u32,
    },
    /// A system call.
    #[error(transparent)]
    Call(#[from] SysError),
}

/// A jail whose layers were confirmed. Dropping it kills it if it is not over, and removes its
/// cgroup, for which nobody who waits for its end need wait.
#[derive(Debug)]
pub struct Jail {
    process: Process,
    control: Seqpacket,
    group: Group,
    layers: Layers,
    command: Option<Command>,
    terminal: Option<OwnedFd>,
    /// Why we ended it, if we did.
    reason: Option<ExitReason>,
    /// How its command ended, as PID 1 said.
    main: Option<ExitRecord>,
    /// Programs that PID 1 was told to start and has not said the end of.
    programs: Programs,
    /// PID 1 has closed its end: its descriptor would read as ready for ever.
    silent: bool,
    over: bool,
    /// What it had used when it ended.
    last: Option<Stats>,
    /// Denials on their way to whoever pumps.
    denials: Ration,
    /// The last word on what its command called.
    recorded: Option<Recorded>,
}

impl Jail {
    pub(crate) fn new(
        process: Process,
        control: Seqpacket,
        group: Group,
        layers: Layers,
        (command, terminal): (Command, Option<OwnedFd>),
    ) -> Self {
        Self {
            process,
            control,
            group,
            layers,
            command: Some(command),
            terminal,
            reason: None,
            main: None,
            programs: Programs::default(),
            silent: false,
            over: false,
            last: None,
            denials: Ration::new(),
            recorded: None,
        }
    }

    /// What the kernel confirmed.
    #[must_use]
    pub const fn layers(&self) -> &Layers {
        &self.layers
    }

    /// PID 1's number on the host; for messages and tests.
    #[must_use]
    pub const fn pid(&self) -> i32 {
        self.process.pid()
    }

    /// The master of the command's terminal, once, if it was to have one.
    pub const fn take_terminal(&mut self) -> Option<OwnedFd> {
        self.terminal.take()
    }

    /// Starts the command; how that went arrives as an event of process 0.
    ///
    /// # Errors
    /// [`JailError::Committed`] the second time; those of sending.
    pub fn commit(&mut self) -> Result<(), JailError> {
        let command = self.command.take().ok_or(JailError::Committed)?;
        self.control.set_nonblocking(true)?;
        let streams = match command.stdio {
            Stdio::Fds(_) => Streams::Passed,
            Stdio::Terminal { .. } => Streams::Opened,
        };
        self.spawn(MAIN_PROCESS, streams, command)
    }

    /// Runs another program in the jail, under the same restrictions; what becomes of it arrives as
    /// events of process `tag`.
    ///
    /// # Errors
    /// [`JailError::Process`] for tag 0 and that of a program that has not ended; [`JailError::Over`];
    /// those of sending.
    pub fn exec(&mut self, tag: u32, command: Command) -> Result<(), JailError> {
        if tag == MAIN_PROCESS {
            return Err(JailError::Process { process: tag });
        }
        let streams = match command.stdio {
            Stdio::Fds(_) => Streams::Passed,
            Stdio::Terminal { rows, cols } => Streams::New { rows, cols },
        };
        self.spawn(tag, streams, command)
    }

    /// Sends a signal to the process group of a program.
    ///
    /// # Errors
    /// Those of sending to PID 1. A program that is over already is no error.
    pub fn signal(&mut self, process: u32, signal: u32) -> Result<(), JailError> {
        self.say(&Order::Signal { process, signal }, &[])
    }

    /// Stops all processes until [`Jail::thaw`].
    ///
    /// # Errors
    /// Those of the cgroup file system.
    pub fn freeze(&mut self) -> Result<(), JailError> {
        Ok(self.group.freeze(true)?)
    }

    /// Lets stopped processes go on.
    ///
    /// # Errors
    /// Those of the cgroup file system.
    pub fn thaw(&mut self) -> Result<(), JailError> {
        Ok(self.group.freeze(false)?)
    }

    /// Kills every process at once; the record of the jail says why. The first reason stays.
    ///
    /// # Errors
    /// Those of the cgroup file system.
    pub fn kill(&mut self, reason: ExitReason) -> Result<(), JailError> {
        if self.over {
            return Ok(());
        }
        if self.main.is_none() {
            self.reason.get_or_insert(reason);
        }
        Ok(self.group.kill()?)
    }

    /// What the jail used so far; after `Over`, in all.
    ///
    /// # Errors
    /// Those of the cgroup file system.
    pub fn stats(&self) -> Result<Stats, JailError> {
        Ok(match self.last {
            Some(last) => last,
            None => self.group.stats()?,
        })
    }

    /// Descriptors to poll for reading; when one is ready, [`Jail::pump`].
    #[must_use]
    pub fn poll_fds(&self) -> Vec<BorrowedFd<'_>> {
        let mut fds = vec![self.process.as_fd()];
        if !self.silent {
            fds.push(self.control.as_fd());
        }
        fds.extend(self.group.oom().map(AsFd::as_fd));
        fds
    }

    /// The descriptor that [`Jail::poll_fds`] listed before and does not any more, because PID 1 has
    /// closed its end: it would read as ready for ever.
    #[must_use]
    pub fn silent_fd(&self) -> Option<BorrowedFd<'_>> {
        self.silent.then(|| self.control.as_fd())
    }

    /// Takes in what has happened; never blocks. After `Over` there is no more.
    ///
    /// # Errors
    /// Those of the system calls; the jail was killed then if PID 1 broke the protocol.
    pub fn pump(&mut self) -> Result<Vec<JailEvent>, JailError> {
        let mut events = Vec::new();
        if self.over {
            return Ok(events);
        }
        self.heed_memory()?;
        self.hear(&mut events)?;
        if let Some(outcome) = self.process.try_reap()? {
            // What PID 1 said before it ended is still in the socket.
            self.hear(&mut events)?;
            events.extend(self.denials.rest().map(JailEvent::Denied));
            events.extend(self.recorded.take().map(JailEvent::Recorded));
            events.push(self.close(outcome));
        }
        Ok(events)
    }

    fn spawn(&mut self, process: u32, streams: Streams, command: Command) -> Result<(), JailError> {
        self.programs.check_free(process)?;
        let order = Order::Spawn(Spawn {
            process,
            streams,
            cwd: command.cwd,
            argv: command.argv,
            env: command.env,
        });
        let fds = match &command.stdio {
            Stdio::Fds(fds) => fds.iter().map(AsFd::as_fd).collect(),
            Stdio::Terminal { .. } => Vec::new(),
        };
        self.say(&order, &fds)?;
        self.programs.begin(process);
        Ok(())
    }

    fn say(&self, order: &Order, fds: &[BorrowedFd<'_>]) -> Result<(), JailError> {
        if self.over {
            return Err(JailError::Over);
        }
        match self.control.send(&order.encode(), fds) {
            Err(error) if error.errno == Errno::EPIPE || error.errno == Errno::ECONNRESET => {
                Err(JailError::Over)
            }
            other => Ok(other?),
        }
    }

    /// On v1 the kernel kills one process of its choice; a jail short of a random process is worth
    /// nothing, so all of it goes, as `memory.oom.group` does on v2.
    fn heed_memory(&mut self) -> Result<(), JailError> {
        let hit = match self.group.oom() {
            Some(counter) => counter.take()? > 0,
            None => false,
        };
        if hit {
            self.kill(ExitReason::Memory)?;
        }
        Ok(())
    }

    /// Takes in the messages that wait.
    fn hear(&mut self, events: &mut Vec<JailEvent>) -> Result<(), JailError> {
        if self.command.is_some() {
            return Ok(());
        }
        for _ in 0..MESSAGES_PER_PUMP {
            if self.silent {
                break;
            }
            match self.control.receive() {
                Ok(Some(message)) => events.extend(self.take_in(message)?),
                Ok(None) => self.silent = true,
                Err(error) if error.errno == Errno::EAGAIN => break,
                Err(error) if error.errno == Errno::ECONNRESET => self.silent = true,
                Err(error) => return Err(self.distrust(error)),
            }
        }
        Ok(())
    }

    fn take_in(&mut self, message: Message) -> Result<Option<JailEvent>, JailError> {
        let report = Report::decode(&message.bytes);
        let event = match report {
            Ok(Report::Started { process }) => JailEvent::Started {
                process,
                terminal: message.fds.into_iter().next(),
            },
            Ok(Report::ExecFailed {
                process,
                errno,
                at_exec,
                message,
            }) => {
                let ended = self.programs.end(process);
                ended.map_err(|error| self.distrust(error))?;
                let record = not_started(at_exec, errno);
                self.note_main(process, record);
                JailEvent::ExecFailed {
                    process,
                    record,
                    message,
                }
            }
            Ok(Report::Exited { process, outcome }) => {
                let ended = self.programs.end(process);
                ended.map_err(|error| self.distrust(error))?;
                let record = self.record_of(outcome);
                self.note_main(process, record);
                JailEvent::Exited { process, record }
            }
            Ok(Report::Denied(denials)) => {
                return Ok(self.denials.admit(denials).map(JailEvent::Denied));
            }
            Ok(Report::Recorded(recorded)) => {
                self.recorded = Some(recorded);
                return Ok(None);
            }
            _ => return Err(self.distrust(broken())),
        };
        Ok(Some(event))
    }

    fn note_main(&mut self, process: u32, record: ExitRecord) {
        if process == MAIN_PROCESS {
            self.main.get_or_insert(record);
        }
    }

    /// How a program ended; one that was killed while memory was short was killed for it.
    fn record_of(&self, outcome: Outcome) -> ExitRecord {
        let memory = || self.group.oom_kills().unwrap_or(0) > 0;
        match outcome {
            Outcome::Exited(code) => ExitRecord::exited(code),
            Outcome::Signalled(9) if memory() => ExitRecord::ended(ExitReason::Memory),
            Outcome::Signalled(signal) => ExitRecord::signalled(signal),
        }
    }

    /// PID 1 does not behave as our code: somebody took it over. Nothing of it is heard any more.
    fn distrust(&mut self, error: SysError) -> JailError {
        if let Err(failure) = self.kill(ExitReason::Killed) {
            tracing::error!(error = %failure, "could not kill a jail that broke the protocol");
        }
        JailError::Call(error)
    }

    fn close(&mut self, init: Outcome) -> JailEvent {
        let memory = self.group.oom_kills().unwrap_or(0) > 0;
        let record = match (self.reason, self.main) {
            (Some(reason), _) => ExitRecord::ended(reason),
            (None, _) if memory => ExitRecord::ended(ExitReason::Memory),
            (None, Some(main)) => main,
            (None, None) => match init {
                Outcome::Exited(_) => ExitRecord::ended(ExitReason::StartFailed),
                Outcome::Signalled(signal) => ExitRecord::signalled(signal),
            },
        };
        self.over = true;
        // A jail that is over must be heard to be, whatever its cgroup says.
        self.last = Some(self.group.stats().unwrap_or_default());
        JailEvent::Over { record }
    }
}

impl Drop for Jail {
    fn drop(&mut self) {
        let ended = || -> Result<(), SysError> {
            if !self.over {
                self.group.kill()?;
                wait_readable(&[self.process.as_fd()], Some(DEATH_MAX))?;
                self.process.try_reap()?;
            }
            self.group.remove()
        };
        if let Err(error) = ended() {
            tracing::error!(%error, "a dropped jail left something behind");
        }
    }
}
