//! What a new office is handed: settings, profiles, sockets, and the jails that outlived the last.
//!
//! Not for: answering requests.

use std::os::fd::{AsFd, BorrowedFd};

use warrant::notice::{OfficeConfig, Welcome};
use warrant::{Notice, Tell};

use crate::config::Sync;
use crate::living::Living;
use crate::secrets::ParcelError;
use crate::warden::Warden;

/// An office can't be welcomed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WelcomeError {
    #[error(transparent)]
    Profiles(#[from] crate::profiles::ProfilesError),
    #[error(transparent)]
    Secrets(#[from] ParcelError),
}

impl Warden {
    /// Greets the office that was just started.
    pub(crate) fn welcome(&mut self) -> Result<(), WelcomeError> {
        let profiles = self.profiles.as_memory_file()?;
        let welcome = Welcome {
            config: self.office_config(),
            generation: self.profiles.generation(),
            restarts: self.restarts,
            audit_dir: self.folders.audit().display().to_string(),
        };
        let tell = Tell::Notice(Notice::Welcome(Box::new(welcome)));
        if let Some(office) = &self.office {
            let usual = [
                self.sockets.control.as_fd(),
                self.sockets.attach.as_fd(),
                profiles.as_fd(),
                self.sockets.metrics.as_fd(),
            ];
            let tcp = self.metrics_tcp.iter().map(AsFd::as_fd);
            let fds: Vec<_> = usual.into_iter().chain(tcp).collect();
            if let Err(error) = office.tell(&tell, &fds) {
                self.lose_office(&error.to_string());
                return Ok(());
            }
        }
        self.hand_over_secrets()?;
        self.hand_over_jails();
        Ok(())
    }

    /// Secrets of the configuration, with what their values are read from.
    pub(crate) fn hand_over_secrets(&mut self) -> Result<(), ParcelError> {
        let parcel = self.sources.parcel(&self.config)?;
        self.tell(&Tell::Notice(Notice::Secrets), &parcel.fds());
        Ok(())
    }

    fn office_config(&self) -> OfficeConfig {
        let config = &self.config;
        OfficeConfig {
            audit_sync_always: config.audit.sync == Sync::Always,
            audit_segment_bytes: config.audit.segment.0,
            audit_keep_ms: config.audit.keep.map(millis),
            audit_keep_bytes: config.audit.keep_size.map(|size| size.0),
            prices: config.llm.prices.clone(),
            extra_ca: config
                .egress
                .extra_ca
                .as_ref()
                .map(|path| path.display().to_string()),
            learn: config.egress.learn,
            operator_group: config.operators.group.clone(),
        }
    }

    /// Jails that run go on with the same listeners; those not yet started were ended.
    fn hand_over_jails(&mut self) {
        let told: Result<(), _> = self
            .jails
            .iter()
            .filter(|living| living.committed)
            .try_for_each(|living| match &self.office {
                Some(office) => office.tell(&adoption(living), &listeners(living)),
                None => Ok(()),
            });
        if let Err(error) = told {
            self.lose_office(&error.to_string());
        }
    }
}

fn millis(span: model::Span) -> u64 {
    u64::try_from(span.as_duration().as_millis()).unwrap_or(u64::MAX)
}

fn adoption(living: &Living) -> Tell {
    let prepared = Box::new(living.prepared.clone());
    Tell::Notice(Notice::Adopt(
        living.session.clone(),
        living.profile.clone(),
        prepared,
    ))
}

/// A jail's listeners in the protocol's order: the usual ones, the gateway's, those of further ports.
pub(crate) fn listeners(living: &Living) -> Vec<BorrowedFd<'_>> {
    let own = living.ground.cell.listeners();
    let usual = [
        own.explicit.as_fd(),
        own.http.as_fd(),
        own.https.as_fd(),
        own.dns_tcp.as_fd(),
        own.dns_udp.as_fd(),
        living.ground.gateway.as_fd(),
    ];
    let further = own.extra.iter().map(|(_port, fd)| fd.as_fd());
    usual.into_iter().chain(further).collect()
}
