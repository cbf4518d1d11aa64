//! One request from its verdict to its end, whoever asks and in whatever protocol: judged, recorded, given
//! its secrets, carried out on a kept connection or a new one.
//!
//! Not for: reading the request (`plan`), moving it (`message`), nor telling how it ended (`forward`,
//! `fetch`).

use policy::Terms;
use vault::Payload;

use crate::authorize::{Permit, authorize, revoked};
use crate::content::Taps;
use crate::fields::Framing;
use crate::lines::{Connection, Lines};
use crate::message::{Outcome, Progress, Then, carry_out};
use crate::plan::Plan;
use crate::proxy::Proxy;
use crate::reason::Cause;
use crate::refusal::Refusal;
use crate::screen::{Screen, Surroundings};
use crate::secrets::{self, Claims, Dishonoured, Found, Honoured, alarm};
use crate::session::Session;
use crate::sides::{Asker, Tunnel};

/// How a request ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// It was carried out.
    Done {
        outcome: Outcome,
        /// What its records are known by, and the bytes up and down.
        receipt: Receipt,
    },
    /// It was refused, or failed before its answer began.
    Refused {
        refusal: Refusal,
        /// None of the request's content was read.
        untouched: bool,
    },
    /// Its answer was broken off.
    Cut {
        refusal: Refusal,
        cause: Cause,
        /// The asker can tell by the framing.
        framed: bool,
    },
}

/// What is known of an exchange that was carried out.
#[derive(Debug)]
pub(crate) struct Receipt {
    pub(crate) id: model::EventId,
    pub(crate) bytes_up: u64,
    pub(crate) bytes_down: u64,
}

/// Whose request it is.
#[derive(Clone, Copy)]
pub(crate) struct Errand<'a> {
    pub(crate) proxy: &'a Proxy,
    pub(crate) session: &'a Session,
}

/// What outlives the attempt to carry a request out.
#[derive(Default)]
struct Traces {
    progress: Progress,
    found: Found,
}

impl Errand<'_> {
    /// Judges the request and carries it out. `given_up` says when the asker wants no more of it, and why.
    pub(crate) async fn run(
        self,
        asker: &mut impl Asker,
        plan: &mut Plan,
        lines: &Lines,
        given_up: impl Future<Output = Cause>,
    ) -> Ended {
        let Self { proxy, session } = self;
        let mut claimed = None;
        let check = |terms: &Terms| {
            if let Some(cause) = plan.objection(terms) {
                return Err(cause);
            }
            let claims = claimed.insert(Claims::read(session.wallet(), plan, terms));
            claims.as_ref().map(Claims::names).map_err(secrets::cause)
        };
        let authorized = authorize(session, &proxy.recorder, &plan.asked, check).await;
        let (mut permit, claims) = match (authorized, claimed) {
            (Ok(permit), Some(Ok(claims))) => (permit, claims),
            // Nothing is permitted unchecked.
            (Ok(mut permit), _) => {
                return Ended::refused(permit.exchange.refuse(Cause::SecretUnavailable));
            }
            (Err(refusal), claimed) => {
                if let Some(Err(misdirected)) = claimed {
                    alarm(session, &proxy.recorder, &refusal, &misdirected);
                }
                return Ended::refused(refusal);
            }
        };
        let traces = Traces::default();
        let carried = tokio::select! {
            carried = self.carry((asker, plan), (&mut permit, &claims), lines, &traces) => carried,
            cause = given_up => Err(cause),
        };
        self.end(permit, carried, &traces)
    }

    /// Notes how it ended.
    fn end(self, mut permit: Permit, carried: Result<Outcome, Cause>, traces: &Traces) -> Ended {
        let Traces { progress, found } = traces;
        match carried {
            Ok(outcome) => {
                permit.exchange.set_status(outcome.status);
                permit.exchange.complete();
                let (bytes_up, bytes_down) = permit.exchange.account().bytes();
                let id = permit.exchange.id().clone();
                let receipt = Receipt {
                    id,
                    bytes_up,
                    bytes_down,
                };
                Ended::Done { outcome, receipt }
            }
            Err(cause) => {
                let refusal = permit.exchange.refuse(cause);
                if let Some(misdirected) = secrets::told(found) {
                    alarm(self.session, &self.proxy.recorder, &refusal, &misdirected);
                }
                let Some(status) = progress.status() else {
                    let untouched = false;
                    return Ended::Refused { refusal, untouched };
                };
                permit.exchange.set_status(status);
                let framed = progress.is_framed();
                Ended::Cut {
                    refusal,
                    cause,
                    framed,
                }
            }
        }
    }

    /// Carries it out on the kept connection or a new one. A kept connection that turns out to be dead
    /// before a byte of an answer is replaced once, if the request may be repeated (RFC 9112 9.3.1).
    async fn carry(
        self,
        (asker, plan): (&mut impl Asker, &mut Plan),
        (permit, claims): (&mut Permit, &Claims),
        lines: &Lines,
        traces: &Traces,
    ) -> Result<Outcome, Cause> {
        let content = (plan.framing, claims.may_hold());
        let _room = self.session.rooms.up(&plan.fields, content).await?;
        let honoured = honour(asker, plan, claims).await?;
        let surroundings = Surroundings {
            prices: &self.proxy.prices(),
            has_secrets: claims.is_of_secrets(),
            found: &traces.found,
            rooms: &self.session.rooms,
        };
        let (screen, up) = Screen::prepare(plan, permit, honoured, &surroundings);
        let mut sending = Sending {
            plan,
            permit,
            progress: &traces.progress,
            screen,
            up,
        };
        if let Some(mut kept) = lines.kept(plan, permit).await {
            let outcome = sending.exchange(asker, &mut kept).await;
            let stale = outcome == Err(Cause::UpstreamAborted) && !traces.progress.is_heard();
            // What may be repeated has no content, so no tap has seen any.
            if !(stale && plan.is_repeatable()) {
                lines.rest(kept, &outcome);
                return outcome;
            }
            lines.forget(&kept);
        }
        let parts = (self.proxy, self.session);
        let mut fresh = lines.dial(parts, plan, permit).await?;
        let outcome = sending.exchange(asker, &mut fresh).await;
        lines.rest(fresh, &outcome);
        outcome
    }
}

/// Puts secrets into the request. Content whose hash is to be signed is had whole first.
async fn honour(
    asker: &mut impl Asker,
    plan: &mut Plan,
    claims: &Claims,
) -> Result<Honoured, Cause> {
    let payload = match plan.framing {
        Framing::Length(0) => Payload::Empty,
        Framing::Length(_) | Framing::Chunked | Framing::UntilClose => Payload::Unknown,
    };
    let honoured = match claims.honour(plan, payload).await {
        Err(Dishonoured::NeedsContent) => {
            let hash = asker.hold(plan).await?;
            claims.honour(plan, Payload::Hashed(hash)).await
        }
        honoured => honoured,
    };
    honoured.map_err(|dishonoured| match dishonoured {
        Dishonoured::Refused(cause) => cause,
        Dishonoured::NeedsContent => Cause::SecretUnavailable,
    })
}

impl Ended {
    /// Refused before any of its content was read.
    const fn refused(refusal: Refusal) -> Self {
        Self::Refused {
            refusal,
            untouched: true,
        }
    }
}

/// A permitted request on its way.
struct Sending<'a> {
    plan: &'a Plan,
    permit: &'a Permit,
    progress: &'a Progress,
    screen: Screen,
    up: Taps,
}

impl Sending<'_> {
    /// One request and its answer, and what follows a WebSocket's handshake, unless a newer policy
    /// forbids it meanwhile.
    async fn exchange(
        &mut self,
        asker: &mut impl Asker,
        connection: &mut Connection,
    ) -> Result<Outcome, Cause> {
        let Self {
            plan,
            permit,
            progress,
            screen,
            up,
        } = self;
        let outcome = tokio::select! {
            // First, so that nothing leaves under rules that are gone already.
            biased;
            () = revoked(permit, &plan.asked) => return Err(Cause::PolicyChanged),
            outcome = carry_out(asker, connection, (plan, screen, up), progress) => outcome?,
        };
        if outcome.then == Then::Tunnel {
            // Nobody agreed on one in HTTP/2.
            let line = connection.line().ok_or(Cause::UpstreamProtocol)?;
            let tunnel = Tunnel {
                upstream: &line.upstream,
                rest: &line.rest,
                filters: screen.filters(),
                permit,
                asked: &plan.asked,
            };
            asker.tunnel(tunnel).await?;
        }
        Ok(outcome)
    }
}
