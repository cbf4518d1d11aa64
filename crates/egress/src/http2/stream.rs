//! A jail's stream as the side that asks.
//!
//! Not for: its connection (`connection`), nor reading its head (`request`).

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Response};
use sha2::{Digest, Sha256};
use tokio::time::timeout;

use crate::answer::Answer;
use crate::content::{Piece, Sink, Source};
use crate::fields::{Fields, Framing};
use crate::held::whole;
use crate::http2::content::{Faults, Inflow, Outflow, Outlet, Stuck};
use crate::http2::map;
use crate::limits::{BODY_IDLE, LINGER, LINGER_BYTES};
use crate::plan::Plan;
use crate::reason::Cause;
use crate::refusal::Refusal;
use crate::respond::Denial;
use crate::sides::{Asker, Delivery, Replies, Tunnel};

/// A request's stream.
#[derive(Debug)]
pub(crate) struct Stream {
    content: Inflow<Jail>,
    back: Back,
}

/// The way back, shared with whoever watches for the stream's end.
#[derive(Debug, Clone)]
pub(crate) struct Back {
    id: u32,
    stage: Arc<Mutex<Stage>>,
    /// What was given to the codec: a head counts as one, content by its bytes.
    given: Arc<AtomicU64>,
}

#[derive(Debug)]
enum Stage {
    /// The final answer has not begun.
    Head(SendResponse<Bytes>),
    Content(SendStream<Bytes>),
}

/// What a failure of the jail's side means.
#[derive(Debug, Clone, Copy)]
struct Jail;

impl Stream {
    pub(crate) fn new(content: RecvStream, answer: SendResponse<Bytes>) -> Self {
        let back = Back {
            id: answer.stream_id().as_u32(),
            stage: Arc::new(Mutex::new(Stage::Head(answer))),
            given: Arc::default(),
        };
        Self {
            content: Inflow::new(content, Jail, BODY_IDLE),
            back,
        }
    }

    /// True when the request has no content.
    pub(crate) fn is_bare(&self) -> bool {
        self.content.is_ended()
    }

    /// The way back alone.
    pub(crate) fn back(&self) -> Back {
        self.back.clone()
    }

    /// Takes what the client still sends behind its answer, for a short while: to reset the stream at once
    /// would make some clients throw the answer away.
    pub(crate) async fn drain(&mut self) {
        let draining = async {
            let mut dropped = 0;
            while dropped < LINGER_BYTES {
                match self.content.take() {
                    Ok(Some(Piece::Data(data))) => dropped += data.len() as u64,
                    Ok(Some(Piece::End(_))) | Err(_) => return,
                    Ok(None) => {
                        if self.content.wait().await.is_err() {
                            return;
                        }
                    }
                }
            }
        };
        // Nothing is owed to a client that goes on longer.
        drop(timeout(LINGER, draining).await);
    }

    /// Answers with a denial; nobody may be there any more.
    pub(crate) async fn refuse(&self, refusal: &Refusal, head_only: bool) {
        let denial = Denial::of(refusal);
        let mut response = Response::builder().status(denial.status);
        for (name, value) in &denial.fields {
            response = response.header(*name, value);
        }
        let Ok(response) = response.body(()) else {
            return self.back.reset(Reason::INTERNAL_ERROR);
        };
        if self.back.begin(response, head_only).is_err() || head_only {
            return;
        }
        let mut flow = Outflow::default();
        flow.put(&denial.body);
        flow.end(HeaderMap::new());
        if flow.flush(&self.back).await.is_err() {
            self.back.reset(Reason::CANCEL);
        }
    }
}

impl Back {
    /// Resolves once the client has given the stream up, or its connection has ended.
    pub(crate) async fn given_up(self) -> Cause {
        let reset = std::future::poll_fn(|cx| match &mut *self.stage() {
            Stage::Head(answer) => answer.poll_reset(cx).map(|reset| (reset, true)),
            Stage::Content(content) => content.poll_reset(cx).map(|reset| (reset, false)),
        });
        match reset.await {
            // The codec found fault with what came behind the head.
            (Ok(Reason::PROTOCOL_ERROR), true) => Cause::Malformed("http2_malformed"),
            _ => Cause::ClientAborted,
        }
    }

    /// The stream's number, and how much of the answer was given to the codec.
    pub(crate) fn given(&self) -> (u32, u64) {
        (self.id, self.given.load(Ordering::Acquire))
    }

    /// Breaks the stream off, so that nobody takes what came for complete.
    pub(crate) fn reset(&self, reason: Reason) {
        match &mut *self.stage() {
            Stage::Head(answer) => answer.send_reset(reason),
            Stage::Content(content) => content.send_reset(reason),
        }
    }

    fn interim(&self, response: Response<()>) -> Result<(), Cause> {
        match &mut *self.stage() {
            Stage::Head(answer) => {
                self.given.fetch_add(1, Ordering::AcqRel);
                answer.send_informational(response).map_err(gone)
            }
            Stage::Content(_) => Err(Cause::UpstreamProtocol),
        }
    }

    fn begin(&self, response: Response<()>, last: bool) -> Result<(), Cause> {
        let mut stage = self.stage();
        if let Stage::Head(answer) = &mut *stage {
            self.given.fetch_add(1, Ordering::AcqRel);
            let content = answer.send_response(response, last).map_err(gone)?;
            *stage = Stage::Content(content);
        }
        Ok(())
    }

    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn gone(_: h2::Error) -> Cause {
    Cause::ClientAborted
}

impl Outlet for &Back {
    fn poll_room(&mut self, cx: &mut Context<'_>, wanted: usize) -> Poll<Result<usize, Stuck>> {
        match &mut *self.stage() {
            Stage::Head(_) => Poll::Ready(Err(Stuck::Closed(None))),
            Stage::Content(content) => (&mut *content).poll_room(cx, wanted),
        }
    }

    fn send(&mut self, data: Bytes, last: bool) -> Result<(), Stuck> {
        match &mut *self.stage() {
            Stage::Head(_) => Err(Stuck::Closed(None)),
            Stage::Content(content) => {
                self.given.fetch_add(data.len() as u64, Ordering::AcqRel);
                (&mut *content).send(data, last)
            }
        }
    }

    fn trailers(&mut self, trailers: HeaderMap) -> Result<(), Stuck> {
        match &mut *self.stage() {
            Stage::Head(_) => Err(Stuck::Closed(None)),
            Stage::Content(content) => (&mut *content).trailers(trailers),
        }
    }
}

impl Faults for Jail {
    fn silent(&self) -> Cause {
        Cause::Malformed("body_timeout")
    }

    fn failed(&self, error: &h2::Error) -> Cause {
        if error.is_library() && error.reason() == Some(Reason::PROTOCOL_ERROR) {
            Cause::Malformed("http2_malformed")
        } else {
            Cause::ClientAborted
        }
    }

    fn broken(&self, code: &'static str) -> Cause {
        Cause::Malformed(code)
    }
}

impl Asker for Stream {
    fn sides<'s>(&'s mut self, plan: &'s Plan) -> (impl Source, impl Replies) {
        if plan.framing == Framing::Length(0) {
            self.content.forbid_content();
        }
        let replies = Return {
            back: &self.back,
            head: None,
            flow: Outflow::default(),
            failed: None,
        };
        (&mut self.content, replies)
    }

    async fn hold(&mut self, plan: &mut Plan) -> Result<[u8; 32], Cause> {
        if plan.fields.all("expect").next().is_some() {
            // Who waits for this would wait for ever: the server is asked later.
            let response = Response::builder().status(100).body(());
            let response = response.map_err(|_impossible| Cause::ClientAborted)?;
            self.back.interim(response)?;
            plan.fields.remove("expect");
        }
        let content = whole(&mut self.content).await?.freeze();
        plan.framing = Framing::Length(content.len() as u64);
        let hash = Sha256::digest(&content).into();
        self.content.put_back(content);
        Ok(hash)
    }

    /// Nobody can ask for one here: the codec refuses `Upgrade`, and extended CONNECT is not offered.
    async fn tunnel(&mut self, _: Tunnel<'_>) -> Result<(), Cause> {
        Err(Cause::UpstreamProtocol)
    }
}

/// The way back of one answer.
struct Return<'a> {
    back: &'a Back,
    /// The final answer's head, until it leaves.
    head: Option<Response<()>>,
    flow: Outflow,
    /// What can't be said in HTTP/2.
    failed: Option<Cause>,
}

impl Sink for Return<'_> {
    fn put(&mut self, data: &[u8]) {
        self.flow.put(data);
    }

    /// Trailers need no permission here: they are fields behind the content for every client.
    fn end(&mut self, trailers: &Fields) {
        match map::headers(&trailers.trailing(), |_| false) {
            Some(trailers) => self.flow.end(trailers),
            None => self.failed = Some(Cause::UpstreamProtocol),
        }
    }

    async fn flush(&mut self) -> Result<(), Cause> {
        if let Some(cause) = self.failed {
            return Err(cause);
        }
        if let Some(head) = self.head.take() {
            // An answer without content ends with its head; some clients tell the two apart.
            let last = self.flow.is_bare();
            self.back.begin(head, last)?;
            if last {
                self.flow = Outflow::complete();
            }
        }
        let flushed = self.flow.flush(self.back).await;
        flushed.map(drop).map_err(|stuck| match stuck {
            Stuck::Idle => Cause::IdleTimeout,
            Stuck::Closed(_) => Cause::ClientAborted,
        })
    }
}

impl Replies for Return<'_> {
    async fn interim(&mut self, answer: &Answer) -> Result<(), Cause> {
        self.back.interim(response(answer, None)?)
    }

    async fn switch(&mut self, _: &Answer) -> Result<(), Cause> {
        Err(Cause::UpstreamProtocol)
    }

    fn head(&mut self, answer: &Answer, length: Option<u64>) -> Delivery {
        let announced =
            length.and_then(|_known| answer.fields.one("content-length").ok().flatten());
        match response(answer, announced.filter(|_| answer.status != 204)) {
            Ok(response) => self.head = Some(response),
            Err(cause) => self.failed = Some(cause),
        }
        Delivery {
            framed: true,
            again: true,
        }
    }
}

fn response(answer: &Answer, length: Option<&[u8]>) -> Result<Response<()>, Cause> {
    let mut fields = answer.fields.end_to_end();
    if let Some(length) = length {
        fields.push("content-length", Bytes::copy_from_slice(length));
    }
    let status = http::StatusCode::from_u16(answer.status);
    let mut response = Response::new(());
    *response.status_mut() = status.map_err(|_malformed| Cause::UpstreamProtocol)?;
    *response.headers_mut() = map::headers(&fields, |_| false).ok_or(Cause::UpstreamProtocol)?;
    Ok(response)
}
