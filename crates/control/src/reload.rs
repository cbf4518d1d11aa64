//! Other profiles, while sessions run: put on record, put in force, and living sessions judged anew.
//!
//! Not for: reading profiles from disk; the warden does that and checks them first.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use audit::{Event, Kind, LogError, Principal};
use serde_json::json;
use warrant::{Profiles, ProfilesError, Reload};

use crate::renewal::Trouble;
use crate::{Office, Policies, PolicyError, WardenError};

/// How long the office may take to put in force what the warden has read; it takes milliseconds.
const IN_FORCE_WAIT: Duration = Duration::from_secs(15);

/// Why the old profiles stay.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ReloadError {
    /// The notice did not bring one memory file.
    #[error("the notice came with {got} descriptors instead of 1")]
    Descriptors {
        /// How many there were.
        got: usize,
    },
    /// What it brought is not profiles.
    #[error(transparent)]
    Profiles(#[from] Arc<ProfilesError>),
    /// They are not newer than those in force.
    #[error("generation {given} does not follow generation {current}")]
    Generation {
        /// The one in force.
        current: u64,
        /// The one that came.
        given: u64,
    },
    /// One of them can't be used.
    #[error(transparent)]
    Policy(#[from] Arc<PolicyError>),
    /// The change could not be put on record.
    #[error("the reload is not on record: {0}")]
    NotRecorded(#[from] Arc<LogError>),
}

/// An operator's reload that was not done.
#[derive(Debug, thiserror::Error)]
pub enum ReloadRefused {
    /// The warden refused it, with the place of the fault, or can't be asked.
    #[error(transparent)]
    Warden(#[from] WardenError),
    /// The office refused what the warden had read.
    #[error(transparent)]
    Office(#[from] ReloadError),
    /// It took too long.
    #[error("the new profiles are not in force after {} s", IN_FORCE_WAIT.as_secs())]
    Slow,
}

/// A reload that was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reloaded {
    /// Generation of the profiles in force.
    pub generation: u64,
    /// Living sessions that were judged anew.
    pub sessions: usize,
    /// What an operator should know of some of them.
    pub troubles: Vec<Trouble>,
    /// Keys of the configuration that changed and only count at the daemon's start.
    pub restart: Vec<String>,
}

/// What became of the notice of a generation.
#[derive(Debug, Clone)]
pub(crate) struct Settled {
    generation: u64,
    done: Result<Judged, ReloadError>,
}

#[derive(Debug, Clone)]
struct Judged {
    sessions: usize,
    troubles: Vec<Trouble>,
}

impl Office {
    /// Reads profiles and configuration anew for an operator, as `SIGHUP` does. Afterwards they are in
    /// force, also for the sessions that are alive; it is on record who asked for it, or that it was
    /// refused.
    ///
    /// # Errors
    /// [`ReloadRefused`]; all is as it was then.
    pub async fn reload_for(&self, uid: u32) -> Result<Reloaded, ReloadRefused> {
        let reloaded = self.try_reload(uid).await;
        if let Err(error) = &reloaded {
            let event = Event::new(Kind::PolicyReloadRefused, Principal::Operator { uid });
            let data = audit::canonical::tame(json!({ "reason": error.to_string() }));
            self.parts.recorder.note(event.data(data)).await;
        }
        reloaded
    }

    async fn try_reload(&self, uid: u32) -> Result<Reloaded, ReloadRefused> {
        let mut settled = self.reloads.subscribe();
        let warrant::Reloaded {
            generation,
            restart,
        } = self.parts.warden.reload(uid).await?;
        let reached = |settled: &Option<Settled>| {
            let settled = settled.as_ref();
            settled.is_some_and(|settled| settled.generation >= generation)
        };
        let waiting = settled.wait_for(reached);
        let settled = tokio::time::timeout(IN_FORCE_WAIT, waiting).await;
        let settled = settled.map_err(|_elapsed| ReloadRefused::Slow)?;
        let settled = settled.ok().and_then(|settled| settled.clone());
        let settled = settled.ok_or(ReloadRefused::Slow)?;
        let Judged { sessions, troubles } = settled.done?;
        Ok(Reloaded {
            generation: settled.generation,
            sessions,
            troubles,
            restart,
        })
    }

    /// Puts the warden's new profiles in force, or keeps the old ones and says why.
    pub(crate) async fn reload_or_stay(self: &Arc<Self>, reload: Reload, fds: Vec<OwnedFd>) {
        let generation = reload.generation;
        let done = self.reload(reload, fds).await;
        match &done {
            Ok(judged) => tracing::info!(generation, sessions = judged.sessions, "reloaded"),
            Err(error) => {
                tracing::error!(generation, %error, "reload refused; the old profiles stay in force");
            }
        }
        self.reloads
            .send_replace(Some(Settled { generation, done }));
    }

    async fn reload(
        self: &Arc<Self>,
        reload: Reload,
        fds: Vec<OwnedFd>,
    ) -> Result<Judged, ReloadError> {
        let got = fds.len();
        let [file] =
            <[OwnedFd; 1]>::try_from(fds).map_err(|_other| ReloadError::Descriptors { got })?;
        let profiles = Profiles::read(file).map_err(Arc::new)?;
        let current = self.parts.policies.generation();
        let generation = reload.generation;
        if generation <= current {
            return Err(ReloadError::Generation {
                current,
                given: generation,
            });
        }
        let next = Policies::new(profiles, generation);
        next.check().map_err(Arc::new)?;
        let by = match reload.operator {
            Some(uid) => Principal::Operator { uid },
            None => Principal::Sheriff,
        };
        let sessions = self.registry.len();
        let data = json!({
            "generation": generation,
            "profiles": next.names().len(),
            "sessions": sessions,
        });
        let event = Event::new(Kind::PolicyReloaded, by).data(data);
        self.parts.recorder.append(event).await.map_err(Arc::new)?;
        self.parts.policies.replace(next);
        self.parts.proxy.set_prices(reload.prices);
        let troubles = self.renew_all().await;
        Ok(Judged { sessions, troubles })
    }
}
