//! One session: what was decided for it at its start, and what is going on in it now.
//!
//! Not for: making one (`launch`, `adoption`) or ending one (`ending`).

mod present;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use api::Report;
use authority::Authority;
use model::{ExitRecord, KernelUsage, ProfileName, SecretName, SessionId, Usage};
use policy::Budget;
use serde::{Deserialize, Serialize};
use tasks::Group;
use tokio::sync::{Semaphore, watch};
use vault::Wallet;
use warrant::{Ended, Prepared, ProcessId};

use self::present::Present;
use crate::denials::SyscallDenials;
use crate::report;
use crate::state::{State, Transition, TransitionError};
use crate::syscalls::SyscallRules;
use crate::token::TokenHash;

/// Most further processes (`sheriff exec`) of one session at once: each holds a client's
/// connection and a process of the jail.
pub const PROCESSES_MAX: usize = 64;

/// Most ends of processes that wait for their task to look, which it does within microseconds.
const EXITS_MAX: usize = 2 * PROCESSES_MAX;

/// What was decided at the start and never changes. It is what a later office needs to go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Facts {
    /// Its id.
    pub session: SessionId,
    /// Its profile.
    pub profile: ProfileName,
    /// The program it runs, escaped and cut.
    pub command: String,
    /// User who started it, from the attach socket's credentials.
    pub operator_uid: u32,
    /// What the second factor is checked against.
    pub token: TokenHash,
    /// `HOST[:PORT]` rules beyond the profile.
    pub allow: Vec<String>,
    /// `HOST[:PORT]=ADDR:PORT` rules beyond the profile.
    pub connect: Vec<String>,
    /// Secrets beyond the profile's.
    #[serde(default)]
    pub secrets: Vec<SecretName>,
    /// Where each of these was for when the session started: a secret that is defined anew, perhaps by
    /// somebody else, opens no further host to it.
    #[serde(default)]
    pub secret_hosts: BTreeMap<SecretName, Vec<String>>,
    /// Whether every request is let through that is not forbidden.
    #[serde(default)]
    pub learn: bool,
    /// What stands for each of its secrets in the jail; worth nothing outside it.
    #[serde(default)]
    pub placeholders: BTreeMap<SecretName, String>,
}

/// A session that the office answers for.
#[derive(Debug)]
pub struct Session {
    facts: Facts,
    rules: Rules,
    present: Mutex<Present>,
    carried: Carried,
    denials: SyscallDenials,
    prepared: OnceLock<Prepared>,
    life: Mutex<Life>,
    gone: watch::Sender<Option<Ended>>,
    exits: watch::Sender<BTreeMap<ProcessId, ExitRecord>>,
    account: watch::Sender<Option<Arc<Report>>>,
    /// Held while an operator's pause or resume is under way, so that two don't cross.
    pub(crate) actions: tokio::sync::Mutex<()>,
    pub(crate) processes: Arc<Semaphore>,
    servers: Group,
}

/// What a session started with under this office. A reload changes its traffic's policy, budget and
/// secrets ([`Session::budget`], [`Session::generation`]); its system calls and its authority stay.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Its traffic under this office.
    pub egress: Arc<egress::Session>,
    /// Its whole budget then. The traffic's own is what earlier offices left of it.
    pub budget: Budget,
    /// Generation of the profiles that its policy was made from then.
    pub generation: u64,
    /// The certificate authority that its jail trusts, if its rules need one.
    pub authority: Option<Arc<Authority>>,
    /// Its secrets.
    pub wallet: Arc<Wallet>,
    /// Its seccomp profile, to explain refused calls by.
    pub syscalls: SyscallRules,
}

/// What was used under earlier offices; nothing for a new session.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Carried {
    /// The proxy's meter.
    pub usage: Usage,
    /// The kernel's account of the sockets.
    pub kernel: KernelUsage,
    /// Refused system calls.
    pub syscalls_denied: u64,
}

/// What changes over a session's life.
#[derive(Debug, Clone)]
pub struct Life {
    /// Where it is.
    pub state: State,
    /// When its command started (before that, when its jail was asked for); RFC 3339 UTC.
    pub started: String,
    /// The same on this process's monotonic clock.
    since: Instant,
    /// Time that passed before `since`, in an earlier office.
    before: Duration,
}

impl Session {
    /// A session whose jail is yet to be built; `asked` is the time of its record.
    #[must_use]
    pub fn new(
        facts: Facts,
        (rules, carried): (Rules, Carried),
        asked: String,
        servers: Group,
    ) -> Self {
        let life = Life {
            state: State::Starting,
            started: asked,
            since: Instant::now(),
            before: Duration::ZERO,
        };
        Self {
            facts,
            present: Mutex::new(Present::of(&rules)),
            rules,
            denials: SyscallDenials::new(carried.syscalls_denied),
            carried,
            prepared: OnceLock::new(),
            life: Mutex::new(life),
            gone: watch::Sender::new(None),
            exits: watch::Sender::new(BTreeMap::new()),
            account: watch::Sender::new(None),
            actions: tokio::sync::Mutex::new(()),
            processes: Arc::new(Semaphore::new(PROCESSES_MAX)),
            servers,
        }
    }

    /// Its id.
    #[must_use]
    pub const fn id(&self) -> &SessionId {
        &self.facts.session
    }

    /// What was decided at its start.
    #[must_use]
    pub const fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Its traffic under this office.
    #[must_use]
    pub const fn egress(&self) -> &Arc<egress::Session> {
        &self.rules.egress
    }

    /// What governed it at its start.
    #[must_use]
    pub const fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Its meter since its start, earlier offices included.
    #[must_use]
    pub fn usage(&self) -> Usage {
        sum(self.carried.usage.clone(), self.rules.egress.usage())
    }

    /// The kernel's account of its sockets since its start.
    #[must_use]
    pub fn kernel(&self) -> KernelUsage {
        let (before, now) = (self.carried.kernel, self.rules.egress.kernel());
        KernelUsage {
            socket_up: before.socket_up.saturating_add(now.socket_up),
            socket_down: before.socket_down.saturating_add(now.socket_down),
            client_up: before.client_up.saturating_add(now.client_up),
            client_down: before.client_down.saturating_add(now.client_down),
            unexplained_bytes: before
                .unexplained_bytes
                .saturating_add(now.unexplained_bytes),
            ..now
        }
    }

    /// Its refused system calls.
    #[must_use]
    pub const fn syscall_denials(&self) -> &SyscallDenials {
        &self.denials
    }

    /// Its jail as the kernel confirmed it; `None` while it is being built.
    #[must_use]
    pub fn prepared(&self) -> Option<&Prepared> {
        self.prepared.get()
    }

    /// Where it is in its life.
    #[must_use]
    pub fn life(&self) -> Life {
        self.lock().clone()
    }

    /// Owner of the session's servers; they end with it.
    #[must_use]
    pub const fn servers(&self) -> &Group {
        &self.servers
    }

    /// Waits for the account of the whole session, which is there once all of it is over.
    pub async fn report(&self) -> Arc<Report> {
        wait_for(&self.account).await
    }

    /// The jail was built. A second call changes nothing.
    pub(crate) fn set_prepared(&self, prepared: Prepared) {
        self.note_ports(&prepared.ports);
        if self.prepared.set(prepared).is_err() {
            tracing::warn!(session = %self.id(), "a jail was confirmed twice");
        }
    }

    /// The command starts; `time` is that of its record.
    pub(crate) fn start(&self, time: String) -> Result<(), TransitionError> {
        let mut life = self.lock();
        life.state = life.state.after(Transition::Start)?;
        life.started = time;
        life.since = Instant::now();
        Ok(())
    }

    /// The command has been running for `before` under an earlier office.
    pub(crate) fn resume_life(
        &self,
        before: Duration,
        paused: bool,
    ) -> Result<(), TransitionError> {
        let mut life = self.lock();
        life.state = life.state.after(Transition::Start)?;
        if paused {
            life.state = life.state.after(Transition::Pause)?;
        }
        life.before = before;
        Ok(())
    }

    /// Checks that a transition exists, without taking it.
    pub(crate) fn allows(&self, transition: Transition) -> Result<(), TransitionError> {
        self.lock().state.after(transition).map(drop)
    }

    pub(crate) fn take(&self, transition: Transition) -> Result<(), TransitionError> {
        let mut life = self.lock();
        life.state = life.state.after(transition)?;
        Ok(())
    }

    /// The warden says that the jail is gone.
    pub(crate) fn set_gone(&self, ended: Ended) {
        self.gone.send_replace(Some(ended));
    }

    /// Waits until the jail is gone.
    pub(crate) async fn gone(&self) -> Ended {
        wait_for(&self.gone).await
    }

    /// A further process ended. Without a waiting client it is not kept, nor are more than a few
    /// that nobody came for (a process whose start was answered too late has an end, too).
    pub(crate) fn set_exit(&self, process: ProcessId, record: ExitRecord) {
        if process == ProcessId::MAIN || self.processes.available_permits() == PROCESSES_MAX {
            return;
        }
        self.exits.send_modify(|exits| {
            exits.insert(process, record);
            if exits.len() > EXITS_MAX {
                exits.pop_first();
            }
        });
    }

    /// Waits until a further process has ended.
    pub(crate) async fn exit_of(&self, process: ProcessId) -> ExitRecord {
        let mut exits = self.exits.subscribe();
        let seen = exits.wait_for(|exits| exits.contains_key(&process)).await;
        drop(seen);
        let mut record = None;
        self.exits.send_if_modified(|exits| {
            record = exits.remove(&process);
            false
        });
        record.unwrap_or(ExitRecord::ended(model::ExitReason::Killed))
    }

    pub(crate) fn set_report(&self, report: Report) {
        self.account.send_replace(Some(Arc::new(report)));
    }

    fn lock(&self) -> MutexGuard<'_, Life> {
        self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Life {
    /// How long the command has been running, in milliseconds.
    #[must_use]
    pub fn duration_ms(&self) -> u64 {
        let whole = self.before.saturating_add(self.since.elapsed());
        u64::try_from(whole.as_millis()).unwrap_or(u64::MAX)
    }
}

fn sum(before: Usage, now: Usage) -> Usage {
    let mut by_host = before.by_host;
    for (host, usage) in now.by_host {
        report::add(by_host.entry(host).or_default(), usage);
    }
    let mut by_secret = before.by_secret;
    for (name, usage) in now.by_secret {
        let total = by_secret.entry(name).or_default();
        total.requests = total.requests.saturating_add(usage.requests);
        total.bytes_up = total.bytes_up.saturating_add(usage.bytes_up);
        total.bytes_down = total.bytes_down.saturating_add(usage.bytes_down);
    }
    Usage {
        requests: before.requests.saturating_add(now.requests),
        allowed: before.allowed.saturating_add(now.allowed),
        denied: before.denied.saturating_add(now.denied),
        bytes_up: before.bytes_up.saturating_add(now.bytes_up),
        bytes_down: before.bytes_down.saturating_add(now.bytes_down),
        by_host,
        by_secret,
        llm: before.llm.and(&now.llm),
    }
}

/// Waits until a value is there. The sender is borrowed, so it outlives the wait.
async fn wait_for<T: Clone>(source: &watch::Sender<Option<T>>) -> T {
    let mut receiver = source.subscribe();
    loop {
        let value = receiver.borrow_and_update().clone();
        if let Some(value) = value {
            return value;
        }
        if receiver.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
