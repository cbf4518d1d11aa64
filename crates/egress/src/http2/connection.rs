//! A jail's connection that speaks HTTP/2: every stream becomes a request of its own, on a task of its own.
//!
//! Not for: what becomes of a request (`errand`), nor what one stream says (`stream`).

use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::server::{self, SendResponse};
use h2::{Ping, PingPong, Reason, RecvStream};
use http::Request;
use tasks::Stop;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Interval, MissedTickBehavior, timeout};

use crate::authorize::{Unjudged, turn_away};
use crate::client::{Client, Polled};
use crate::errand::{Ended, Errand};
use crate::form::Form;
use crate::http2::refused::{Ledger, Watched};
use crate::http2::request;
use crate::http2::resets::Resets;
use crate::http2::stream::Stream;
use crate::limits::{
    HEAD_LIST_MAX, HEAD_TIMEOUT, KEEP_ALIVE_IDLE, LINGER, PING_PAUSE, STREAM_BUFFER, STREAM_WINDOW,
    STREAMS, STREAMS_WINDOW,
};
use crate::lines::Lines;
use crate::plan::Plan;
use crate::proxy::Proxy;
use crate::reason::Cause;
use crate::refusal::Refusal;
use crate::session::Session;

type Codec = server::Connection<Watched<Polled>, Bytes>;
type Begun = (Request<RecvStream>, SendResponse<Bytes>);

/// Serves a connection to its end.
pub(crate) async fn serve(
    (proxy, session): (Arc<Proxy>, Arc<Session>),
    client: Client,
    form: Form,
) {
    let client = Arc::new(client);
    let ledger = Ledger::default();
    let shared = Arc::new(Shared {
        proxy,
        session,
        form,
        lines: Lines::default(),
        resets: Resets::default(),
        ledger: ledger.clone(),
    });
    let io = Watched::new(Polled(Arc::clone(&client)), ledger);
    let handshake = timeout(HEAD_TIMEOUT, settings().handshake(io)).await;
    match handshake {
        Ok(Ok(codec)) => Connection::new(&shared, codec).run().await,
        Ok(Err(error)) if error.is_io() => {}
        Ok(Err(_)) => drop(shared.turn_away(b"", "http2_malformed").await),
        Err(_elapsed) => drop(shared.turn_away(b"", "head_timeout").await),
    }
    if let Some(client) = Arc::into_inner(client) {
        client.finish().await;
    }
}

fn settings() -> server::Builder {
    let mut settings = server::Builder::new();
    settings
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(HEAD_LIST_MAX)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(STREAMS_WINDOW)
        .max_send_buffer_size(STREAM_BUFFER);
    settings
}

/// What the streams of a connection have in common.
#[derive(Debug)]
struct Shared {
    proxy: Arc<Proxy>,
    session: Arc<Session>,
    form: Form,
    lines: Lines,
    resets: Resets,
    ledger: Ledger,
}

/// A connection that has begun.
struct Connection<'a> {
    shared: &'a Arc<Shared>,
    codec: Codec,
    pings: Option<PingPong>,
    ticks: Interval,
    /// A ping has not been answered.
    awaited: bool,
    /// When streams were last under way.
    active: Instant,
    /// The client was told that no more streams are taken.
    closing: bool,
}

/// What happens on a connection.
enum Happening {
    Begun(Box<Begun>),
    /// The codec refused a stream by itself.
    Refused(&'static str),
    Ended(Option<h2::Error>),
    Pong,
    Tick,
    Stop,
}

impl<'a> Connection<'a> {
    fn new(shared: &'a Arc<Shared>, mut codec: Codec) -> Self {
        let mut ticks = tokio::time::interval_at(Instant::now() + PING_PAUSE, PING_PAUSE);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            shared,
            pings: codec.ping_pong(),
            codec,
            ticks,
            awaited: false,
            active: Instant::now(),
            closing: false,
        }
    }

    async fn run(mut self) {
        let stop = self.shared.session.stop();
        loop {
            match self.next(&stop).await {
                Happening::Begun(begun) => self.begin(*begun).await,
                Happening::Refused(code) => drop(self.shared.turn_away(b"", code).await),
                Happening::Pong => self.awaited = false,
                Happening::Ended(error) => return self.note(error).await,
                Happening::Tick if self.tick() => {}
                Happening::Tick => return,
                Happening::Stop => self.close(),
            }
        }
    }

    async fn next(&mut self, stop: &Stop) -> Happening {
        let Self {
            shared,
            codec,
            pings,
            ticks,
            awaited,
            closing,
            ..
        } = self;
        let looking = std::future::poll_fn(|cx| look((codec, &shared.ledger), pings, *awaited, cx));
        tokio::select! {
            happening = looking => happening,
            _ = ticks.tick() => Happening::Tick,
            () = stop.requested(), if !*closing => Happening::Stop,
        }
    }

    /// Takes a stream, if there is a place for it.
    async fn begin(&mut self, (request, answer): Begun) {
        self.shared.ledger.hand_out(answer.stream_id().as_u32());
        self.active = Instant::now();
        let Self { shared, .. } = self;
        if shared.resets.is_flood() && !self.closing {
            self.closing = true;
            self.codec.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
            drop(shared.turn_away(b"", "http2_flood").await);
            return;
        }
        let session = &shared.session;
        let (parts, content) = request.into_parts();
        let stream = Stream::new(content, answer);
        let place = Arc::clone(&session.places).try_acquire_owned();
        let shared = Arc::clone(shared);
        match place {
            Ok(place) => session.tasks.spawn("stream", async move {
                shared.serve(stream, parts).await;
                drop(place);
            }),
            Err(_full) => self.turn_out(stream, &parts),
        }
    }

    /// Says that there is no place, to some of those for whom there is none.
    fn turn_out(&self, stream: Stream, parts: &http::request::Parts) {
        let session = &self.shared.session;
        let Ok(place) = Arc::clone(&session.doormen).try_acquire_owned() else {
            return stream.back().reset(Reason::REFUSED_STREAM);
        };
        let (shared, method) = (Arc::clone(self.shared), parts.method.clone());
        session.tasks.spawn("turned away", async move {
            let name = method.as_str().as_bytes();
            let refusal = shared.refuse(name, Cause::TooManyConnections).await;
            stream.refuse(&refusal, method == http::Method::HEAD).await;
            drop::<OwnedSemaphorePermit>(place);
        });
    }

    /// Looks whether the client is still there. False when it is not.
    fn tick(&mut self) -> bool {
        if self.codec.has_streams() {
            self.active = Instant::now();
        } else if self.closing {
            // It was told, and nothing is under way.
            return false;
        } else if self.active.elapsed() >= KEEP_ALIVE_IDLE {
            self.close();
        }
        if self.awaited {
            return false;
        }
        let pinged = self
            .pings
            .as_mut()
            .map(|pings| pings.send_ping(Ping::opaque()));
        self.awaited = matches!(pinged, Some(Ok(())));
        true
    }

    /// Takes no more streams; those under way go on.
    fn close(&mut self) {
        self.closing = true;
        self.codec.graceful_shutdown();
        self.ticks.reset_after(LINGER);
    }

    /// Puts on record what ended the connection, if it was the client's fault.
    async fn note(&self, error: Option<h2::Error>) {
        while let Some(code) = self.shared.ledger.take() {
            drop(self.shared.turn_away(b"", code).await);
        }
        match error {
            Some(error) if error.is_library() && !self.closing => {
                let calm = error.reason() == Some(Reason::ENHANCE_YOUR_CALM);
                let code = if calm {
                    "http2_flood"
                } else {
                    "http2_malformed"
                };
                drop(self.shared.turn_away(b"", code).await);
            }
            _ => {}
        }
    }
}

/// Drives the connection until something happens on it.
fn look(
    (codec, ledger): (&mut Codec, &Ledger),
    pings: &mut Option<PingPong>,
    awaited: bool,
    cx: &mut Context<'_>,
) -> Poll<Happening> {
    let accepted = codec.poll_accept(cx);
    if let Some(code) = ledger.take() {
        // A stream that came with it is still in the codec, unless it is in hand.
        if accepted.is_pending() {
            return Poll::Ready(Happening::Refused(code));
        }
        ledger.put_back(code);
    }
    match accepted {
        Poll::Ready(Some(Ok(begun))) => return Poll::Ready(Happening::Begun(Box::new(begun))),
        Poll::Ready(Some(Err(error))) => return Poll::Ready(Happening::Ended(Some(error))),
        Poll::Ready(None) => return Poll::Ready(Happening::Ended(None)),
        Poll::Pending => {}
    }
    match pings {
        Some(pings) if awaited => pings.poll_pong(cx).map(|_pong| Happening::Pong),
        _ => Poll::Pending,
    }
}

impl Shared {
    /// Serves one stream to its end.
    async fn serve(&self, mut stream: Stream, parts: http::request::Parts) {
        let head_only = parts.method == http::Method::HEAD;
        let head = request::read(&parts, stream.is_bare());
        let plan = head.and_then(|head| Plan::read(&head, &self.form));
        let mut plan = match plan {
            Ok(plan) => plan,
            Err(cause) => {
                let refusal = self.refuse(parts.method.as_str().as_bytes(), cause).await;
                stream.refuse(&refusal, head_only).await;
                return stream.drain().await;
            }
        };
        let errand = Errand {
            proxy: &self.proxy,
            session: &self.session,
        };
        let back = stream.back();
        let given_up = back.clone().given_up();
        match errand
            .run(&mut stream, &mut plan, &self.lines, given_up)
            .await
        {
            Ended::Done { .. } => stream.drain().await,
            Ended::Refused { refusal, .. } if refusal.reason == Cause::ClientAborted.code() => {
                self.resets.add();
            }
            Ended::Refused { refusal, .. } => {
                stream.refuse(&refusal, head_only).await;
                stream.drain().await;
            }
            Ended::Cut { cause, .. } => match cause {
                Cause::ClientAborted => self.resets.add(),
                // It takes nothing, so nothing that waits for it is kept.
                Cause::IdleTimeout => back.reset(Reason::CANCEL),
                _ => {
                    // What came of the answer is to arrive.
                    let (id, bytes) = back.given();
                    drop(timeout(LINGER, self.ledger.written(id, bytes)).await);
                    back.reset(Reason::INTERNAL_ERROR);
                }
            },
        }
    }

    /// Refuses what is no request.
    async fn turn_away(&self, method: &[u8], code: &'static str) -> Refusal {
        self.refuse(method, Cause::Malformed(code)).await
    }

    /// Refuses what policy is not asked about.
    async fn refuse(&self, method: &[u8], cause: Cause) -> Refusal {
        let (host, port) = self.form.presumed().unwrap_or_default();
        let unjudged = Unjudged {
            via: self.form.via(),
            tls: self.form.tls(),
            method,
            host: host.as_bytes(),
            port,
        };
        turn_away(&self.session, &self.proxy.recorder, unjudged, cause).await
    }
}
