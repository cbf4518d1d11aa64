//! What the office asks, one method a request, and what jails report.
//!
//! Not for: building a jail (`launch`).

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use jail::JailEvent;
use model::{Denials, ExitReason, SessionId};
use warrant::{
    Answer, Ask, Command, Counters, Ended, KillReason, Notice, ProcessId, Refusal, Request, Tell,
};

use crate::living::{Living, Recording};
use crate::warden::Warden;

/// Most processes that `exec` may start in one jail over its life.
const PROCESSES_MAX: u32 = 1_000_000;

impl Warden {
    /// Carries out one request and answers it, at once or when the jail reports.
    pub(crate) fn answer(&mut self, ask: Ask, fds: Vec<OwnedFd>) {
        let tag = ask.tag;
        let result = match ask.request {
            Request::Launch(launch) => self.launch(tag, &launch, fds).map(|()| None),
            Request::Commit(session) => self.commit(tag, &session).map(|()| None),
            Request::Exec(session, command) => {
                self.exec(tag, &session, *command, fds).map(|()| None)
            }
            Request::Signal(session, process, signal) => {
                self.signal(&session, process, signal).map(Some)
            }
            Request::Kill(session, reason) => self.kill(&session, reason).map(Some),
            Request::Freeze(session) => self.freeze(&session, true).map(Some),
            Request::Thaw(session) => self.freeze(&session, false).map(Some),
            Request::Counters(session) => self.counters(&session).map(Some),
            Request::OpenPorts(session, ports) => {
                self.open_more_ports(tag, &session, &ports).map(|()| None)
            }
            Request::Reload(operator) => self.reload_for(operator).map(Some),
        };
        match result {
            Ok(Some(answer)) => self.tell(&Tell::Answer(tag, answer), &[]),
            Ok(None) => {}
            Err(refusal) => self.tell(&Tell::Answer(tag, Answer::Refused(refusal)), &[]),
        }
    }

    fn commit(&mut self, tag: u64, session: &SessionId) -> Result<(), Refusal> {
        let living = self.living(session)?;
        if living.committed {
            return Err(refused(format!("session {session} was started already")));
        }
        living
            .jail
            .commit()
            .map_err(|error| failed("commit", &error))?;
        living.committed = true;
        living.waiting.insert(ProcessId::MAIN, tag);
        Ok(())
    }

    fn exec(
        &mut self,
        tag: u64,
        session: &SessionId,
        command: Command,
        mut fds: Vec<OwnedFd>,
    ) -> Result<(), Refusal> {
        command
            .validate()
            .map_err(|error| refused(error.to_string()))?;
        if fds.is_empty() {
            return Err(refused("exec without the operator's connection".to_owned()));
        }
        let connection = fds.remove(0);
        let peer = self
            .operators
            .identify(connection.as_fd())
            .map_err(|error| refused(error.to_string()))?;
        let (environment, cwd) = self.environment_of(session)?;
        let living = self.living(session)?;
        // Its workspace is a user's: what runs in the jail acts as that user on disk.
        if peer.uid != 0 && peer.uid != living.operator_uid {
            return Err(refused(format!(
                "session {session} belongs to another user"
            )));
        }
        if !matches!(living.recording, Recording::Off) {
            return Err(refused(format!(
                "session {session} is recorded: what else ran in it would not be"
            )));
        }
        if !living.committed || living.next_process >= PROCESSES_MAX {
            return Err(refused(format!(
                "session {session} takes no further process"
            )));
        }
        let process = ProcessId(living.next_process);
        let command = crate::command::build(command, environment, cwd, fds)
            .map_err(|e| refused(e.to_string()))?;
        living
            .jail
            .exec(process.0, command)
            .map_err(|error| failed("exec", &error))?;
        living.next_process += 1;
        living.waiting.insert(process, tag);
        tracing::info!(%session, process = process.0, uid = peer.uid, "process started in jail");
        Ok(())
    }

    fn signal(
        &mut self,
        session: &SessionId,
        process: ProcessId,
        signal: u8,
    ) -> Result<Answer, Refusal> {
        let living = self.living(session)?;
        living
            .jail
            .signal(process.0, u32::from(signal))
            .map_err(|error| failed("signal", &error))?;
        Ok(Answer::Done)
    }

    fn kill(&mut self, session: &SessionId, reason: KillReason) -> Result<Answer, Refusal> {
        self.living(session)?;
        let reason = match reason {
            KillReason::Operator => ExitReason::Killed,
            KillReason::Budget => ExitReason::Budget,
            KillReason::NotRecorded => ExitReason::StartFailed,
        };
        self.end_jail(session, reason);
        Ok(Answer::Done)
    }

    fn freeze(&mut self, session: &SessionId, frozen: bool) -> Result<Answer, Refusal> {
        let living = self.living(session)?;
        let result = if frozen {
            living.jail.freeze()
        } else {
            living.jail.thaw()
        };
        result.map_err(|error| failed("freeze", &error))?;
        Ok(Answer::Done)
    }

    fn counters(&self, session: &SessionId) -> Result<Answer, Refusal> {
        let living = self.jails.get(session).ok_or_else(|| unknown(session))?;
        Ok(Answer::Counters(self.read_counters(living)))
    }

    /// Reads what the kernel counted; a counter that can't be read any more is zero.
    fn read_counters(&self, living: &Living) -> Counters {
        let mut counters = Counters::default();
        match living.ground.cell.counters(self.pool.hub()) {
            Ok(wire) => {
                (counters.bytes_up, counters.bytes_down) = (wire.bytes_up, wire.bytes_down);
                (counters.packets_up, counters.packets_down) = (wire.packets_up, wire.packets_down);
            }
            Err(error) => tracing::warn!(session = %living.session, %error, "veth counters"),
        }
        match living.jail.stats() {
            Ok(stats) => {
                counters.memory_peak = stats.memory_peak;
                counters.cpu_us = stats.cpu_micros;
                counters.oom_kills = stats.oom_kills;
            }
            Err(error) => tracing::warn!(session = %living.session, %error, "cgroup counters"),
        }
        counters
    }

    /// Starts a jail's end; its `Over` event completes it.
    pub(crate) fn end_jail(&mut self, session: &SessionId, reason: ExitReason) {
        let Some(living) = self.jails.get_mut(session) else {
            return;
        };
        if let Err(error) = living.jail.kill(reason) {
            tracing::error!(%session, %error, "kill");
        }
    }

    /// Passes on what a jail reported.
    pub(crate) fn on_jail_event(&mut self, session: &SessionId, event: JailEvent) {
        match event {
            JailEvent::Started { process, terminal } => {
                let process = ProcessId(process);
                let main = process == ProcessId::MAIN;
                let own = self.jails.get_mut(session).filter(|_living| main);
                let terminal =
                    terminal.or_else(|| own.and_then(|living| living.jail.take_terminal()));
                let fds: Vec<BorrowedFd<'_>> = terminal.iter().map(AsFd::as_fd).collect();
                self.answer_waiting(session, process, Answer::Started(process), &fds);
            }
            JailEvent::ExecFailed {
                process,
                record,
                message,
            } => {
                let process = ProcessId(process);
                let refusal = Refusal {
                    step: "exec".to_owned(),
                    message,
                    remedy: String::new(),
                    callers_fault: true,
                    exit: Some(record),
                };
                self.answer_waiting(session, process, Answer::Refused(refusal), &[]);
            }
            JailEvent::Exited { process, record } => {
                let notice = Notice::Exited(session.clone(), ProcessId(process), record);
                self.tell(&Tell::Notice(notice), &[]);
            }
            JailEvent::Denied(denials) => self.pass_on(session, denials),
            JailEvent::Recorded(recorded) => {
                if let Some(living) = self.jails.get_mut(session) {
                    living.recording = Recording::Over(recorded);
                }
            }
            JailEvent::Over { record } => self.bury(session, record),
        }
    }

    /// Tells the office of refused calls, or counts them until there is one that has time for them: a
    /// channel full of jails' noise would be taken for a dead office.
    fn pass_on(&mut self, session: &SessionId, denials: Denials) {
        let unheard = self.jails.get(session).map_or(0, |living| living.unheard);
        let denials = Denials {
            untold: denials.untold.saturating_add(unheard),
            ..denials
        };
        let heard = self.offer(&Tell::Notice(Notice::Denied(session.clone(), denials)));
        if let Some(living) = self.jails.get_mut(session) {
            living.unheard = if heard { 0 } else { denials.count() };
        }
    }

    fn answer_waiting(
        &mut self,
        session: &SessionId,
        process: ProcessId,
        answer: Answer,
        fds: &[BorrowedFd<'_>],
    ) {
        let tag = self
            .jails
            .get_mut(session)
            .and_then(|living| living.waiting.remove(&process));
        if let Some(tag) = tag {
            self.tell(&Tell::Answer(tag, answer), fds);
        }
    }

    /// A jail is gone: last counters, then its wire, folder and user ids.
    fn bury(&mut self, session: &SessionId, record: model::ExitRecord) {
        let untold = self.jails.get(session).map_or(0, |living| living.unheard);
        if untold > 0 {
            // There is no later.
            let denials = Denials { call: None, untold };
            self.tell(&Tell::Notice(Notice::Denied(session.clone(), denials)), &[]);
        }
        let Some(living) = self.jails.remove(session) else {
            return;
        };
        let counters = self.read_counters(&living);
        for tag in living.waiting.values() {
            let refusal = refused(ended_first(session, record.reason));
            self.tell(&Tell::Answer(*tag, Answer::Refused(refusal)), &[]);
        }
        let ended = Ended {
            session: session.clone(),
            record,
            counters,
            recorded: living.recording.into_recorded(),
        };
        self.tell(&Tell::Notice(Notice::Ended(Box::new(ended))), &[]);
        // Whoever waits for the end knows of it; what follows only takes time.
        let Living { jail, ground, .. } = living;
        drop(jail);
        self.clear_ground(ground);
    }

    fn living(&mut self, session: &SessionId) -> Result<&mut Living, Refusal> {
        self.jails.get_mut(session).ok_or_else(|| unknown(session))
    }
}

/// For a request whose session ended before it was done.
fn ended_first(session: &SessionId, reason: ExitReason) -> String {
    let why = match reason {
        ExitReason::Timeout => "its time was over; see --timeout and --limit wall_clock=D",
        ExitReason::Memory => "it ran out of memory; see --limit memory=SIZE",
        ExitReason::Killed => "an operator killed it",
        _ => "its first process is gone",
    };
    format!("session {session} ended before this was done: {why}")
}

/// The request itself is not acceptable.
pub(crate) fn refused(message: String) -> Refusal {
    Refusal {
        step: "request".to_owned(),
        message,
        remedy: String::new(),
        callers_fault: true,
        exit: None,
    }
}

fn unknown(session: &SessionId) -> Refusal {
    refused(format!("no session {session}"))
}

/// The host failed at a step.
pub(crate) fn failed(step: &str, error: &dyn std::error::Error) -> Refusal {
    Refusal {
        step: step.to_owned(),
        message: error.to_string(),
        remedy: String::new(),
        callers_fault: false,
        exit: None,
    }
}
