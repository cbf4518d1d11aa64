//! The one way to a permission: judge, look at the budget, record, and only then permit.
//!
//! Not for: parsing (each way in does that once, before) or dialling (`dial`).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use model::{EgressEvent, TlsMode, Verdict, Via};
use policy::{CanonicalPath, Decision, Destination, Handling, Request, RequestKind, Terms};
use tokio::sync::watch;

use crate::event::Verdicted;
use crate::exchange::Exchange;
use crate::meter::Account;
use crate::noise::{Admission, Noise};
use crate::ration::{self, Rationed};
use crate::reason::Cause;
use crate::record::Recorder;
use crate::refusal::Refusal;
use crate::respond;
use crate::session::{Rules, Session};
use crate::tunnel::TLS_PORTS;

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
    pub(crate) tls: TlsMode,
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
    /// What the rules that allow it ask for.
    pub(crate) terms: Terms,
}

/// What becomes of a tunnel that may be.
#[derive(Debug)]
pub(crate) enum Passage {
    /// Its bytes go on unread.
    Tunnel(Box<Permit>),
    /// It is to be opened; each request in it is judged by itself. Nothing is recorded.
    Open,
}

/// Judges and records. `Ok` means that the decision is in the log. A refusal is in there, too, unless
/// the session has been refused so often that only some of it is recorded; its answer then says so.
/// `check` says what speaks against the request under the terms of the rules that allow it, or names the
/// secrets that it uses.
pub(crate) async fn authorize(
    session: &Session,
    recorder: &Recorder,
    asked: &Asked,
    check: impl FnOnce(&Terms) -> Result<Option<String>, Cause>,
) -> Result<Permit, Refusal> {
    let judged = Judged::now(session, asked);
    let checked = match judged.obstacle(session, asked) {
        Some(cause) => Err(cause),
        None if judged.decision.is_allowed() => check(&judged.decision.terms),
        None => Ok(None),
    };
    settle(session, recorder, (asked, judged), checked).await
}

/// Judges a tunnel; one that is left closed is recorded like any other permission.
pub(crate) async fn open(
    session: &Session,
    recorder: &Recorder,
    asked: &Asked,
) -> Result<Passage, Refusal> {
    let judged = Judged::now(session, asked);
    let mut obstacle = judged.obstacle(session, asked);
    let allowed = judged.decision.is_allowed() && obstacle.is_none();
    let policy = &judged.rules.policy;
    let handling = session
        .lessons
        .handling(policy, &judged.decision, &asked.destination);
    if allowed && handling == Handling::Intercept {
        // Elsewhere the tunnel may be plain HTTP.
        if session.authority.is_some() || !TLS_PORTS.contains(&asked.destination.port) {
            return Ok(Passage::Open);
        }
        obstacle = Some(Cause::NeedsInterception);
    }
    let checked = obstacle.map_or(Ok(None), Err);
    let permit = settle(session, recorder, (asked, judged), checked).await?;
    Ok(Passage::Tunnel(Box::new(permit)))
}

/// Records the decision, and makes a permission or a refusal of it.
async fn settle(
    session: &Session,
    recorder: &Recorder,
    (asked, judged): (&Asked, Judged),
    checked: Result<Option<String>, Cause>,
) -> Result<Permit, Refusal> {
    let Judged {
        decision,
        rules,
        changes,
    } = judged;
    let obstacle = checked.as_ref().err().copied().or_else(|| {
        let allowed = decision.is_allowed();
        allowed.then(|| ration(session, &decision.terms)).flatten()
    });
    let verdict = match obstacle {
        Some(cause) => Verdicted::refused(cause, decision.rule),
        None => Verdicted {
            reason: decision.reason.code(),
            rule: decision.rule,
            status: (decision.verdict == Verdict::Deny).then_some(403),
        },
    };
    let mut event = asked.event(session, &rules, &verdict);
    event.secret = checked.unwrap_or_default();
    let account = session.meter.open(&event.host, event.verdict);
    if verdict.status.is_none() && decision.terms.llm.is_some() {
        account.spends();
    }
    if verdict.status.is_none() && recorder.decision(&event).await.is_ok() {
        let noise = Arc::clone(&session.denials);
        return Ok(Permit {
            exchange: Exchange::begin(event, account, (recorder.clone(), noise)),
            connect: decision.connect,
            changes,
            tells: decision.open.is_some() && decision.connect.is_none(),
            terms: decision.terms,
        });
    }
    let noise = verdict.status.map(|_denied| &*session.denials);
    let refusal = deny_or_count(session, recorder, noise, (event, &account)).await;
    Err(Refusal {
        retry_after: obstacle.and_then(Cause::retry_after),
        ..refusal
    })
}

/// Takes what a permission costs, and says what is missing.
fn ration(session: &Session, terms: &Terms) -> Option<Cause> {
    let sources = (&*session.meter, &session.rates);
    match ration::take(sources, terms, Instant::now()).err()? {
        Rationed::Later(wait) => {
            let seconds = wait.as_secs_f64().ceil();
            // Saturates, and rates are at most a day long.
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a positive number of seconds; `as` saturates"
            )]
            Some(Cause::RateLimited(seconds as u32))
        }
        Rationed::UsedUp => {
            session.meter.exhaust();
            Some(Cause::BudgetExceeded)
        }
    }
}

/// A verdict and what it was reached by.
struct Judged {
    decision: Decision,
    rules: Rules,
    changes: watch::Receiver<Rules>,
}

impl Judged {
    fn now(session: &Session, asked: &Asked) -> Self {
        let mut changes = session.rule_changes();
        let rules = changes.borrow_and_update().clone();
        Self {
            decision: rules.policy.judge(&asked.request()),
            rules,
            changes,
        }
    }

    /// What turns an allowance into a denial.
    fn obstacle(&self, session: &Session, asked: &Asked) -> Option<Cause> {
        if !self.decision.is_allowed() {
            return None;
        }
        standing_obstacle(session).or_else(|| opaque(session, asked, self.decision.open))
    }
}

/// Resolves once a newer policy denies what was permitted; one that came while a name was resolved or a
/// handshake awaited counts as well.
pub(crate) async fn revoked(permit: &Permit, asked: &Asked) {
    until(permit, asked, |_terms| false).await;
}

/// The same for a connection that is carried, be it a tunnel or a WebSocket.
pub(crate) async fn revoked_while_carried(permit: &Permit, asked: &Asked) {
    let is_websocket = asked.kind == RequestKind::Http;
    until(permit, asked, |terms| is_websocket && !terms.websocket).await;
}

async fn until(permit: &Permit, asked: &Asked, forbids: impl Fn(&Terms) -> bool) {
    let mut changes = permit.changes.clone();
    while changes.changed().await.is_ok() {
        let rules = changes.borrow_and_update().clone();
        let decision = rules.policy.judge(&asked.request());
        if !permit.holds_under(&decision, asked) || forbids(&decision.terms) {
            permit.exchange.overruled_by(rules.generation);
            return;
        }
    }
    // The session holds the sender, so this is its very end; its tasks end by other means.
    std::future::pending::<()>().await;
}

impl Permit {
    /// True when a newer decision permits the same in the same way.
    fn holds_under(&self, decision: &Decision, asked: &Asked) -> bool {
        // A tunnel that is to be opened now can't be any more.
        let opened = asked.kind == RequestKind::Tunnel && decision.handling == Handling::Intercept;
        let named = |name| decision.terms.secrets.contains(name);
        let secrets = !self.exchange.has_secrets() || self.terms.secrets.iter().all(named);
        decision.is_allowed() && !opened && secrets && self.connect == decision.connect
    }
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
    session.names.objection(name, open)
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
        retry_after: None,
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
            tls: self.tls != TlsMode::None,
        }
    }
}
