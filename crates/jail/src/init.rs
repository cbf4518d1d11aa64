//! PID 1 of a jail: reaps, starts programs, passes signals on, answers refused calls, reports; ends
//! with the command.
//!
//! Not for: building the jail (`interior`). It runs under the jail's own Landlock rules and seccomp
//! program, as the jail's root, which owns nothing. Everything here returns at once but for the one
//! wait of `turn`: a process of the jail may be waiting for an answer.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use sys::seqpacket::{Message, Seqpacket};
use sys::signals::{self, ChildSignal};
use sys::wait::{Outcome, reap_any};
use sys::{Errno, SysError, privileges, pty, readiness};

use crate::event::MAIN_PROCESS;
use crate::filter::Start;
use crate::program::{self, Manner, NotStarted, Standard};
use crate::recording::Recording;
use crate::refusals::{self, Refusals, Served};
use crate::spec::PROCESSES_MAX;
use crate::wire::{Order, Report, Spawn, Streams};

/// Where new terminals of the jail come from.
const PTMX: &std::ffi::CStr = c"/dev/ptmx";

/// A program that the warden asked for.
#[derive(Debug)]
struct Program {
    process: u32,
    pid: i32,
    /// Open until exec has worked or failed.
    status: Option<OwnedFd>,
    /// The master of its terminal, to be sent once it runs.
    terminal: Option<OwnedFd>,
    /// Whether it never ran.
    failed: bool,
    /// Whether it was killed for a call that the profile makes fatal.
    condemned: bool,
}

/// Why PID 1 stops serving.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// The command is over.
    Command,
    /// The warden is gone, or the connection to it is of no use.
    Lifeline,
}

impl From<SysError> for End {
    fn from(_error: SysError) -> Self {
        Self::Lifeline
    }
}

/// Serves until the command is over or the warden is gone; all other processes of the jail die with
/// this one. Returns the exit code.
pub(crate) fn serve(post: Post, ready: &Report) -> i32 {
    let Ok(children) = ChildSignal::new() else {
        return 1;
    };
    if post.control.send(&ready.encode(), &[]).is_err() {
        return 1;
    }
    let mut init = Init {
        post,
        children,
        programs: Vec::with_capacity(PROCESSES_MAX),
        opened: None,
    };
    match init.run() {
        End::Command => 0,
        End::Lifeline => 1,
    }
}

/// What PID 1 serves with.
#[derive(Debug)]
pub(crate) struct Post {
    /// The way to the warden.
    pub(crate) control: Seqpacket,
    /// User id of the agent inside.
    pub(crate) agent: u32,
    /// How programs are started.
    pub(crate) start: Start,
    /// Calls that the seccomp program leaves to PID 1 to refuse, if it does.
    pub(crate) refusals: Option<Refusals>,
    /// The record of the command's calls, in a jail that makes one.
    pub(crate) recording: Option<Recording>,
}

struct Init {
    post: Post,
    children: ChildSignal,
    programs: Vec<Program>,
    /// The terminal made ahead for the command.
    opened: Option<OwnedFd>,
}

impl Init {
    fn run(&mut self) -> End {
        loop {
            if let Err(end) = self.turn() {
                return end;
            }
        }
    }

    fn turn(&mut self) -> Result<(), End> {
        let refusals = self.post.refusals.as_mut().and_then(Refusals::wait);
        let recording = self.post.recording.as_ref().and_then(Recording::wait);
        let due = refusals.into_iter().chain(recording).min();
        let ready = readiness::wait_readable(&self.watched(), due)?;
        let Some(([order, child, call], statuses)) = ready.split_first_chunk() else {
            return Ok(());
        };
        // One call a turn: however many come, everything else has its turn too.
        if let Some(refusals) = &mut self.post.refusals {
            let served = match *call {
                true => refusals.serve(&self.post.control)?,
                false => Served::Refused,
            };
            refusals.catch_up(&self.post.control);
            self.heed(served)?;
        }
        // The word on exec comes before the word on the end, or a fast program's start is lost.
        if statuses.contains(&true) {
            self.read_statuses(statuses)?;
        }
        // And before the calls of what was executed (`Recording::begin`).
        if let Some(recording) = &mut self.post.recording {
            if *call {
                recording.serve()?;
            }
            recording.catch_up(&self.post.control);
        }
        if *child {
            self.children.clear()?;
            self.reap()?;
        }
        if *order {
            self.obey()?;
        }
        Ok(())
    }

    /// Remembers why a program dies, or ends the jail with the process that does not: as if the command
    /// itself had made the fatal call.
    fn heed(&mut self, served: Served) -> Result<(), End> {
        match served {
            Served::Refused => Ok(()),
            Served::Killed(pid) => {
                let mut programs = self.programs.iter_mut();
                if let Some(program) = programs.find(|program| program.pid == pid) {
                    program.condemned = true;
                }
                Ok(())
            }
            Served::NotKilled => {
                let mut programs = self.programs.iter();
                let main = programs.position(|program| program.process == MAIN_PROCESS);
                main.map_or(Err(End::Lifeline), |at| self.finish(at, refusals::FATAL))
            }
        }
    }

    /// Orders, ended children, waiting calls, then the programs about to start.
    fn watched(&self) -> Vec<BorrowedFd<'_>> {
        let children = self.children.as_fd();
        let refused = self.post.refusals.as_ref().map(AsFd::as_fd);
        let recorded = || self.post.recording.as_ref()?.watched();
        let calls = refused.or_else(recorded);
        // Without a listener its place is held by something that is watched anyway.
        let fixed = [
            self.post.control.as_fd(),
            children,
            calls.unwrap_or(children),
        ];
        let statuses = self.programs.iter();
        let statuses = statuses.filter_map(|program| program.status.as_ref().map(AsFd::as_fd));
        fixed.into_iter().chain(statuses).collect()
    }

    fn obey(&mut self) -> Result<(), End> {
        let Message { bytes, fds } = self.post.control.receive()?.ok_or(End::Lifeline)?;
        match Order::decode(&bytes).map_err(|_malformed| End::Lifeline)? {
            // Out of turn.
            Order::Furnish(_) => Err(End::Lifeline),
            Order::OpenTerminal { rows, cols } => self.open_ahead(rows, cols),
            Order::Spawn(spawn) => self.spawn(&spawn, &fds),
            Order::Signal { process, signal } => {
                self.signal(process, signal);
                Ok(())
            }
        }
    }

    fn open_ahead(&mut self, rows: u16, cols: u16) -> Result<(), End> {
        match self.open_terminal(rows, cols) {
            Ok(pair) => {
                self.opened = Some(pair.slave);
                let report = Report::Terminal.encode();
                Ok(self.post.control.send(&report, &[pair.master.as_fd()])?)
            }
            Err(error) => {
                let report = Report::Failed {
                    step: crate::step::Step::Terminal,
                    object: format!("{} {}", error.call, error.object),
                    errno: error.errno,
                };
                Ok(self.post.control.send(&report.encode(), &[])?)
            }
        }
    }

    /// A terminal from the jail's own devpts. It belongs to the agent, as one of its own making
    /// would: the file system takes the opener's file user id.
    fn open_terminal(&self, rows: u16, cols: u16) -> Result<pty::Pair, SysError> {
        privileges::set_file_user(self.post.agent)?;
        let pair = pty::open_pair(PTMX, rows, cols);
        privileges::set_file_user(privileges::effective_user())?;
        // The kernel treats this as a change of credentials, which undoes both (prctl(2)).
        privileges::set_not_dumpable()?;
        privileges::die_with_parent()?;
        pair
    }

    fn spawn(&mut self, spawn: &Spawn, fds: &[OwnedFd]) -> Result<(), End> {
        match self.start(spawn, fds) {
            Ok(program) => {
                self.programs.push(program);
                Ok(())
            }
            Err(error) => {
                self.report_failure(spawn.process, NotStarted::because(&error))?;
                Self::end_with_command(spawn.process)
            }
        }
    }

    fn start(&mut self, spawn: &Spawn, fds: &[OwnedFd]) -> Result<Program, SysError> {
        let taken = self.programs.iter().any(|old| old.process == spawn.process);
        if self.programs.len() >= PROCESSES_MAX || taken {
            return Err(SysError::new("fork", "too many programs", Errno::EAGAIN));
        }
        let missing = || SysError::new("recvmsg", "no descriptors", Errno::EBADF);
        let mut terminal = None;
        let (pid, status) = match (spawn.streams, fds) {
            (Streams::Passed, [input, output, error]) => {
                let three = [input.as_fd(), output.as_fd(), error.as_fd()];
                self.fork(spawn, Standard::Three(three))?
            }
            (Streams::Opened, _) => {
                let slave = self.opened.take().ok_or_else(missing)?;
                self.fork(spawn, Standard::Terminal(slave.as_fd()))?
            }
            (Streams::New { rows, cols }, _) => {
                let pair = self.open_terminal(rows, cols)?;
                terminal = Some(pair.master);
                self.fork(spawn, Standard::Terminal(pair.slave.as_fd()))?
            }
            (Streams::Passed, _) => return Err(missing()),
        };
        Ok(Program {
            process: spawn.process,
            pid,
            status: Some(status),
            terminal,
            failed: false,
            condemned: false,
        })
    }

    fn fork(&mut self, spawn: &Spawn, standard: Standard<'_>) -> Result<(i32, OwnedFd), SysError> {
        let recording = self.post.recording.as_mut();
        let handover = recording.as_ref().map(|recording| recording.handover());
        // One process is recorded; another would not be.
        let once = || SysError::new("fork", "the jail records its command", Errno::EBUSY);
        let manner = Manner {
            agent: self.post.agent,
            start: self.post.start,
            recorded: handover.map(|it| it.ok_or_else(once)).transpose()?,
        };
        let started = program::start(spawn, standard, manner)?;
        if let Some(recording) = recording {
            recording.expect();
        }
        Ok(started)
    }

    fn signal(&self, process: u32, signal: u32) {
        let found = self
            .programs
            .iter()
            .find(|program| program.process == process);
        if let (Some(program), Ok(signal)) = (found, i32::try_from(signal)) {
            // A program that has just ended is no failure: its end is about to be reported.
            drop(signals::send_to_group(program.pid, signal));
        }
    }

    fn read_statuses(&mut self, statuses: &[bool]) -> Result<(), End> {
        let waiting: Vec<u32> = self
            .programs
            .iter()
            .filter(|program| program.status.is_some())
            .zip(statuses)
            .filter(|(_, ready)| **ready)
            .map(|(program, _)| program.process)
            .collect();
        waiting
            .into_iter()
            .try_for_each(|process| self.settle(process))
    }

    /// Reads how a program's exec went, and reports it.
    fn settle(&mut self, process: u32) -> Result<(), End> {
        let found = self
            .programs
            .iter_mut()
            .find(|program| program.process == process);
        let Some(program) = found else { return Ok(()) };
        let Some(status) = program.status.take() else {
            return Ok(());
        };
        let terminal = program.terminal.take();
        match program::read_status(status) {
            None => {
                if let Some(recording) = &mut self.post.recording {
                    recording.begin();
                }
                let fds: Vec<BorrowedFd<'_>> = terminal.iter().map(AsFd::as_fd).collect();
                Ok(self
                    .post
                    .control
                    .send(&Report::Started { process }.encode(), &fds)?)
            }
            Some(failure) => {
                program.failed = true;
                self.report_failure(process, failure)
            }
        }
    }

    fn report_failure(&self, process: u32, failure: NotStarted) -> Result<(), End> {
        let report = Report::ExecFailed {
            process,
            errno: failure.errno,
            at_exec: failure.at_exec,
            message: failure.message,
        };
        Ok(self.post.control.send(&report.encode(), &[])?)
    }

    fn reap(&mut self) -> Result<(), End> {
        while let Some((pid, outcome)) = reap_any()? {
            let found = self.programs.iter().position(|program| program.pid == pid);
            let Some(index) = found else { continue };
            let process = self
                .programs
                .get(index)
                .map_or(MAIN_PROCESS, |program| program.process);
            self.settle(process)?;
            self.finish(index, outcome)?;
        }
        Ok(())
    }

    fn finish(&mut self, index: usize, outcome: Outcome) -> Result<(), End> {
        let program = self.programs.swap_remove(index);
        let outcome = match outcome {
            refusals::KILLED if program.condemned => refusals::FATAL,
            other => other,
        };
        let process = program.process;
        if process == MAIN_PROCESS
            && let Some(refusals) = &mut self.post.refusals
        {
            refusals.conclude(&self.post.control);
        }
        if process == MAIN_PROCESS
            && let Some(recording) = &self.post.recording
        {
            recording.conclude(&self.post.control)?;
        }
        if !program.failed {
            self.post
                .control
                .send(&Report::Exited { process, outcome }.encode(), &[])?;
        }
        Self::end_with_command(process)
    }

    const fn end_with_command(process: u32) -> Result<(), End> {
        if process == MAIN_PROCESS {
            return Err(End::Command);
        }
        Ok(())
    }
}
