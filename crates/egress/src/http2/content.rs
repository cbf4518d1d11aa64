//! Content that comes in on a stream or goes out on it, with the flow control that bounds both.
//!
//! Not for: heads (`request`, `trunk`, `stream`).

use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use h2::{RecvStream, SendStream};
use http::HeaderMap;
use tokio::time::timeout;

use crate::content::{Piece, Source};
use crate::fields::Fields;
use crate::http2::map;
use crate::limits::{TRAILERS_MAX, WRITE_IDLE};
use crate::meter::Account;
use crate::reason::Cause;

/// What is wrong with a stream, seen from one side.
pub(crate) trait Faults: Send {
    /// The side sends nothing for too long.
    fn silent(&self) -> Cause;
    /// The stream, or its connection, failed.
    fn failed(&self, error: &h2::Error) -> Cause;
    /// What came has no place there.
    fn broken(&self, code: &'static str) -> Cause;
}

/// Content that comes in on a stream.
#[derive(Debug)]
pub(crate) struct Inflow<F> {
    stream: RecvStream,
    faults: F,
    idle: Duration,
    /// Whose content it is, where that is counted.
    account: Option<Arc<Account>>,
    /// There must be none.
    empty: bool,
    next: Option<Part>,
    ended: bool,
    /// The piece that was handed out last.
    piece: Bytes,
    /// Bytes that were handed out, and whose room the peer has not been given back.
    unreleased: usize,
}

#[derive(Debug)]
enum Part {
    Data(Bytes),
    End(Fields),
}

impl<F: Faults> Inflow<F> {
    pub(crate) fn new(stream: RecvStream, faults: F, idle: Duration) -> Self {
        Self {
            stream,
            faults,
            idle,
            account: None,
            empty: false,
            next: None,
            ended: false,
            piece: Bytes::new(),
            unreleased: 0,
        }
    }

    /// Counts the content for an exchange.
    #[must_use]
    pub(crate) fn counted(mut self, account: Arc<Account>) -> Self {
        self.account = Some(account);
        self
    }

    /// True when nothing comes any more.
    pub(crate) fn is_ended(&self) -> bool {
        self.ended || self.stream.is_end_stream()
    }

    /// Says that no content may come.
    pub(crate) const fn forbid_content(&mut self) {
        self.empty = true;
    }

    /// Puts content back that was read to its end.
    pub(crate) fn put_back(&mut self, content: Bytes) {
        self.next = (!content.is_empty()).then_some(Part::Data(content));
        self.ended = true;
    }

    /// The next part that has come.
    fn look(&mut self, cx: &mut Context<'_>) -> Poll<Result<Part, Cause>> {
        if let Some(part) = self.next.take() {
            return Poll::Ready(Ok(part));
        }
        if self.ended || self.empty && self.is_ended() {
            return Poll::Ready(Ok(Part::End(Fields::default())));
        }
        loop {
            match ready!(self.stream.poll_data(cx)) {
                // A frame of padding alone is no piece of content.
                Some(Ok(data)) if data.is_empty() => {}
                Some(Ok(_)) if self.empty => {
                    return Poll::Ready(Err(self.faults.broken("unexpected_content")));
                }
                Some(Ok(data)) => {
                    self.unreleased += data.len();
                    return Poll::Ready(Ok(Part::Data(data)));
                }
                Some(Err(error)) => return Poll::Ready(Err(self.faults.failed(&error))),
                None => break,
            }
        }
        let trailers = ready!(self.stream.poll_trailers(cx));
        let trailers = trailers.map_err(|error| self.faults.failed(&error))?;
        self.ended = true;
        let trailers = trailers.unwrap_or_default();
        if map::size(&trailers) > TRAILERS_MAX {
            return Poll::Ready(Err(self.faults.broken("trailer_malformed")));
        }
        self.count(map::size(&trailers));
        Poll::Ready(Ok(Part::End(map::fields(&trailers))))
    }

    fn count(&self, bytes: usize) {
        if let Some(account) = &self.account {
            account.own_down(bytes);
        }
    }

    /// Gives the peer room for as much as has gone on.
    fn release(&mut self) {
        let room = std::mem::take(&mut self.unreleased);
        // It fails only on a stream that has ended, where there is nothing more to come.
        drop(self.stream.flow_control().release_capacity(room));
    }
}

impl<F: Faults> Source for Inflow<F> {
    fn take(&mut self) -> Result<Option<Piece<'_>>, Cause> {
        match self.look(&mut Context::from_waker(Waker::noop())) {
            Poll::Pending => Ok(None),
            Poll::Ready(Ok(Part::End(trailers))) => Ok(Some(Piece::End(trailers))),
            Poll::Ready(Ok(Part::Data(data))) => {
                self.count(data.len());
                self.piece = data;
                Ok(Some(Piece::Data(&self.piece)))
            }
            Poll::Ready(Err(cause)) => Err(cause),
        }
    }

    async fn wait(&mut self) -> Result<(), Cause> {
        self.piece = Bytes::new();
        self.release();
        let idle = self.idle;
        let looking = std::future::poll_fn(|cx| self.look(cx));
        let looked = timeout(idle, looking).await;
        let part = looked.unwrap_or_else(|_elapsed| Err(self.faults.silent()))?;
        self.next = Some(part);
        Ok(())
    }
}

/// Content that goes out on a stream whose head has been sent.
#[derive(Debug, Default)]
pub(crate) struct Outflow {
    content: BytesMut,
    /// The trailers, once the content is complete.
    end: Option<HeaderMap>,
    ended: bool,
}

/// Why content can't go out.
#[derive(Debug)]
pub(crate) enum Stuck {
    /// The peer takes nothing.
    Idle,
    /// The stream is no more.
    Closed(Option<h2::Error>),
}

impl Outflow {
    /// One whose end has been sent with its head.
    pub(crate) fn complete() -> Self {
        Self {
            ended: true,
            ..Self::default()
        }
    }

    pub(crate) fn put(&mut self, data: &[u8]) {
        self.content.extend_from_slice(data);
    }

    pub(crate) fn end(&mut self, trailers: HeaderMap) {
        self.end = Some(trailers);
    }

    /// True when there is nothing to come but what the head says.
    pub(crate) fn is_bare(&self) -> bool {
        self.content.is_empty() && self.end.as_ref().is_some_and(HeaderMap::is_empty)
    }

    /// Gives the codec what there is, as far as the peer has room for it. Returns how much it was.
    pub(crate) async fn flush(&mut self, mut stream: impl Outlet) -> Result<usize, Stuck> {
        let mut sent = 0;
        while !self.content.is_empty() && !self.ended {
            let wanted = self.content.len();
            let room = std::future::poll_fn(|cx| stream.poll_room(cx, wanted));
            let room = timeout(WRITE_IDLE, room).await;
            let room = room.map_err(|_elapsed| Stuck::Idle)??;
            let data = self.content.split_to(room.min(wanted)).freeze();
            let last = self.content.is_empty() && self.is_bare();
            sent += data.len();
            self.ended = last;
            stream.send(data, last)?;
        }
        let Some(trailers) = self.end.take().filter(|_| !self.ended) else {
            return Ok(sent);
        };
        self.ended = true;
        sent += map::size(&trailers);
        if trailers.is_empty() {
            stream.send(Bytes::new(), true)?;
        } else {
            stream.trailers(trailers)?;
        }
        Ok(sent)
    }
}

/// A stream that takes content.
pub(crate) trait Outlet {
    /// How much it takes now, of so much.
    fn poll_room(&mut self, cx: &mut Context<'_>, wanted: usize) -> Poll<Result<usize, Stuck>>;
    fn send(&mut self, data: Bytes, last: bool) -> Result<(), Stuck>;
    fn trailers(&mut self, trailers: HeaderMap) -> Result<(), Stuck>;
}

impl Outlet for &mut SendStream<Bytes> {
    fn poll_room(&mut self, cx: &mut Context<'_>, wanted: usize) -> Poll<Result<usize, Stuck>> {
        self.reserve_capacity(wanted);
        loop {
            match self.capacity() {
                0 => match ready!(self.poll_capacity(cx)) {
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return Poll::Ready(Err(Stuck::Closed(Some(error)))),
                    None => return Poll::Ready(Err(Stuck::Closed(None))),
                },
                room => return Poll::Ready(Ok(room)),
            }
        }
    }

    fn send(&mut self, data: Bytes, last: bool) -> Result<(), Stuck> {
        let sent = self.send_data(data, last);
        sent.map_err(|error| Stuck::Closed(Some(error)))
    }

    fn trailers(&mut self, trailers: HeaderMap) -> Result<(), Stuck> {
        let sent = self.send_trailers(trailers);
        sent.map_err(|error| Stuck::Closed(Some(error)))
    }
}
