//! The sessions that live now, by id.
//!
//! Not for: the past; that is the audit log's.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::SessionId;

use crate::Session;

/// Most sessions at once. The aim is a thousand jails on a host; beyond four times that, its uid
/// range and process table are the limit.
pub const SESSIONS_MAX: usize = 4096;

/// A bounded table of living sessions.
#[derive(Debug, Default)]
pub struct Registry {
    sessions: Mutex<HashMap<SessionId, Arc<Session>>>,
}

/// A session that can't be entered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// No room.
    #[error("{SESSIONS_MAX} sessions are alive already")]
    Full,
    /// The id is taken.
    #[error("session {0} exists already")]
    Duplicate(SessionId),
}

impl Registry {
    /// Enters a session.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub fn insert(&self, session: Arc<Session>) -> Result<(), RegistryError> {
        let mut sessions = self.lock();
        if sessions.contains_key(session.id()) {
            return Err(RegistryError::Duplicate(session.id().clone()));
        }
        if sessions.len() >= SESSIONS_MAX {
            return Err(RegistryError::Full);
        }
        sessions.insert(session.id().clone(), session);
        Ok(())
    }

    /// A living session.
    #[must_use]
    pub fn get(&self, id: &SessionId) -> Option<Arc<Session>> {
        self.lock().get(id).cloned()
    }

    /// Forgets a session.
    pub fn remove(&self, id: &SessionId) {
        let removed = self.lock().remove(id);
        drop(removed);
    }

    /// All living sessions, oldest first.
    #[must_use]
    pub fn list(&self) -> Vec<Arc<Session>> {
        let mut all: Vec<_> = self.lock().values().cloned().collect();
        all.sort_by_cached_key(|session| (session.life().started, session.id().clone()));
        all
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// True when there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, Arc<Session>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
