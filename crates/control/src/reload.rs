//! Other profiles, while sessions run.
//!
//! Not for: reading profiles from disk; the warden does that and checks them first.

use std::os::fd::OwnedFd;

use audit::{Event, Kind, LogError, Principal};
use serde_json::json;
use warrant::{Profiles, ProfilesError};

use crate::{Office, Policies, PolicyError};

/// Why the old profiles stay.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// The notice did not bring one memory file.
    #[error("the notice came with {got} descriptors instead of 1")]
    Descriptors {
        /// How many there were.
        got: usize,
    },
    /// What it brought is not profiles.
    #[error(transparent)]
    Profiles(#[from] ProfilesError),
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
    Policy(#[from] PolicyError),
    /// The change could not be put on record.
    #[error("the reload is not on record: {0}")]
    NotRecorded(#[from] LogError),
}

impl Office {
    /// Puts the warden's new profiles in force, or keeps the old ones and says why.
    pub(crate) async fn reload_or_stay(&self, generation: u64, fds: Vec<OwnedFd>) {
        match self.reload(generation, fds).await {
            Ok(()) => tracing::info!(generation, "profiles reloaded"),
            Err(error) => {
                tracing::error!(generation, %error, "reload refused; the old profiles stay in force");
            }
        }
    }

    async fn reload(&self, generation: u64, fds: Vec<OwnedFd>) -> Result<(), ReloadError> {
        let got = fds.len();
        let [file] =
            <[OwnedFd; 1]>::try_from(fds).map_err(|_other| ReloadError::Descriptors { got })?;
        let profiles = Profiles::read(file)?;
        let current = self.parts.policies.generation();
        if generation <= current {
            return Err(ReloadError::Generation {
                current,
                given: generation,
            });
        }
        let next = Policies::new(profiles, generation);
        next.check()?;
        let event = Event::new(Kind::PolicyReloaded, Principal::Sheriff);
        let data = json!({ "generation": generation, "profiles": next.names().len() });
        self.parts.recorder.append(event.data(data)).await?;
        self.parts.policies.replace(next);
        Ok(())
    }
}
