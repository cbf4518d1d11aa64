//! The table of living jails, and what the warden keeps for each.
//!
//! Not for: building or ending them.

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use jail::Jail;
use model::{ProfileName, Recorded, SessionId};
use warrant::{Prepared, ProcessId};

use crate::parking::Ground;

/// A jail, its way out, and who waits for what of it.
#[derive(Debug)]
pub(crate) struct Living {
    /// Its id.
    pub(crate) session: SessionId,
    /// Its profile, for adoption by a new office.
    pub(crate) profile: ProfileName,
    /// Its name in the poller.
    pub(crate) token: u64,
    /// The processes.
    pub(crate) jail: Jail,
    /// What it stands on.
    pub(crate) ground: Ground,
    /// User who started it.
    pub(crate) operator_uid: u32,
    /// What the office was told of it.
    pub(crate) prepared: Prepared,
    /// When it is ended for good.
    pub(crate) deadline: Option<Instant>,
    /// True once its PID 1 has said its last word and its connection is watched no more.
    pub(crate) silent: bool,
    /// Refused calls that no office was there to hear of.
    pub(crate) unheard: u64,
    /// The record of its command's calls.
    pub(crate) recording: Recording,
    /// True once its start is on record.
    pub(crate) committed: bool,
    /// Tags of requests whose answer is an event of the jail.
    pub(crate) waiting: HashMap<ProcessId, u64>,
    /// Number of the next process.
    pub(crate) next_process: u32,
}

/// Whether a jail's command is recorded.
#[derive(Debug)]
pub(crate) enum Recording {
    /// It is not.
    Off,
    /// It is, and its jail has not said what it called.
    Awaited,
    /// What it called.
    Over(Recorded),
}

impl Recording {
    /// Of a jail that was asked for so.
    pub(crate) const fn new(wanted: bool) -> Self {
        if wanted { Self::Awaited } else { Self::Off }
    }

    /// What was recorded, if anything was.
    pub(crate) fn into_recorded(self) -> Option<Recorded> {
        match self {
            Self::Over(recorded) => Some(recorded),
            Self::Off | Self::Awaited => None,
        }
    }
}

/// All living jails.
#[derive(Debug, Default)]
pub(crate) struct Jails {
    by_id: BTreeMap<SessionId, Living>,
    by_token: HashMap<u64, SessionId>,
    tokens: u64,
}

impl Jails {
    /// A name for the poller that no jail had before.
    pub(crate) const fn next_token(&mut self) -> u64 {
        self.tokens += 1;
        crate::warden::TOKEN_JAILS + self.tokens
    }

    pub(crate) fn insert(&mut self, living: Living) {
        self.by_token.insert(living.token, living.session.clone());
        self.by_id.insert(living.session.clone(), living);
    }

    pub(crate) fn remove(&mut self, session: &SessionId) -> Option<Living> {
        let living = self.by_id.remove(session)?;
        self.by_token.remove(&living.token);
        Some(living)
    }

    pub(crate) fn get(&self, session: &SessionId) -> Option<&Living> {
        self.by_id.get(session)
    }

    pub(crate) fn get_mut(&mut self, session: &SessionId) -> Option<&mut Living> {
        self.by_id.get_mut(session)
    }

    pub(crate) fn by_token(&mut self, token: u64) -> Option<&mut Living> {
        self.by_id.get_mut(self.by_token.get(&token)?)
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(crate) fn ids(&self) -> Vec<SessionId> {
        self.by_id.keys().cloned().collect()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Living> {
        self.by_id.values()
    }

    /// Jails whose command has not been released.
    pub(crate) fn uncommitted(&self) -> Vec<SessionId> {
        self.by_id
            .values()
            .filter(|one| !one.committed)
            .map(|one| one.session.clone())
            .collect()
    }

    /// The earliest deadline of all.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.by_id
            .values()
            .filter_map(|living| living.deadline)
            .min()
    }

    /// Jails past their deadline; each is named once.
    pub(crate) fn overdue(&mut self, now: Instant) -> Vec<SessionId> {
        let late = self
            .by_id
            .values_mut()
            .filter(|one| one.deadline.is_some_and(|at| at <= now));
        late.map(|living| {
            living.deadline = None;
            living.session.clone()
        })
        .collect()
    }
}
