//! Profiles and configuration read anew, on `SIGHUP` or for an operator: all of it is read, checked and
//! ready to travel before any of it counts.
//!
//! Not for: what becomes of living sessions; the office judges those anew.

use std::os::fd::{AsFd, OwnedFd};

use model::SessionId;
use warrant::{Answer, Notice, Refusal, Reload, Reloaded, Tell};

use crate::config::{Config, ConfigError};
use crate::profiles::ProfilesError;
use crate::requests::{failed, refused};
use crate::secrets::{Parcel, ParcelError};
use crate::warden::Warden;

/// Why everything stays as it is.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReloadError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Profiles(#[from] ProfilesError),
    #[error("secrets: {0}")]
    Secrets(#[from] ParcelError),
}

impl Warden {
    /// For a signal, to which there is no answer but the log.
    pub(crate) fn reload_on_signal(&mut self) {
        if let Err(error) = self.reload(None) {
            tracing::error!(%error, "reload refused; everything stays as it is");
        }
    }

    /// For an operator.
    pub(crate) fn reload_for(&mut self, operator: u32) -> Result<Answer, Refusal> {
        let reloaded = self.reload(Some(operator));
        let refusal = |error: ReloadError| Refusal {
            step: "reload".to_owned(),
            remedy: "everything stays as it was; correct the file and reload again".to_owned(),
            ..refused(error.to_string())
        };
        reloaded.map(Answer::Reloaded).map_err(refusal)
    }

    fn reload(&mut self, operator: Option<u32>) -> Result<Reloaded, ReloadError> {
        let next = match self.config.file.as_deref() {
            Some(file) => Config::load(file)?,
            None => self.config.clone(),
        };
        let parcel = self.sources.parcel(&next)?;
        let file = self.profiles.reload(next.egress_ceiling.clone())?;
        let restart = self.config.fixed_but_changed(&next);
        self.config.take_over(next);
        let generation = self.profiles.generation();
        tracing::info!(generation, "profiles and configuration reloaded");
        if !restart.is_empty() {
            let keys = restart.join(", ");
            tracing::warn!(keys, "changed, but only read at the daemon's start");
        }
        self.announce_reload(operator, &parcel, &file);
        // Jails built ahead were built for the old profiles.
        self.clear_lot();
        let restart = restart.into_iter().map(str::to_owned).collect();
        Ok(Reloaded {
            generation,
            restart,
        })
    }

    /// An office that can't be told is lost; the next one is welcomed with all of it.
    fn announce_reload(&mut self, operator: Option<u32>, parcel: &Parcel, profiles: &OwnedFd) {
        // Secrets first: new rules may name them.
        self.tell(&Tell::Notice(Notice::Secrets), &parcel.fds());
        let reload = Reload {
            generation: self.profiles.generation(),
            operator,
            prices: self.config.llm.prices.clone(),
        };
        let notice = Notice::Profiles(Box::new(reload));
        self.tell(&Tell::Notice(notice), &[profiles.as_fd()]);
    }

    /// Opens ports that a reload brought, and hands their listeners over.
    pub(crate) fn open_more_ports(
        &mut self,
        tag: u64,
        session: &SessionId,
        ports: &[u16],
    ) -> Result<(), Refusal> {
        warrant::check_ports(ports).map_err(|error| refused(error.to_string()))?;
        let hub = self.pool.hub();
        let living = self.jails.get_mut(session);
        let living = living.ok_or_else(|| refused(format!("no session {session}")))?;
        let known = &living.prepared.ports;
        let mut more = ports.to_vec();
        more.retain(|port| !known.contains(port));
        // All or none: a listener without an office would take calls that nobody answers.
        let all = [known.as_slice(), &more].concat();
        warrant::check_ports(&all).map_err(|error| refused(error.to_string()))?;
        let opened = hub.open_ports(&mut living.ground.cell, &more);
        // Also those that were opened before one failed: a new office is handed all of them.
        let extra = living.ground.cell.listeners().extra.iter();
        living.prepared.ports = extra.map(|(port, _fd)| *port).collect();
        opened.map_err(|error| failed("ports", &error))?;
        let told: std::io::Result<Vec<OwnedFd>> = {
            let extra = living.ground.cell.listeners().extra.iter();
            let own = extra.filter(|(port, _fd)| more.contains(port));
            own.map(|(_port, fd)| fd.try_clone()).collect()
        };
        let told = told.map_err(|error| failed("ports", &error))?;
        let fds: Vec<_> = told.iter().map(AsFd::as_fd).collect();
        self.tell(&Tell::Answer(tag, Answer::Opened(more)), &fds);
        Ok(())
    }
}
