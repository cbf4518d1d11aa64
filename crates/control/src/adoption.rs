//! A jail that outlived an office goes on under this one, with the same rules, counters and budgets.
//!
//! Not for: jails whose session was never written down; those are ended.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use audit::{Event, Kind, Principal};
use model::{ProfileName, SessionId};
use serde_json::json;
use warrant::{KillReason, Prepared};

use crate::granted::{self, SecretError};
use crate::launch::LaunchError;
use crate::policies::PolicyError;
use crate::registry::RegistryError;
use crate::renewal::as_run;
use crate::saved::SavedError;
use crate::state::TransitionError;
use crate::warden::Sockets;
use crate::{Office, Session};

/// A jail as the warden hands it over.
pub(crate) type Handover = (SessionId, ProfileName, Prepared);

/// Why a jail can't go on.
#[derive(Debug, thiserror::Error)]
pub enum AdoptionError {
    /// Nothing is known of it.
    #[error("nothing was written down of it")]
    Unknown,
    /// Its file can't be read.
    #[error(transparent)]
    Saved(#[from] SavedError),
    /// It is another profile's than its file says.
    #[error("its profile is {warden}, its file says {file}")]
    Profile {
        /// The warden's word.
        warden: ProfileName,
        /// The file's.
        file: ProfileName,
    },
    /// Its descriptors are not those of a jail.
    #[error("its descriptors are not those of a jail")]
    Descriptors,
    /// Its rules are none any more.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// Its secrets bring rules that are none any more.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// It can't be entered.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// It can't be served.
    #[error(transparent)]
    Serve(#[from] LaunchError),
    /// It was in no state to go on.
    #[error(transparent)]
    State(#[from] TransitionError),
}

impl Office {
    /// Adopts a jail at once, so that the notice of its end finds it, or has it ended: one without
    /// its rules must not run on.
    pub(crate) fn adopt_or_end(self: &Arc<Self>, jail: Handover, fds: Vec<OwnedFd>) {
        let id = jail.0.clone();
        if let Err(error) = self.adopt(jail, fds) {
            let office = Arc::clone(self);
            self.parts.group.spawn("refused adoption", async move {
                office.give_up(&id, &error).await;
            });
        }
    }

    fn adopt(self: &Arc<Self>, jail: Handover, fds: Vec<OwnedFd>) -> Result<(), AdoptionError> {
        let (id, profile, prepared) = jail;
        let sockets = Sockets::from_fds(fds, &prepared.ports).ok_or(AdoptionError::Descriptors)?;
        let saved = self.parts.saved.read(&id)?.ok_or(AdoptionError::Unknown)?;
        if saved.facts.profile != profile {
            return Err(AdoptionError::Profile {
                warden: profile,
                file: saved.facts.profile,
            });
        }
        let mut run = as_run(&saved.facts);
        // One that is gone meanwhile takes its own hosts with it and not the whole session.
        run.secrets
            .retain(|name| granted::find(&self.parts.vault, name).is_ok());
        let brought = granted::rules_again(&saved.facts, &run, &self.parts.vault)?;
        let resolved = self.parts.policies.resolve_with(&run, brought)?;
        let known = &saved.facts.placeholders;
        let wallet = granted::wallet_again(resolved.policy(), &self.parts.vault, known);
        let authority = self.parts.saved.read_authority(&id)?.map(Arc::new);
        let rules = resolved.rules(id, &saved.carried, (authority, wallet));
        let servers = self.parts.group.child("session");
        let (running, paused) = (saved.running_now(), saved.paused);
        let rules = (rules, saved.carried);
        let session = Arc::new(Session::new(saved.facts, rules, saved.started, servers));
        self.registry.insert(Arc::clone(&session))?;
        self.serve(&session, prepared, sockets)?;
        session.resume_life(running, paused)?;
        self.spawn_guard(session);
        Ok(())
    }

    async fn give_up(&self, id: &SessionId, error: &AdoptionError) {
        tracing::error!(session = %id, %error, "a jail can't go on");
        let kill = self.parts.warden.kill(id.clone(), KillReason::NotRecorded);
        if let Err(error) = kill.await {
            tracing::error!(session = %id, %error, "jail not ended");
        }
        if let Some(session) = self.registry.get(id) {
            session.servers().stop().request();
            self.registry.remove(id);
        }
        let data = json!({ "what": "adoption failed", "reason": error.to_string() });
        let event = Event::new(Kind::Alert, Principal::Sheriff).session(id.clone());
        self.parts.recorder.note(event.data(data)).await;
    }
}
