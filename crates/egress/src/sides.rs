//! The two sides of an exchange, as what lies between them needs them, whatever protocol each speaks.
//!
//! Not for: content alone (`content`), nor one protocol's way of being a side (`http1`, `fetch`).

use bytes::BytesMut;

use crate::answer::Answer;
use crate::authorize::{Asked, Permit};
use crate::content::{Sink, Source};
use crate::fields::Framing;
use crate::message::Progress;
use crate::plan::Plan;
use crate::reason::Cause;
use crate::relay::Filters;
use crate::upstream::Upstream;

/// The side that asks: a client, or the gateway.
pub(crate) trait Asker: Send {
    /// The request's content, and the way back; both are used at once.
    fn sides<'s>(&'s mut self, plan: &'s Plan) -> (impl Source, impl Replies);

    /// Has the request's content whole before anything is sent, and returns its hash (SHA-256). It goes on
    /// with its length then.
    fn hold(&mut self, plan: &mut Plan) -> impl Future<Output = Result<[u8; 32], Cause>> + Send;

    /// Goes on as a tunnel to the end, after a handshake that both sides agreed on.
    fn tunnel(&mut self, tunnel: Tunnel<'_>) -> impl Future<Output = Result<(), Cause>> + Send;
}

/// What a WebSocket goes on with.
pub(crate) struct Tunnel<'a> {
    pub(crate) upstream: &'a Upstream,
    /// What the server said behind its handshake.
    pub(crate) rest: &'a BytesMut,
    pub(crate) filters: Filters,
    pub(crate) permit: &'a Permit,
    pub(crate) asked: &'a Asked,
}

/// The way back to the side that asked.
pub(crate) trait Replies: Sink {
    /// Sends an interim answer on its way, to those who know what that is.
    fn interim(&mut self, answer: &Answer) -> impl Future<Output = Result<(), Cause>> + Send;
    /// Sends the answer behind which the connection is a WebSocket's.
    fn switch(&mut self, answer: &Answer) -> impl Future<Output = Result<(), Cause>> + Send;
    /// Puts the head of the final answer there. `length` is how long its content will be, if that is
    /// known.
    fn head(&mut self, answer: &Answer, length: Option<u64>) -> Delivery;
}

/// How an answer is delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Delivery {
    /// Who gets a part of it can tell that it is one.
    pub(crate) framed: bool,
    /// Another request may follow on the same connection.
    pub(crate) again: bool,
}

/// The side that answers.
pub(crate) trait Server: Send {
    /// The request on its way, its head first, and what comes back; both are used at once.
    fn sides<'s>(&'s mut self, plan: &'s Plan, progress: &'s Progress)
    -> (impl Sink, impl Answers);
}

/// What comes back. It is the source of the final answer's content once that has begun.
pub(crate) trait Answers: Source {
    /// The next head, of an interim answer or the final one.
    fn head(&mut self) -> impl Future<Output = Result<Answer, Cause>> + Send;
    /// Begins the content of the final answer to a request with this method.
    fn begin(&mut self, answer: &Answer, method: &str) -> Result<Framing, Cause>;
    /// After the content's end: whether another request can be sent.
    fn is_reusable(&self, answer: &Answer) -> bool;
}
