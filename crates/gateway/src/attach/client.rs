//! A client's life: say hello, have something started, pass signals, hear of its end.
//!
//! Not for: other clients; each has a task of its own.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use api::Report;
use api::attach::{Exec, FromClient, FromOffice, Hello, Run};
use control::{ExecError, ExecRequest, Killer, LaunchRequest, Launched, Office, Process, Session};
use warrant::ProcessId;

use super::connection::{Connection, ConnectionError};
use crate::respond::{self, Fault};

/// Time for a client's first message; it sends it right after connecting.
const HELLO_TIMEOUT: Duration = Duration::from_secs(5);
/// Time for a client to take a message; one that doesn't is as good as gone.
const SEND_TIMEOUT: Duration = Duration::from_secs(5);
const SIGKILL: u8 = 9;

/// Serves one client to the end.
pub(super) async fn serve(connection: Connection, office: Arc<Office>) {
    let client = Client { connection, office };
    if let Err(error) = client.converse().await {
        tracing::debug!(%error, uid = client.connection.peer().uid, "attach client");
    }
}

/// What a client needs to make a profile of a record.
fn base_of(session: &Session, report: &Report) -> Option<OwnedFd> {
    report.recorded.as_ref()?;
    let base = control::recording::base(session);
    base.inspect_err(|error| tracing::error!(session = %session.id(), %error, "record"))
        .ok()
}

struct Client {
    connection: Connection,
    office: Arc<Office>,
}

impl Client {
    async fn converse(&self) -> Result<(), ConnectionError> {
        let hello = tokio::time::timeout(HELLO_TIMEOUT, self.connection.receive::<Hello>()).await;
        let (hello, fds) = match hello {
            Ok(Ok(Some(received))) => received,
            Ok(Ok(None)) => return Ok(()),
            Ok(Err(ConnectionError::Malformed(error))) => {
                return self.refuse(&Fault::MalformedJson(error)).await;
            }
            Ok(Err(error)) => return Err(error),
            Err(_elapsed) => return self.refuse(&Fault::RequestTimeout).await,
        };
        match hello {
            Hello::Run(run) => self.run(*run, fds).await,
            Hello::Exec(exec) => self.exec(*exec, fds).await,
        }
    }

    async fn run(&self, run: Run, fds: Vec<OwnedFd>) -> Result<(), ConnectionError> {
        let request = LaunchRequest {
            run,
            fds,
            connection: self.connection.duplicate()?,
            operator_uid: self.connection.peer().uid,
        };
        let launched = self.office.launch(request).await;
        let Launched { session, terminal } = match launched {
            Ok(launched) => launched,
            Err(error) => return self.refuse(&Fault::Launch(error)).await,
        };
        let started = FromOffice::Started {
            session: session.id().clone(),
            process: ProcessId::MAIN.0,
        };
        let stayed = self.stay_with(&session, started, terminal).await;
        if stayed.is_err() {
            self.end(&session).await;
        }
        stayed
    }

    /// Stays until the session's account is there. An error, also the client's going, ends the jail.
    async fn stay_with(
        &self,
        session: &Arc<Session>,
        started: FromOffice,
        terminal: Option<OwnedFd>,
    ) -> Result<(), ConnectionError> {
        self.send(&started, terminal).await?;
        let report = tokio::select! {
            report = session.report() => report,
            gone = self.pass_signals(session, ProcessId::MAIN) => return Err(gone),
        };
        let ended = FromOffice::Ended {
            record: report.exit,
            report: Box::new(report.as_ref().clone()),
        };
        self.send(&ended, base_of(session, &report)).await
    }

    async fn exec(&self, exec: Exec, fds: Vec<OwnedFd>) -> Result<(), ConnectionError> {
        let request = ExecRequest {
            exec,
            fds,
            connection: self.connection.duplicate()?,
            operator_uid: self.connection.peer().uid,
        };
        let mut process = match self.office.exec(request).await {
            Ok(process) => process,
            Err(ExecError::NotExecuted { record, message }) => {
                tracing::debug!(message, "exec failed");
                return self.send(&FromOffice::Exited { record }, None).await;
            }
            Err(error) => return self.refuse(&Fault::Exec(error)).await,
        };
        let stayed = self.stay_with_process(&mut process).await;
        if stayed.is_err() {
            let killed = self.office.signal(&process.session, process.id, SIGKILL);
            if let Err(error) = killed.await {
                tracing::debug!(%error, "process of a client that left");
            }
        }
        stayed
    }

    async fn stay_with_process(&self, process: &mut Process) -> Result<(), ConnectionError> {
        let session = Arc::clone(&process.session);
        let started = FromOffice::Started {
            session: session.id().clone(),
            process: process.id.0,
        };
        self.send(&started, process.terminal.take()).await?;
        let id = process.id;
        let record = tokio::select! {
            record = process.ended() => record,
            gone = self.pass_signals(&session, id) => return Err(gone),
        };
        self.send(&FromOffice::Exited { record }, None).await
    }

    /// Passes signals on until the client is gone or breaks the protocol.
    async fn pass_signals(&self, session: &Session, process: ProcessId) -> ConnectionError {
        loop {
            let signal = match self.connection.receive::<FromClient>().await {
                Ok(Some((FromClient::Signal(signal), _))) => signal,
                Ok(None) => return sys::SysError::new("recvmsg", "", sys::Errno::EPIPE).into(),
                Err(error) => return error,
            };
            if let Err(error) = self.office.signal(session, process, signal).await {
                tracing::debug!(session = %session.id(), signal, %error, "signal");
            }
        }
    }

    async fn end(&self, session: &Session) {
        let uid = self.connection.peer().uid;
        let killed = self.office.kill(session.id(), Killer::Disconnect { uid });
        if let Err(error) = killed.await {
            tracing::debug!(session = %session.id(), %error, "jail of a client that left");
        }
    }

    async fn refuse(&self, fault: &Fault) -> Result<(), ConnectionError> {
        let refused = FromOffice::Refused(respond::problem(fault));
        self.send(&refused, None).await
    }

    async fn send(&self, message: &FromOffice, fd: Option<OwnedFd>) -> Result<(), ConnectionError> {
        let sent = tokio::time::timeout(SEND_TIMEOUT, self.connection.send(message, fd)).await;
        let timeout = || sys::SysError::new("sendmsg", "client", sys::Errno::ETIMEDOUT).into();
        sent.unwrap_or_else(|_elapsed| Err(timeout()))
    }
}
