//! The end of a session: close its connections, account for it, record that, tell whoever waits.
//!
//! Not for: deciding that it ends; the jail's own command, the warden or an operator does.

use std::sync::Arc;
use std::time::Duration;

use api::Report;
use audit::{Event, Kind, Principal};
use model::SessionId;
use serde_json::{Value, json};
use warrant::Ended;

use crate::state::Transition;
use crate::{Killer, Office, Session, report};

/// How long connections may take to pass on what the jail had sent when it ended.
const GRACE: Duration = Duration::from_secs(2);
/// How long the gateway's connections may take; their other ends are gone.
const GATEWAY_GRACE: Duration = Duration::from_millis(100);

impl Office {
    /// Watches a running session until all of it is over.
    pub(crate) fn spawn_guard(self: &Arc<Self>, session: Arc<Session>) {
        let office = Arc::clone(self);
        self.parts.group.spawn("session", async move {
            let ended = office.watch(&session).await;
            office.finish(&session, ended).await;
        });
    }

    /// Accounts for a session that ended while no office was there to see it.
    pub(crate) fn spawn_orphan(self: &Arc<Self>, ended: Ended) {
        let office = Arc::clone(self);
        self.parts.group.spawn("orphan", async move {
            office.account_for_orphan(&ended).await;
        });
    }

    async fn watch(&self, session: &Session) -> Ended {
        tokio::select! {
            ended = session.gone() => return ended,
            () = session.egress().budget_exceeded() => {}
        }
        if let Err(error) = self.kill(session.id(), Killer::Budget).await {
            tracing::error!(session = %session.id(), %error, "over budget and not ended");
        }
        session.gone().await
    }

    async fn finish(&self, session: &Session, ended: Ended) {
        let duration_ms = session.life().duration_ms();
        session.servers().close(GATEWAY_GRACE).await;
        session.egress().close(GRACE).await;
        self.conclude_denials(session).await;
        if let Some(report) = report::of(session, &ended, duration_ms) {
            self.record_end(session, summary(&report)).await;
            session.set_report(report);
        }
        self.forget(session);
    }

    /// A start that is on record but did not happen has an end on record too.
    pub(crate) async fn record_failed_start(&self, session: &Session) {
        let exit = model::ExitRecord::ended(model::ExitReason::StartFailed);
        self.record_end(session, json!({ "exit": exit })).await;
    }

    async fn record_end(&self, session: &Session, data: Value) {
        let event = Event::new(Kind::SessionEnded, Principal::Sheriff);
        let event = event.session(session.id().clone()).data(data);
        self.parts.recorder.note(event).await;
    }

    fn forget(&self, session: &Session) {
        if let Err(error) = session.take(Transition::End) {
            tracing::warn!(session = %session.id(), %error, "ended twice");
        }
        self.remove_saved(session.id());
        self.registry.remove(session.id());
    }

    async fn account_for_orphan(&self, ended: &Ended) {
        let saved = match self.parts.saved.read(&ended.session) {
            Ok(Some(saved)) => saved,
            Ok(None) => {
                tracing::debug!(session = %ended.session, "an unknown jail ended");
                // An office that died while it wrote may have left the authority's key.
                return self.remove_saved(&ended.session);
            }
            Err(error) => return tracing::error!(%error, "an ended session is lost"),
        };
        let data = json!({
            "exit": ended.record,
            "egress": totals(&saved.carried.usage),
            "kernel": report::kernel(saved.carried.kernel, &ended.counters),
            "syscalls_denied": saved.carried.syscalls_denied,
            "unwatched": true,
        });
        let event = Event::new(Kind::SessionEnded, Principal::Sheriff);
        let event = event.session(ended.session.clone());
        let data = audit::canonical::tame(data);
        self.parts.recorder.note(event.data(data)).await;
        self.remove_saved(&ended.session);
    }

    fn remove_saved(&self, session: &SessionId) {
        if let Err(error) = self.parts.saved.remove(session) {
            tracing::error!(%session, %error, "state not removed");
        }
    }
}

/// What the chain says of an end. Hosts are in the entries of their exchanges.
fn summary(report: &Report) -> Value {
    audit::canonical::tame(json!({
        "exit": report.exit,
        "duration_ms": report.duration_ms,
        "egress": totals(&report.egress),
        "kernel": report.kernel,
        "memory_peak": report.memory_peak,
        "cpu_us": report.cpu_us,
        "syscalls_denied": report.syscalls_denied,
        "policy_generation": report.policy_generation,
    }))
}

fn totals(usage: &model::Usage) -> Value {
    json!({
        "requests": usage.requests,
        "allowed": usage.allowed,
        "denied": usage.denied,
        "bytes_up": usage.bytes_up,
        "bytes_down": usage.bytes_down,
        "hosts": usage.by_host.len(),
        "by_secret": usage.by_secret,
        "llm": usage.llm,
    })
}
