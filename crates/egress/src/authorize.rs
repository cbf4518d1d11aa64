//! The one way to a permission: judge, look at the budget, record, and only then permit.
//!
//! Not for: parsing (each way in does that once, before) or dialling (`dial`).

use std::net::SocketAddr;
use std::sync::Arc;

use model::{EgressEvent, EventId, Phase, TlsMode, Verdict, Via};
use policy::{CanonicalPath, Destination, Request, RequestKind};
use tokio::sync::watch;

use crate::clock;
use crate::exchange::Exchange;
use crate::meter::Account;
use crate::noise::{Admission, Noise};
use crate::reason::Cause;
use crate::record::Recorder;
use crate::refusal::Refusal;
use crate::respond;
use crate::session::{Rules, Session};
use crate::text::tame;

/// A request, parsed once; all that follows works on this form.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) via: Via,
    pub(crate) tls: TlsMode,
    pub(crate) kind: RequestKind,
    /// `CONNECT` for tunnels.
    pub(crate) method: String,
    pub(crate) destination: Destination,
    pub(crate) path: Option<CanonicalPath>,
}

/// Something that is refused without a verdict of policy. Its texts may be hostile.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unjudged<'a> {
    pub(crate) via: Via,
    pub(crate) method: &'a [u8],
    pub(crate) host: &'a [u8],
    pub(crate) port: u16,
}

/// A recorded permission for one exchange.
#[derive(Debug)]
pub(crate) struct Permit {
    pub(crate) exchange: Exchange,
    /// The address that the rule names; nothing is resolved then.
    pub(crate) connect: Option<SocketAddr>,
    /// Hears of every policy that came after the one that permitted this.
    changes: watch::Receiver<Rules>,
    /// The jail chose a part of the name, and whoever answers for the zone gets to see it.
    pub(crate) tells: bool,
}

/// Judges and records. `Ok` means that the decision is in the log. A refusal is in there, too, unless
/// the session has been refused so often that only some of it is recorded; its answer then says so.
pub(crate) async fn authorize(
    session: &Session,
    recorder: &Recorder,
    asked: &Asked,
) -> Result<Permit, Refusal> {
    let mut changes = session.rule_changes();
    let rules = changes.borrow_and_update().clone();
    let decision = rules.policy.judge(&asked.request());
    let verdict = Verdicted {
        reason: decision.reason.code(),
        rule: decision.rule,
        status: if decision.verdict == Verdict::Allow {
            None
        } else {
            Some(403)
        },
    };
    let obstacle = match verdict.status {
        None => standing_obstacle(session).or_else(|| opaque(session, asked, decision.open)),
        Some(_) => None,
    };
    let verdict = match obstacle {
        Some(cause) => Verdicted::refused(cause, verdict.rule),
        None => verdict,
    };
    let event = asked.event(session, &rules, &verdict);
    let account = session.meter.open(&event.host, event.verdict);
    if verdict.status.is_none() && recorder.decision(&event).await.is_ok() {
        let noise = Arc::clone(&session.denials);
        return Ok(Permit {
            exchange: Exchange::begin(event, account, (recorder.clone(), noise)),
            connect: decision.connect,
            changes,
            tells: decision.open.is_some() && decision.connect.is_none(),
        });
    }
    let noise = verdict.status.map(|_denied| &*session.denials);
    Err(deny_or_count(session, recorder, noise, (event, &account)).await)
}

/// Resolves once a newer policy denies what was permitted; one that came while a name was resolved or a
/// handshake awaited counts as well.
pub(crate) async fn revoked(permit: &Permit, asked: &Asked) {
    let mut changes = permit.changes.clone();
    while changes.changed().await.is_ok() {
        let rules = changes.borrow_and_update().clone();
        if !rules.policy.judge(&asked.request()).is_allowed() {
            return;
        }
    }
    // The session holds the sender, so this is its very end; its tasks end by other means.
    std::future::pending::<()>().await;
}

/// Refuses something that policy was not asked about. A flood of these is recorded in part only.
pub(crate) async fn turn_away(
    session: &Session,
    recorder: &Recorder,
    unjudged: Unjudged<'_>,
    cause: Cause,
) -> Refusal {
    let verdict = Verdicted::refused(cause, None);
    let event = unjudged.event(session, &verdict);
    let account = session.meter.open(&event.host, event.verdict);
    deny_or_count(session, recorder, Some(&session.noise), (event, &account)).await
}

/// Records a denial, or counts it when `noise` has heard too many. The verdict is the same.
async fn deny_or_count(
    session: &Session,
    recorder: &Recorder,
    noise: Option<&Noise>,
    (event, account): (EgressEvent, &Account),
) -> Refusal {
    match noise.map(Noise::admit) {
        Some(Admission::Suppress) => {
            account.deny();
            Refusal {
                next_steps: respond::next_steps_unrecorded(&event.reason, &event.host),
                ..refusal(&event)
            }
        }
        Some(Admission::Record { suppressed }) => {
            recorder.suppressed(&session.id, suppressed);
            deny(session, recorder, event, account).await
        }
        None => deny(session, recorder, event, account).await,
    }
}

/// What the verdict came to, after everything that can turn an allowance into a denial.
struct Verdicted {
    reason: &'static str,
    rule: Option<String>,
    /// Set when the request is refused.
    status: Option<u16>,
}

impl Verdicted {
    const fn refused(cause: Cause, rule: Option<String>) -> Self {
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

fn standing_obstacle(session: &Session) -> Option<Cause> {
    if session.stop().is_requested() {
        return Some(Cause::SessionClosed);
    }
    if session.meter.is_exhausted() {
        session.meter.exhaust();
        return Some(Cause::BudgetExceeded);
    }
    None
}

/// What a name says beyond the rule that allows it: `open` bytes at its head are the jail's choice.
fn opaque(session: &Session, asked: &Asked, open: Option<usize>) -> Option<Cause> {
    let name = asked.destination.host.name()?.as_str();
    let chosen = name.get(..open?)?;
    if policy::check_open(chosen).is_err() {
        return Some(Cause::OpaqueName);
    }
    (!session.names.admit(name)).then_some(Cause::TooManyNames)
}

/// Records a denial. One that can't be recorded says so instead of its reason: nothing is ready.
async fn deny(
    session: &Session,
    recorder: &Recorder,
    mut event: EgressEvent,
    account: &Account,
) -> Refusal {
    account.deny();
    let allowed = event.verdict == Verdict::Allow;
    if allowed || recorder.decision(&event).await.is_err() {
        event.verdict = Verdict::Deny;
        event.reason = Cause::NotRecorded.code().to_owned();
        event.status = Some(Cause::NotRecorded.status());
    }
    session.meter.keep_denial(&event);
    refusal(&event)
}

fn refusal(event: &EgressEvent) -> Refusal {
    Refusal {
        status: event.status.unwrap_or(403),
        error: respond::text(&event.reason).to_owned(),
        reason: event.reason.clone(),
        host: event.host.clone(),
        port: event.port,
        rule: event.rule.clone(),
        id: event.id.clone(),
        next_steps: respond::next_steps(&event.reason, &event.host, &event.id),
    }
}

impl Asked {
    /// The form that policy judges.
    pub(crate) fn request(&self) -> Request<'_> {
        Request {
            destination: &self.destination,
            kind: self.kind,
            method: (self.kind == RequestKind::Http).then_some(self.method.as_str()),
            path: self.path.as_ref().map(CanonicalPath::as_str),
        }
    }

    fn event(&self, session: &Session, rules: &Rules, verdict: &Verdicted) -> EgressEvent {
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
    fn event(&self, session: &Session, verdict: &Verdicted) -> EgressEvent {
        EgressEvent {
            method: tame(self.method),
            host: tame(self.host),
            port: self.port,
            via: self.via,
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
