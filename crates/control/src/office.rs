//! The office's desk: everything that launches, notices and operators' requests need, in one place.
//!
//! Not for: sockets and HTTP (`gateway`), nor what operators have done to sessions (`actions`).

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use egress::Proxy;
use tasks::Group;
use tokio::sync::{Semaphore, watch};
use vault::Vault;
use warrant::Notice;

use crate::registry::Registry;
use crate::reload::Settled;
use crate::saved::{Saved, SavedFolder};
use crate::warden::{Notices, Warden};
use crate::{Policies, Recorder, Session};

/// Most launches between request and start at once. The warden builds one jail at a time; more would
/// only hold descriptors while they wait.
pub const LAUNCHES_MAX: usize = 32;
/// How often changed meters are written down: a crash of the office forgets no more than the traffic
/// of this long.
const SAVE_EVERY: Duration = Duration::from_secs(1);

/// How often the log's newest entries are sealed by a signed checkpoint: what can be cut off its end
/// unnoticed, by one who can write the files but has not the key, is no older than this.
const SEAL_EVERY: Duration = Duration::from_secs(5);

/// Opens a session's gateway socket to its jail.
pub trait Door: Send + Sync {
    /// Serves `listener` until the session's servers are stopped.
    ///
    /// # Errors
    /// When the listener can't be served.
    fn open(&self, session: Arc<Session>, listener: OwnedFd) -> io::Result<()>;
}

/// What an office is made of.
pub struct Parts {
    /// The warden's ear.
    pub warden: Warden,
    /// The audit log.
    pub recorder: Recorder,
    /// The egress proxy.
    pub proxy: Arc<Proxy>,
    /// The profiles.
    pub policies: Policies,
    /// The certificate authorities that the host trusts, as jails are told of them.
    pub roots: authority::Roots,
    /// The secrets.
    pub vault: Vault,
    /// Files of living sessions.
    pub saved: SavedFolder,
    /// The gateway.
    pub door: Box<dyn Door>,
    /// Owner of all tasks made here.
    pub group: Group,
    /// Whether every operator may let a command learn, not root alone.
    pub learn: bool,
    /// How many offices came before this one.
    pub restarts: u32,
}

/// Starts, keeps and ends sessions.
pub struct Office {
    pub(crate) parts: Parts,
    pub(crate) registry: Registry,
    pub(crate) launches: Semaphore,
    /// What became of the warden's last reload.
    pub(crate) reloads: watch::Sender<Option<Settled>>,
}

/// Why the office has nothing more to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The warden asked it to let go.
    Drain,
    /// The warden is gone.
    WardenGone,
}

impl Office {
    /// An office without sessions.
    #[must_use]
    pub fn new(parts: Parts) -> Arc<Self> {
        let office = Arc::new(Self {
            parts,
            registry: Registry::default(),
            launches: Semaphore::new(LAUNCHES_MAX),
            reloads: watch::Sender::new(None),
        });
        let saver = Arc::clone(&office);
        let stop = office.parts.group.stop();
        office.parts.group.spawn("saver", async move {
            tokio::select! {
                () = saver.save_changes() => {}
                () = stop.requested() => {}
            }
        });
        let recorder = office.parts.recorder.clone();
        let stop = office.parts.group.stop();
        office.parts.group.spawn("sealer", async move {
            tokio::select! {
                () = seal_often(&recorder) => {}
                () = stop.requested() => {}
            }
        });
        office
    }

    /// The living sessions.
    #[must_use]
    pub const fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The audit log.
    #[must_use]
    pub const fn recorder(&self) -> &Recorder {
        &self.parts.recorder
    }

    /// The profiles.
    #[must_use]
    pub const fn policies(&self) -> &Policies {
        &self.parts.policies
    }

    /// How many offices came before this one.
    #[must_use]
    pub const fn restarts(&self) -> u32 {
        self.parts.restarts
    }

    /// The kernel's account of a living session: its closed connections, and its veth's frames as far as
    /// the warden answers.
    pub async fn kernel(&self, session: &Session) -> model::KernelUsage {
        let sockets = session.kernel();
        match self.parts.warden.counters(session.id().clone()).await {
            Ok(frames) => crate::report::kernel(sockets, &frames),
            Err(error) => {
                tracing::warn!(session = %session.id(), %error, "no counters of the veth");
                sockets
            }
        }
    }

    /// Acts on the warden's notices until it asks for the end or is gone.
    pub async fn heed(self: &Arc<Self>, notices: &mut Notices) -> Outcome {
        while let Some((notice, fds)) = notices.recv().await {
            if let Some(outcome) = self.heed_one(notice, fds).await {
                return outcome;
            }
        }
        Outcome::WardenGone
    }

    /// Lets go of every session that still lives: its connections are closed under `grace`, its
    /// counters are written down for the next office, its jail is left alone.
    pub async fn let_go(&self, grace: Duration) {
        let closing = Group::new("letting go");
        for session in self.registry.list() {
            closing.spawn(
                "session",
                async move { session.egress().close(grace).await },
            );
        }
        // The sessions cut their own stragglers; this only waits for the last record.
        closing.close(grace.saturating_mul(2)).await;
        for session in self.registry.list() {
            self.save(&session);
        }
    }

    /// Writes a session's counters down. A failure costs a later office accuracy, not this one.
    pub(crate) fn save(&self, session: &Session) {
        if let Err(error) = self.parts.saved.update(&Saved::of(session)) {
            tracing::error!(session = %session.id(), %error, "state not saved");
        }
    }

    /// Never waits for the warden: its answers come through the same reader as these notices.
    async fn heed_one(self: &Arc<Self>, notice: Notice, fds: Vec<OwnedFd>) -> Option<Outcome> {
        match notice {
            Notice::Ended(ended) => match self.registry.get(&ended.session) {
                Some(session) => session.set_gone(*ended),
                None => self.spawn_orphan(*ended),
            },
            Notice::Exited(session, process, record) => {
                if let Some(session) = self.registry.get(&session) {
                    session.set_exit(process, record);
                }
            }
            Notice::Denied(session, denials) => self.hear_of_denials(&session, denials),
            Notice::Adopt(session, profile, prepared) => {
                self.adopt_or_end((session, profile, *prepared), fds);
            }
            Notice::Profiles(reload) => self.reload_or_stay(*reload, fds).await,
            Notice::Secrets => self.take_secrets(fds),
            Notice::Welcome(_) => tracing::warn!("a second welcome"),
            Notice::Drain => return Some(Outcome::Drain),
        }
        None
    }

    /// Writes down each meter that moved, for as long as the office lives.
    async fn save_changes(&self) {
        let mut written = std::collections::HashMap::new();
        loop {
            tokio::time::sleep(SAVE_EVERY).await;
            let sessions = self.registry.list();
            written.retain(|id, _| sessions.iter().any(|session| session.id() == id));
            for session in sessions
                .iter()
                .filter(|session| session.prepared().is_some())
            {
                let usage = session.usage();
                let denied = session.syscall_denials().count();
                let bytes = (usage.bytes_up, usage.bytes_down);
                let mark = (usage.requests, bytes, usage.llm.answers, denied);
                if written.insert(session.id().clone(), mark) != Some(mark) {
                    self.save(session);
                }
            }
        }
    }
}

async fn seal_often(recorder: &Recorder) {
    loop {
        tokio::time::sleep(SEAL_EVERY).await;
        if let Err(error) = recorder.seal().await {
            tracing::error!(%error, "the audit log is not sealed");
        }
    }
}

impl std::fmt::Debug for Office {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Office({} sessions)", self.registry.len())
    }
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Parts({:?})", self.warden)
    }
}
