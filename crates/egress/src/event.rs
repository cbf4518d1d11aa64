//! How a decision is written down: the event that the log and the answer share.
//!
//! Not for: deciding (`authorize`), nor the close of an exchange (`exchange`).

use model::{EgressEvent, EventId, Phase, TlsMode, Verdict, Via};

use crate::authorize::{Asked, Unjudged};
use crate::clock;
use crate::reason::Cause;
use crate::session::{Rules, Session};
use crate::text::tame;

/// What the verdict came to, after everything that can turn an allowance into a denial.
pub(crate) struct Verdicted {
    pub(crate) reason: &'static str,
    pub(crate) rule: Option<String>,
    /// Set when the request is refused.
    pub(crate) status: Option<u16>,
}

impl Verdicted {
    pub(crate) const fn refused(cause: Cause, rule: Option<String>) -> Self {
        Self {
            reason: cause.code(),
            rule,
            status: Some(cause.status()),
        }
    }

    const fn verdict(&self) -> Verdict {
        if self.status.is_none() {
            Verdict::Allow
        } else {
            Verdict::Deny
        }
    }
}

impl Asked {
    pub(crate) fn event(
        &self,
        session: &Session,
        rules: &Rules,
        verdict: &Verdicted,
    ) -> EgressEvent {
        EgressEvent {
            method: tame(self.method.as_bytes()),
            host: self.destination.host.to_string(),
            port: self.destination.port,
            path: self
                .path
                .as_ref()
                .map(|path| tame(path.as_str().as_bytes())),
            via: self.via,
            tls: self.tls,
            rule: verdict.rule.clone(),
            ..blank(session, rules.generation, verdict)
        }
    }
}

impl Unjudged<'_> {
    pub(crate) fn event(&self, session: &Session, verdict: &Verdicted) -> EgressEvent {
        EgressEvent {
            method: tame(self.method),
            host: tame(self.host),
            port: self.port,
            via: self.via,
            tls: self.tls,
            ..blank(session, session.rules().generation, verdict)
        }
    }
}

fn blank(session: &Session, generation: u64, verdict: &Verdicted) -> EgressEvent {
    EgressEvent {
        id: fresh_id(),
        time: clock::now(),
        session: session.id.clone(),
        run: None,
        phase: Phase::Decision,
        method: String::new(),
        host: String::new(),
        port: 0,
        path: None,
        via: Via::Explicit,
        tls: TlsMode::None,
        verdict: verdict.verdict(),
        reason: verdict.reason.to_owned(),
        rule: None,
        secret: None,
        status: verdict.status,
        bytes_up: 0,
        bytes_down: 0,
        duration_ms: 0,
        policy_generation: generation,
        note: None,
        llm: None,
    }
}

/// Random, so that a jail can't guess the ids of others' events; 0 if the kernel has no randomness,
/// which only means that events can't be told apart by id.
fn fresh_id() -> EventId {
    let mut random = [0_u8; 8];
    if let Err(error) = getrandom::fill(&mut random) {
        tracing::error!(%error, "no randomness for an event id");
    }
    EventId::from_random(random)
}
