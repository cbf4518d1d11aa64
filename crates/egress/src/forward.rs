//! Plain HTTP in absolute form: one request judged, rewritten and carried out, then the next.
//!
//! Upstream sees HTTP/1.1 with the canonical path that was judged, the `Host` that was judged, and no
//! field of the jail's own connection.
//!
//! Not for: parsing heads (`head`, `answer`) or bodies (`body`).

use bytes::BytesMut;
use model::{TlsMode, Via};
use policy::{Destination, RequestKind, Scheme, Target};
use tokio::time::Instant;

use crate::authorize::{Asked, Permit, authorize, revoked};
use crate::connect::{TLS_PORTS, carry, same_host};
use crate::explicit::{Conversation, Next};
use crate::fields::Framing;
use crate::head::Head;
use crate::limits::UPSTREAM_IDLE;
use crate::message::{Outcome, Progress, Then, carry_out};
use crate::reason::Cause;
use crate::respond::Manner;
use crate::upstream::Upstream;

/// An upstream connection that waits for its client's next request.
#[derive(Debug)]
pub(crate) struct Kept {
    upstream: Upstream,
    /// Empty, with the memory of the answer before.
    rest: BytesMut,
    destination: Destination,
    connect: Option<std::net::SocketAddr>,
    since: Instant,
}

/// A request in the form in which it is judged and sent.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) asked: Asked,
    pub(crate) framing: Framing,
    /// The client asked to go on as a WebSocket.
    pub(crate) websocket: bool,
    pub(crate) manners: Manners,
    /// The head as it goes upstream.
    pub(crate) head: Vec<u8>,
}

/// What the client understands and wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manners {
    /// HTTP/1.0: no chunks, no interim answers, one request.
    Old,
    /// HTTP/1.1 for one request.
    Once,
    /// HTTP/1.1 with another request to come.
    KeepAlive,
}

/// Serves one request.
pub(crate) async fn serve(
    conversation: &mut Conversation,
    head: &Head,
    kept: &mut Option<Kept>,
) -> Next {
    let plan = match Plan::read(head) {
        Ok(plan) => plan,
        Err(cause) => return conversation.refuse_head(head, cause).await,
    };
    let Conversation { proxy, session, .. } = &*conversation;
    match authorize(session, &proxy.recorder, &plan.asked).await {
        Ok(permit) => permitted(conversation, &plan, permit, kept).await,
        Err(refusal) => {
            // A body that nobody reads would be taken for the next request.
            let keep_alive =
                plan.manners == Manners::KeepAlive && plan.framing == Framing::Length(0);
            conversation.answer(&refusal, plan.manner(keep_alive)).await
        }
    }
}

async fn permitted(
    conversation: &mut Conversation,
    plan: &Plan,
    mut permit: Permit,
    kept: &mut Option<Kept>,
) -> Next {
    let progress = Progress::default();
    match attempt(conversation, plan, &permit, kept, &progress).await {
        Ok(outcome) => {
            permit.exchange.set_status(outcome.status);
            permit.exchange.complete();
            match outcome.then {
                Then::Http { client: true, .. } => Next::Request,
                Then::Http { client: false, .. } => Next::Finish,
                Then::Tunnel => Next::Done,
            }
        }
        Err(cause) if progress.is_answered() => {
            if let Some(status) = progress.status() {
                permit.exchange.set_status(status);
            }
            permit.exchange.end(cause);
            cut_short(cause, &progress)
        }
        Err(cause) => {
            let refusal = permit.exchange.refuse(cause);
            conversation.answer(&refusal, plan.manner(false)).await
        }
    }
}

/// How a connection ends on which an answer, or a tunnel, was broken off. What came of an answer is to
/// arrive, so the connection closes in order where the client can tell that the answer lacks its end: by
/// its length, or by the last chunk that never comes. It is reset where only that would tell, and where
/// it is the client that is gone or takes nothing.
fn cut_short(cause: Cause, progress: &Progress) -> Next {
    let takes = !matches!(cause, Cause::ClientAborted | Cause::IdleTimeout);
    if takes && progress.is_framed() {
        Next::Finish
    } else {
        Next::Abort
    }
}

/// Carries the request out on the kept connection or a new one. A kept connection that turns out
/// to be dead before a byte of an answer is replaced once, if the request may be repeated
/// (RFC 9112 9.3.1).
async fn attempt(
    conversation: &mut Conversation,
    plan: &Plan,
    permit: &Permit,
    kept: &mut Option<Kept>,
    progress: &Progress,
) -> Result<Outcome, Cause> {
    if let Some(mut line) = reusable(kept.take(), plan, permit) {
        let outcome = exchange(conversation, (plan, permit), &mut line, progress).await;
        let stale = outcome == Err(Cause::UpstreamAborted) && !progress.is_heard();
        if !(stale && plan.is_repeatable()) {
            keep(kept, line, &outcome);
            return outcome;
        }
    }
    let Conversation { proxy, session, .. } = &*conversation;
    let upstream = proxy
        .dialler
        .dial(session, permit, &plan.asked.destination)
        .await?;
    let mut line = Kept {
        upstream,
        rest: BytesMut::new(),
        destination: plan.asked.destination.clone(),
        connect: permit.connect,
        since: Instant::now(),
    };
    let outcome = exchange(conversation, (plan, permit), &mut line, progress).await;
    keep(kept, line, &outcome);
    outcome
}

fn reusable(kept: Option<Kept>, plan: &Plan, permit: &Permit) -> Option<Kept> {
    let kept = kept?;
    let same = kept.destination == plan.asked.destination && kept.connect == permit.connect;
    if !same || kept.since.elapsed() > UPSTREAM_IDLE || !kept.upstream.is_quiet() {
        return None;
    }
    kept.upstream.assign(permit.exchange.account().clone());
    Some(kept)
}

fn keep(kept: &mut Option<Kept>, line: Kept, outcome: &Result<Outcome, Cause>) {
    if let Ok(Outcome {
        then: Then::Http { upstream: true, .. },
        ..
    }) = outcome
    {
        let since = Instant::now();
        *kept = Some(Kept { since, ..line });
    }
}

/// One request and its answer, and what follows a WebSocket's handshake, unless a newer policy
/// forbids it meanwhile.
async fn exchange(
    conversation: &mut Conversation,
    (plan, permit): (&Plan, &Permit),
    line: &mut Kept,
    progress: &Progress,
) -> Result<Outcome, Cause> {
    let Kept { upstream, rest, .. } = line;
    let outcome = tokio::select! {
        outcome = carry_out(conversation, plan, upstream, rest, progress) => outcome?,
        () = revoked(permit, &plan.asked) => return Err(Cause::PolicyChanged),
    };
    if outcome.then != Then::Tunnel {
        return Ok(outcome);
    }
    let client = &conversation.client;
    client
        .write(rest)
        .await
        .map_err(|_gone| Cause::ClientAborted)?;
    let early = conversation.buffer.split();
    upstream
        .write(&early)
        .await
        .map_err(|error| crate::body::cause::<Upstream>(&error))?;
    carry(conversation, (permit, &plan.asked), upstream).await?;
    Ok(outcome)
}

impl Plan {
    /// What is asked for, once it can be read in one way only.
    fn read(head: &Head) -> Result<Self, Cause> {
        let target = Target::from_absolute_uri(&head.target)
            .map_err(|error| Cause::Malformed(error.code()))?;
        if target.scheme == Scheme::Https {
            return Err(Cause::Malformed("https_needs_connect"));
        }
        match head.fields.one("host")? {
            Some(host) => same_host(host, &target.destination, target.scheme.default_port())?,
            None if head.is_11 => return Err(Cause::Malformed("host_missing")),
            None => {}
        }
        if TLS_PORTS.contains(&target.destination.port) {
            return Err(Cause::NotTls);
        }
        let framing = head.fields.framing()?.unwrap_or(Framing::Length(0));
        if framing == Framing::Chunked && !head.is_11 {
            return Err(Cause::Malformed("transfer_encoding_refused"));
        }
        let websocket = websocket(head, framing)?;
        Ok(Self {
            head: upstream_head(head, &target, framing, websocket),
            asked: asked(head, target),
            framing,
            websocket,
            manners: Manners::of(head),
        })
    }

    const fn manner(&self, keep_alive: bool) -> Manner {
        Manner {
            head_only: matches!(self.asked.method.as_bytes(), b"HEAD"),
            keep_alive,
        }
    }

    /// True when sending it twice does no more than sending it once, and it is still at hand.
    fn is_repeatable(&self) -> bool {
        let safe = matches!(self.asked.method.as_str(), "GET" | "HEAD" | "OPTIONS");
        safe && self.framing == Framing::Length(0)
    }
}

fn asked(head: &Head, target: Target) -> Asked {
    Asked {
        via: Via::Explicit,
        tls: TlsMode::None,
        kind: RequestKind::Http,
        method: head.method.clone(),
        destination: target.destination,
        path: Some(target.path),
    }
}

impl Manners {
    fn of(head: &Head) -> Self {
        let fields = &head.fields;
        let closes =
            fields.lists("connection", "close") || fields.lists("proxy-connection", "close");
        match (head.is_11, closes) {
            (false, _) => Self::Old,
            (true, true) => Self::Once,
            (true, false) => Self::KeepAlive,
        }
    }
}

/// Whether the request asks to become a WebSocket (RFC 6455 4.1). Any other upgrade would turn the
/// connection into something that nobody judges.
fn websocket(head: &Head, framing: Framing) -> Result<bool, Cause> {
    let Some(protocol) = head
        .fields
        .one("upgrade")
        .map_err(|_duplicate| Cause::UpgradeRefused)?
    else {
        return Ok(false);
    };
    let asks = protocol.eq_ignore_ascii_case(b"websocket")
        && head.fields.lists("connection", "upgrade")
        && head.method == "GET"
        && head.is_11
        && framing == Framing::Length(0);
    if asks {
        Ok(true)
    } else {
        Err(Cause::UpgradeRefused)
    }
}

fn upstream_head(head: &Head, target: &Target, framing: Framing, websocket: bool) -> Vec<u8> {
    let (method, path, destination) = (&head.method, &target.path, &target.destination);
    let mut out = Vec::with_capacity(512);
    out.extend_from_slice(
        format!("{method} {path} HTTP/1.1\r\nHost: {}", destination.host).as_bytes(),
    );
    if destination.port != Scheme::Http.default_port() {
        out.extend_from_slice(format!(":{}", destination.port).as_bytes());
    }
    out.extend_from_slice(b"\r\n");
    head.fields.write_end_to_end(&mut out);
    match framing {
        Framing::Chunked => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
        // A request that said that its body is empty goes on saying so.
        Framing::Length(length)
            if length > 0 || head.fields.all("content-length").next().is_some() =>
        {
            out.extend_from_slice(format!("Content-Length: {length}\r\n").as_bytes());
        }
        Framing::Length(_) | Framing::UntilClose => {}
    }
    if websocket {
        out.extend_from_slice(b"Connection: Upgrade\r\nUpgrade: websocket\r\n");
    }
    out.extend_from_slice(b"\r\n");
    out
}
