//! A further process in a living jail, from request to exit.
//!
//! Not for: a jail's main command (`launch`).

use std::os::fd::OwnedFd;
use std::sync::Arc;

use api::attach::Exec;
use audit::{Event, Kind, LogError, Principal};
use model::{ExitReason, ExitRecord, SessionId};
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use warrant::{ArgumentError, Command, ProcessId, Refusal};

use crate::session::PROCESSES_MAX;
use crate::state::State;
use crate::warden::{Started, WardenError, stream_count};
use crate::{Office, Session, command, environment, granted};

/// A request with what came along with it.
#[derive(Debug)]
pub struct ExecRequest {
    /// What the client wrote.
    pub exec: Exec,
    /// Its streams.
    pub fds: Vec<OwnedFd>,
    /// Its connection; the warden reads the peer's credentials from it.
    pub connection: OwnedFd,
    /// Its user, as the kernel says.
    pub operator_uid: u32,
}

/// A process that runs.
#[derive(Debug)]
pub struct Process {
    /// Its session.
    pub session: Arc<Session>,
    /// Its number.
    pub id: ProcessId,
    /// Its terminal's master, when one was asked for.
    pub terminal: Option<OwnedFd>,
    end: oneshot::Receiver<ExitRecord>,
}

/// Why no process was started.
#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    /// The command line breaks a bound.
    #[error(transparent)]
    Command(#[from] ArgumentError),
    /// The descriptors are not those that the request speaks of.
    #[error("the request came with {got} descriptors instead of {wanted}")]
    Descriptors {
        /// How many it needs.
        wanted: usize,
        /// How many there were.
        got: usize,
    },
    /// No such session.
    #[error("no session {0} is alive")]
    Unknown(SessionId),
    /// Another user started it: what runs in it acts as that user on its workspace.
    #[error("session {0} belongs to another user")]
    Foreign(SessionId),
    /// Its command does not run.
    #[error("session {session} is {state}")]
    NotRunning {
        /// The session.
        session: SessionId,
        /// Where it is.
        state: State,
    },
    /// No room.
    #[error("session {0} has {PROCESSES_MAX} further processes already")]
    Full(SessionId),
    /// The start could not be put on record.
    #[error("the start is not on record: {0}")]
    NotRecorded(#[from] LogError),
    /// No such program in the jail, or none that can be executed: an end like any other, with an
    /// exit code of its own.
    #[error("{message}")]
    NotExecuted {
        /// The end.
        record: ExitRecord,
        /// What the kernel said.
        message: String,
    },
    /// The warden refused or failed.
    #[error(transparent)]
    Warden(#[from] WardenError),
}

impl Office {
    /// Starts a process in a living jail once that is on record.
    ///
    /// # Errors
    /// [`ExecError`].
    pub async fn exec(self: &Arc<Self>, request: ExecRequest) -> Result<Process, ExecError> {
        let ExecRequest {
            exec,
            fds,
            connection,
            operator_uid: uid,
        } = request;
        let (session, place) = self.place_for(&exec.session, uid)?;
        let own_trust = session.rules().authority.is_some();
        let command = checked(&exec, fds.len(), own_trust)?;
        let command = Command {
            env: granted::add_to(command.env, &session.rules().wallet),
            ..command
        };
        command.validate()?;
        let event = |kind| Event::new(kind, Principal::Operator { uid });
        let data = json!({ "argv": command::listed(&exec.argv), "arguments": exec.argv.len() });
        let start = event(Kind::ExecStarted).session(exec.session).data(data);
        self.parts.recorder.append(start).await?;
        let mut sent = vec![connection];
        sent.extend(fds);
        let id = session.id().clone();
        match self.parts.warden.exec(id, command, sent).await {
            Ok(started) => Ok(self.follow(session, started, (place, uid))),
            Err(error) => {
                let cause = error.to_string();
                let error = not_started(error);
                let exit = error.record();
                let end = event(Kind::ExecEnded).session(session.id().clone());
                let end = end.data(json!({ "exit": exit, "cause": cause }));
                self.parts.recorder.note(end).await;
                Err(error)
            }
        }
    }

    fn place_for(
        &self,
        id: &SessionId,
        uid: u32,
    ) -> Result<(Arc<Session>, OwnedSemaphorePermit), ExecError> {
        let session = self
            .living(id)
            .map_err(|_unknown| ExecError::Unknown(id.clone()))?;
        if uid != 0 && uid != session.facts().operator_uid {
            return Err(ExecError::Foreign(id.clone()));
        }
        let state = session.life().state;
        if state != State::Running {
            let session = id.clone();
            return Err(ExecError::NotRunning { session, state });
        }
        let place = Arc::clone(&session.processes).try_acquire_owned();
        let place = place.map_err(|_none_left| ExecError::Full(id.clone()))?;
        Ok((session, place))
    }

    /// Records the process's end, whether its client still waits for it or not.
    fn follow(
        self: &Arc<Self>,
        session: Arc<Session>,
        started: Started,
        (place, uid): (OwnedSemaphorePermit, u32),
    ) -> Process {
        let (tell, end) = oneshot::channel();
        let (office, watched, id) = (Arc::clone(self), Arc::clone(&session), started.process);
        self.parts.group.spawn("process", async move {
            let record = watched.end_of(id).await;
            let event = Event::new(Kind::ExecEnded, Principal::Operator { uid });
            let event = event.session(watched.id().clone());
            let data = json!({ "process": id, "exit": record });
            office.parts.recorder.note(event.data(data)).await;
            drop(place);
            if tell.send(record).is_err() {
                tracing::debug!(process = id.0, "ended after its client");
            }
        });
        Process {
            session,
            id,
            terminal: started.terminal,
            end,
        }
    }
}

impl ExecError {
    /// How the process ended that did not start.
    #[must_use]
    pub const fn record(&self) -> ExitRecord {
        match self {
            Self::NotExecuted { record, .. } => *record,
            _ => ExitRecord::ended(ExitReason::StartFailed),
        }
    }
}

impl Process {
    /// Waits for its end. Without an office to tell it counts as ended with its jail's daemon.
    pub async fn ended(&mut self) -> ExitRecord {
        let end = (&mut self.end).await;
        end.unwrap_or(ExitRecord::ended(ExitReason::DaemonGone))
    }
}

impl Session {
    async fn end_of(&self, process: ProcessId) -> ExitRecord {
        tokio::select! {
            biased;
            record = self.exit_of(process) => record,
            jail = self.gone() => ended_with(jail.record.reason),
        }
    }
}

/// The end of a process whose jail ended around it: for the same reason, unless that was the main
/// command's own; then the kernel killed the rest.
const fn ended_with(jail: ExitReason) -> ExitRecord {
    match jail {
        ExitReason::Memory
        | ExitReason::Timeout
        | ExitReason::Budget
        | ExitReason::Killed
        | ExitReason::DaemonGone => ExitRecord::ended(jail),
        ExitReason::Exited
        | ExitReason::Signalled
        | ExitReason::NotExecutable
        | ExitReason::NotFound
        | ExitReason::StartFailed => ExitRecord::ended(ExitReason::Signalled),
    }
}

/// Tells a program that can't be executed from a start that failed otherwise.
fn not_started(error: WardenError) -> ExecError {
    match error {
        WardenError::Refused(Refusal {
            exit: Some(record),
            message,
            ..
        }) if is_programs_fault(record.reason) => ExecError::NotExecuted { record, message },
        other => other.into(),
    }
}

/// Whether a start failed for what was to be executed, and not for what Sheriff did.
pub(crate) const fn is_programs_fault(reason: ExitReason) -> bool {
    matches!(reason, ExitReason::NotFound | ExitReason::NotExecutable)
}

fn checked(exec: &Exec, fds: usize, own_trust: bool) -> Result<Command, ExecError> {
    let stdio = command::stdio(exec.terminal);
    let wanted = stream_count(stdio);
    if fds != wanted {
        return Err(ExecError::Descriptors { wanted, got: fds });
    }
    let command = Command {
        argv: exec.argv.clone(),
        env: exec.env.clone(),
        stdio,
    };
    command.validate()?;
    let command = Command {
        env: environment::complete(command.env, &exec.session, own_trust),
        ..command
    };
    command.validate()?;
    Ok(command)
}
