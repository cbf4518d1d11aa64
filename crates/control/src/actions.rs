//! What is done to a running session from outside: put on record first, then carried out.
//!
//! Not for: who may ask; whoever reaches an operator's socket may.

use std::sync::Arc;

use audit::{Event, Kind, LogError, Principal};
use model::SessionId;
use serde_json::{Value, json};
use warrant::{KillReason, ProcessId};

use crate::state::{Transition, TransitionError};
use crate::warden::WardenError;
use crate::{Office, Session};

/// A request that was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum ActionError {
    /// No living session has that id.
    #[error("no session {0} is alive")]
    Unknown(SessionId),
    /// Its state does not have that transition.
    #[error(transparent)]
    State(#[from] TransitionError),
    /// It could not be put on record, so it was not done.
    #[error("not on record: {0}")]
    NotRecorded(#[from] LogError),
    /// The warden did not do it.
    #[error(transparent)]
    Warden(#[from] WardenError),
}

/// On whose account a session is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Killer {
    /// An operator asked for it.
    Operator {
        /// The user, as the kernel says.
        uid: u32,
    },
    /// The client that started it went away.
    Disconnect {
        /// The client's user, as the kernel says.
        uid: u32,
    },
    /// A byte budget ran out and the policy says stop.
    Budget,
}

impl Killer {
    /// The record of it.
    fn event(self, session: &SessionId) -> Event {
        let (principal, data) = match self {
            Self::Operator { uid } => {
                (Principal::Operator { uid }, json!({ "reason": "operator" }))
            }
            Self::Disconnect { uid } => (
                Principal::Sheriff,
                json!({ "reason": "disconnected", "operator_uid": uid }),
            ),
            Self::Budget => (Principal::Sheriff, json!({ "reason": "budget" })),
        };
        event(Kind::SessionKillRequested, principal, session).data(data)
    }

    const fn reason(self) -> KillReason {
        match self {
            Self::Operator { .. } | Self::Disconnect { .. } => KillReason::Operator,
            Self::Budget => KillReason::Budget,
        }
    }
}

impl Office {
    /// Ends a session; its report follows when its jail is gone.
    ///
    /// What an operator asks for is not done unless it is on record. What Sheriff has to end is ended
    /// in any case: a jail that runs on would be the worse failure.
    ///
    /// # Errors
    /// [`ActionError`].
    pub async fn kill(&self, session: &SessionId, killer: Killer) -> Result<(), ActionError> {
        let session = self.living(session)?;
        session.allows(Transition::End)?;
        let id = session.id();
        let event = killer.event(id);
        match killer {
            Killer::Operator { .. } => drop(self.parts.recorder.append(event).await?),
            Killer::Disconnect { .. } | Killer::Budget => self.parts.recorder.note(event).await,
        }
        Ok(self.parts.warden.kill(id.clone(), killer.reason()).await?)
    }

    /// Asks a session's command to end (`SIGTERM`).
    ///
    /// # Errors
    /// [`ActionError`].
    pub async fn stop(&self, session: &SessionId, uid: u32) -> Result<(), ActionError> {
        const SIGTERM: u8 = 15;
        let session = self.living(session)?;
        session.allows(Transition::End)?;
        self.record(Kind::SessionStopRequested, &session, uid)
            .await?;
        self.signal(&session, ProcessId::MAIN, SIGTERM).await
    }

    /// Freezes a session's processes.
    ///
    /// # Errors
    /// [`ActionError`].
    pub async fn pause(&self, session: &SessionId, uid: u32) -> Result<(), ActionError> {
        let session = self.living(session)?;
        let turn = session.actions.lock().await;
        session.allows(Transition::Pause)?;
        self.record(Kind::SessionPaused, &session, uid).await?;
        let done = self.parts.warden.freeze(session.id().clone()).await;
        self.take(&session, Transition::Pause, done).await?;
        drop(turn);
        self.save(&session);
        Ok(())
    }

    /// Lets a session's processes go on.
    ///
    /// # Errors
    /// [`ActionError`].
    pub async fn resume(&self, session: &SessionId, uid: u32) -> Result<(), ActionError> {
        let session = self.living(session)?;
        let turn = session.actions.lock().await;
        session.allows(Transition::Resume)?;
        self.record(Kind::SessionResumed, &session, uid).await?;
        let done = self.parts.warden.thaw(session.id().clone()).await;
        self.take(&session, Transition::Resume, done).await?;
        drop(turn);
        self.save(&session);
        Ok(())
    }

    /// Passes a signal to a process of a session.
    ///
    /// # Errors
    /// [`ActionError`].
    pub async fn signal(
        &self,
        session: &Session,
        process: ProcessId,
        signal: u8,
    ) -> Result<(), ActionError> {
        let id = session.id().clone();
        Ok(self.parts.warden.signal(id, process, signal).await?)
    }

    pub(crate) fn living(&self, id: &SessionId) -> Result<Arc<Session>, ActionError> {
        let found = self.registry.get(id);
        found.ok_or_else(|| ActionError::Unknown(id.clone()))
    }

    async fn record(&self, kind: Kind, session: &Session, uid: u32) -> Result<(), LogError> {
        let event = event(kind, Principal::Operator { uid }, session.id());
        self.parts.recorder.append(event).await.map(drop)
    }

    /// Takes a transition that is on record. One that the warden did not do is taken back there: the
    /// record must not say that a session rests while it runs.
    async fn take(
        &self,
        session: &Session,
        transition: Transition,
        done: Result<(), WardenError>,
    ) -> Result<(), ActionError> {
        let Err(error) = done else {
            return Ok(session.take(transition)?);
        };
        let what = format!("the session could not {transition}");
        let data: Value = json!({ "what": what, "reason": error.to_string() });
        let alert = event(Kind::Alert, Principal::Sheriff, session.id());
        let alert = alert.data(audit::canonical::tame(data));
        self.parts.recorder.note(alert).await;
        Err(error.into())
    }
}

fn event(kind: Kind, principal: Principal, session: &SessionId) -> Event {
    Event::new(kind, principal).session(session.clone())
}
