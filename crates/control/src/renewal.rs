//! Living sessions under other profiles: each one's rules are made anew of the same request, and what is
//! open is judged by them at once.
//!
//! What a jail was built with stays: system calls, mounts, limits of resources, its variables, and the
//! certificate authority that it trusts. A session without one can't have TLS opened, so what only may
//! pass opened is refused (`needs_interception`), and a host that its authority may not speak for, too
//! (`certificate_unavailable`).
//!
//! Not for: reading the new profiles (`reload`).

use std::sync::Arc;

use api::attach::Run;
use audit::{Event, Kind, Principal};
use model::SessionId;
use policy::{EgressPolicy, EgressRules};
use serde_json::json;
use vault::Wallet;

use crate::granted::{self, SecretError};
use crate::policies::{PolicyError, Resolved};
use crate::ports::further_ports;
use crate::session::Facts;
use crate::trust::opens_tls;
use crate::{Office, Session};

/// What an operator should know of a session after a reload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// Which.
    pub session: SessionId,
    /// What is wrong.
    pub problem: String,
}

/// Why a session has no rules any more.
#[derive(Debug, thiserror::Error)]
enum LostError {
    #[error(transparent)]
    Policy(#[from] PolicyError),
    #[error(transparent)]
    Secret(#[from] SecretError),
}

impl Office {
    /// Has every living session governed by the profiles in force. One of which they make no rules any
    /// more may send nothing from then on: its profile may be gone, and the old rules with it.
    pub(crate) async fn renew_all(self: &Arc<Self>) -> Vec<Trouble> {
        let mut troubles = Vec::new();
        for session in self.registry.list() {
            let problem = match self.derive(session.facts()) {
                Ok((resolved, wallet)) => self.renew(&session, &resolved, wallet),
                Err(error) => Some(self.cut_off(&session, &error).await),
            };
            troubles.extend(problem.map(|problem| Trouble {
                session: session.id().clone(),
                problem,
            }));
            // A thousand sessions take some time, and the others are waiting for this thread.
            tokio::task::yield_now().await;
        }
        troubles
    }

    /// The rules of a session as the profiles in force have them. A secret that is gone meanwhile takes
    /// its own hosts with it and not the whole session.
    fn derive(&self, facts: &Facts) -> Result<(Resolved, Arc<Wallet>), LostError> {
        let vault = &self.parts.vault;
        let mut run = as_run(facts);
        run.secrets
            .retain(|name| granted::find(vault, name).is_ok());
        let brought = granted::rules_again(facts, &run, vault)?;
        let resolved = self.parts.policies.resolve_with(&run, brought)?;
        let wallet = granted::wallet_again(resolved.policy(), vault, &facts.placeholders);
        Ok((resolved, wallet))
    }

    /// Puts a session's new rules in force, and says what of them can't be kept in its jail.
    fn renew(
        self: &Arc<Self>,
        session: &Arc<Session>,
        resolved: &Resolved,
        wallet: Arc<Wallet>,
    ) -> Option<String> {
        session.renew(resolved, wallet);
        let ports = match further_ports(resolved.policy()) {
            Ok(ports) => session.claim_ports(&ports),
            Err(error) => return Some(error.to_string()),
        };
        if !ports.is_empty() {
            let (office, session) = (Arc::clone(self), Arc::clone(session));
            self.parts.group.spawn("further ports", async move {
                office.open_ports(&session, ports).await;
            });
        }
        let blind = opens_tls(resolved.policy()) && session.rules().authority.is_none();
        blind.then(|| {
            "its rules speak of what is inside of TLS now, and its jail was built without a certificate \
             authority: those hosts are refused until it is started anew"
                .to_owned()
        })
    }

    /// Fails closed.
    async fn cut_off(&self, session: &Session, error: &LostError) -> String {
        let generation = self.parts.policies.generation();
        // Without rules there is nothing to contradict each other.
        let nothing = EgressPolicy::new(generation, EgressRules::default());
        match nothing {
            Ok(nothing) => session
                .egress()
                .replace_policy(Arc::new(nothing), generation),
            Err(error) => {
                tracing::error!(%error, "no policy of no rules");
                session.egress().close(std::time::Duration::ZERO).await;
            }
        }
        session.set_generation(generation);
        let problem = format!("it has no rules any more and may send nothing: {error}");
        self.alert(
            session,
            json!({ "alert": "policy_lost", "reason": error.to_string() }),
        )
        .await;
        problem
    }

    /// Opens the ports that new rules name, in a jail that runs.
    async fn open_ports(&self, session: &Arc<Session>, ports: Vec<u16>) {
        let opened = self
            .parts
            .warden
            .open_ports(session.id().clone(), ports.clone());
        let served = match opened.await {
            Ok(listeners) => {
                let served = self.parts.proxy.serve_further(session.egress(), listeners);
                served.map_err(|error| error.to_string())
            }
            Err(error) => Err(error.to_string()),
        };
        if let Err(reason) = served {
            session.give_back_ports(&ports);
            let data = json!({ "alert": "ports_not_opened", "ports": ports, "reason": reason });
            self.alert(session, data).await;
        }
    }

    async fn alert(&self, session: &Session, data: serde_json::Value) {
        let event = Event::new(Kind::Alert, Principal::Sheriff).session(session.id().clone());
        let event = event.data(audit::canonical::tame(data));
        self.parts.recorder.note(event).await;
    }
}

/// The part of the original request that the rules come from.
pub(crate) fn as_run(facts: &Facts) -> Run {
    Run {
        profile: facts.profile.clone(),
        argv: Vec::new(),
        env: Vec::new(),
        allow: facts.allow.clone(),
        connect: facts.connect.clone(),
        secrets: facts.secrets.clone(),
        limits: Vec::new(),
        timeout: None,
        workspace: false,
        terminal: None,
        record: false,
        learn: facts.learn,
    }
}
