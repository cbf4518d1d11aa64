//! One jail's egress: its policy, budgets, counters and open connections.
//!
//! Not for: the listeners (`proxy`) or the verdicts (`authorize`).

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use authority::Authority;
use model::{EgressEvent, KernelUsage, SessionId, Usage};
use policy::{Budget, EgressPolicy};
use tasks::{Group, Stop};
use tokio::sync::{Semaphore, watch};
use vault::Wallet;

use crate::addresses::Addresses;
use crate::lesson::Lessons;
use crate::limits::{
    DNS_PER_SECOND, NOISE_PER_SECOND, SESSION_CONNECTIONS, SESSION_LOOKUPS, SESSION_TURNED_AWAY,
};
use crate::meter::Meter;
use crate::names::Names;
use crate::noise::Noise;
use crate::rate::Rates;
use crate::reconcile;
use crate::record::Recorder;
use crate::room::Rooms;

/// What a session is made of.
#[derive(Debug, Clone)]
pub struct SessionSpec {
    /// Whose egress it is.
    pub id: SessionId,
    /// What may leave.
    pub policy: Arc<EgressPolicy>,
    /// How much may leave and come back.
    pub budget: Budget,
    /// Generation of the policy, as records carry it.
    pub generation: u64,
    /// The authority in whose name TLS is opened where rules ask for it. Without one such connections
    /// are refused.
    pub authority: Option<Arc<Authority>>,
    /// The secrets that it may use, and what stands for them in the jail.
    pub wallet: Arc<Wallet>,
}

/// What of a session a reload may change. Its authority stays: the jail can't be told of another.
#[derive(Debug)]
pub struct Renewal {
    /// What may leave from now on.
    pub policy: Arc<EgressPolicy>,
    /// Generation of that policy.
    pub generation: u64,
    /// How much may leave and come back since the session was made; what was used of it stays used.
    pub budget: Budget,
    /// Its secrets, under the placeholders that its jail knows.
    pub wallet: Arc<Wallet>,
}

/// One jail's egress context, shared by all its connections.
#[derive(Debug)]
pub struct Session {
    pub(crate) id: SessionId,
    pub(crate) authority: Option<Arc<Authority>>,
    wallet: RwLock<Arc<Wallet>>,
    pub(crate) meter: Arc<Meter>,
    pub(crate) rates: Rates,
    /// Memory for content that takes much of it.
    pub(crate) rooms: Arc<Rooms>,
    pub(crate) tasks: Group,
    /// Places for connections.
    pub(crate) places: Arc<Semaphore>,
    /// Places for connections that are told that there is no place.
    pub(crate) doormen: Arc<Semaphore>,
    pub(crate) lookups: Arc<Semaphore>,
    pub(crate) noise: Noise,
    /// Denials that policy, or a budget, decided, and exchanges that failed before anything moved.
    pub(crate) denials: Arc<Noise>,
    /// Alerts about placeholders that went astray.
    pub(crate) alarms: Noise,
    /// Names below wildcards.
    pub(crate) names: Names,
    /// What tunnels are left closed while the session learns.
    pub(crate) lessons: Lessons,
    /// Synthetic addresses of names.
    pub(crate) addresses: Addresses,
    pub(crate) questions: Noise,
    /// Look-ups that were answered.
    lookups_allowed: AtomicU64,
    rules: watch::Sender<Rules>,
    /// Set once the session is served; for what is recorded at its very end.
    recorder: OnceLock<Recorder>,
}

/// A policy and its generation, always changed together.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    pub(crate) policy: Arc<EgressPolicy>,
    pub(crate) generation: u64,
}

impl Session {
    /// Makes a session without connections. It needs no runtime yet.
    #[must_use]
    pub fn new(spec: SessionSpec) -> Arc<Self> {
        let SessionSpec {
            id,
            policy,
            budget,
            generation,
            authority,
            wallet,
        } = spec;
        Arc::new(Self {
            id,
            authority,
            wallet: RwLock::new(wallet),
            meter: Arc::new(Meter::new(&budget)),
            rates: Rates::default(),
            rooms: Arc::default(),
            tasks: Group::new("egress"),
            places: Arc::new(Semaphore::new(SESSION_CONNECTIONS)),
            doormen: Arc::new(Semaphore::new(SESSION_TURNED_AWAY)),
            lookups: Arc::new(Semaphore::new(SESSION_LOOKUPS)),
            noise: Noise::new(NOISE_PER_SECOND),
            denials: Arc::new(Noise::of_denials()),
            alarms: Noise::new(NOISE_PER_SECOND),
            names: Names::default(),
            lessons: Lessons::default(),
            addresses: Addresses::of(&policy),
            questions: Noise::new(DNS_PER_SECOND),
            lookups_allowed: AtomicU64::new(0),
            rules: watch::Sender::new(Rules { policy, generation }),
            recorder: OnceLock::new(),
        })
    }

    /// Whose egress it is.
    #[must_use]
    pub const fn id(&self) -> &SessionId {
        &self.id
    }

    /// Decisions and bytes so far, live.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.meter.usage()
    }

    /// The kernel's and our own counts of the jail's closed connections to the proxy. The `veth`
    /// fields stay 0: only the warden can read those.
    #[must_use]
    pub fn kernel(&self) -> KernelUsage {
        self.meter.kernel()
    }

    /// The first 100 denials.
    #[must_use]
    pub fn denials(&self) -> Vec<EgressEvent> {
        self.meter.denials()
    }

    /// How many look-ups of names were answered with what there is; these are no events.
    #[must_use]
    pub fn lookups_allowed(&self) -> u64 {
        self.lookups_allowed.load(Ordering::Relaxed)
    }

    /// The policy in force.
    #[must_use]
    pub fn policy(&self) -> Arc<EgressPolicy> {
        Arc::clone(&self.rules.borrow().policy)
    }

    /// Puts another policy in force. Requests are judged by it from now on; what is open and was
    /// allowed by the old one is judged anew and cut at once if the new one denies it.
    pub fn replace_policy(&self, policy: Arc<EgressPolicy>, generation: u64) {
        self.rules.send_replace(Rules { policy, generation });
    }

    /// The same with a new budget and new secrets. A budget of which more was used already cuts at the
    /// next byte.
    pub fn renew(&self, renewal: Renewal) {
        let Renewal {
            policy,
            generation,
            budget,
            wallet,
        } = renewal;
        self.meter.set_budget(&budget);
        self.addresses.learn(&policy);
        // Before the policy: no request under the new rules gets what an old secret was bound to.
        *self.wallet.write().unwrap_or_else(PoisonError::into_inner) = wallet;
        self.replace_policy(policy, generation);
    }

    /// Resolves once a transfer was cut, or a request refused, because a byte budget ran out.
    pub async fn budget_exceeded(&self) {
        // The sender lives in the meter that we hold, so the wait can't fail.
        drop(
            self.meter
                .exhaustion()
                .wait_for(|exhausted| *exhausted)
                .await,
        );
    }

    /// Ends the session: no new connections, a grace period for the open ones, then they are cut.
    /// When it returns, every counter is final and every close is in the log; if appends wait for
    /// the disk ([`ProxyParts::durable`](crate::ProxyParts::durable)), the last closes may still be
    /// on their way there.
    pub async fn close(&self, grace: Duration) {
        let cut = self.tasks.close(grace).await;
        if cut > 0 {
            tracing::debug!(session = %self.id, cut, "connections were cut at the session's end");
        }
        if let Some(recorder) = self.recorder.get() {
            reconcile::conclude(self, recorder);
            for noise in [&self.noise, &*self.denials] {
                recorder.suppressed(&self.id, noise.take_suppressed());
            }
        }
    }

    pub(crate) fn is_served_with(&self, recorder: &Recorder) {
        self.recorder.get_or_init(|| recorder.clone());
    }

    pub(crate) fn count_lookup(&self) {
        self.lookups_allowed.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn stop(&self) -> Stop {
        self.tasks.stop()
    }

    pub(crate) fn wallet(&self) -> Arc<Wallet> {
        Arc::clone(&self.wallet.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn rules(&self) -> Rules {
        self.rules.borrow().clone()
    }

    pub(crate) fn rule_changes(&self) -> watch::Receiver<Rules> {
        self.rules.subscribe()
    }
}
