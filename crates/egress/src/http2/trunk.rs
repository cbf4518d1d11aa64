//! A connection to a server that the requests of one client connection share, and one request on it as the
//! side that answers.
//!
//! Not for: when there is one (`lines`).

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use bytes::Bytes;
use h2::client::{Builder, ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use http::header::{AUTHORIZATION, COOKIE};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderName, HeaderValue, Request, Response, Uri};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::answer::Answer;
use crate::content::{Piece, Sink, Source};
use crate::fields::{Fields, Framing};
use crate::http2::content::{Faults, Inflow, Outflow, Stuck};
use crate::http2::ending::{End, Noted};
use crate::http2::map;
use crate::limits::{
    ANSWER_IDLE, HEAD_LIST_MAX, HEADERS_MAX, LINGER, STREAM_BUFFER, STREAM_WINDOW, STREAMS_WINDOW,
};
use crate::message::Progress;
use crate::meter::Account;
use crate::plan::Plan;
use crate::reason::Cause;
use crate::session::Session;
use crate::sides::{Answers, Server};
use crate::upstream::Upstream;

/// A shared connection; clones are the same one. It ends after the last of them.
#[derive(Debug, Clone)]
pub(crate) struct Trunk {
    sender: SendRequest<Bytes>,
    end: End,
    /// Requests under way.
    parts: Arc<AtomicUsize>,
    /// Dropped with the last clone.
    open: Arc<oneshot::Sender<Infallible>>,
}

/// One request's part in it.
#[derive(Debug)]
pub(crate) struct Branch {
    trunk: Trunk,
    account: Arc<Account>,
}

impl Trunk {
    /// Begins to speak HTTP/2. From now on the connection's bytes count for no exchange alone.
    ///
    /// # Errors
    /// [`Cause::UpstreamAborted`], or that a budget ran out.
    pub(crate) async fn begin(upstream: Upstream, session: &Session) -> Result<Self, Cause> {
        let shared = upstream.account().shared();
        upstream.assign(Arc::new(shared));
        let end = End::default();
        let io = Noted {
            upstream,
            end: end.clone(),
        };
        let handshake = Builder::new()
            .enable_push(false)
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(STREAMS_WINDOW)
            .max_header_list_size(HEAD_LIST_MAX)
            .max_send_buffer_size(STREAM_BUFFER)
            .handshake(io);
        let (sender, connection) = handshake.await.map_err(|error| end.failed(&error))?;
        let (open, closed) = oneshot::channel();
        session.tasks.spawn("upstream", async move {
            let mut connection = std::pin::pin!(connection);
            let ended = tokio::select! {
                ended = connection.as_mut() => ended,
                _ = closed => {
                    let ending = timeout(LINGER, connection).await;
                    ending.unwrap_or(Ok(()))
                }
            };
            if let Err(error) = ended {
                tracing::debug!(%error, "a shared upstream connection failed");
            }
        });
        Ok(Self {
            sender,
            end,
            parts: Arc::default(),
            open: Arc::new(open),
        })
    }

    /// A part for one request. `None`: the connection takes no more.
    pub(crate) async fn branch(&self, account: &Arc<Account>) -> Option<Branch> {
        let sender = self.sender.clone().ready().await.ok()?;
        self.parts.fetch_add(1, Ordering::AcqRel);
        let trunk = Self {
            sender,
            ..self.clone()
        };
        Some(Branch {
            trunk,
            account: Arc::clone(account),
        })
    }

    /// True when both are the same connection.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.open, &other.open)
    }

    /// True while requests are under way on it.
    pub(crate) fn is_busy(&self) -> bool {
        self.parts.load(Ordering::Acquire) > 0
    }
}

impl Branch {
    /// The connection that it is a part of.
    pub(crate) const fn trunk(&self) -> &Trunk {
        &self.trunk
    }

    fn send(&mut self, plan: &Plan) -> Result<(ResponseFuture, SendStream<Bytes>), Cause> {
        let request = request(plan).ok_or(Cause::Malformed("request_malformed"))?;
        let head = map::size(request.headers())
            + [
                request.method().as_str(),
                request.uri().path(),
                plan.host().as_str(),
            ]
            .map(str::len)
            .iter()
            .sum::<usize>();
        let last = plan.outgoing() == Framing::Length(0);
        let sent = self.trunk.sender.send_request(request, last);
        let sent = sent.map_err(|error| self.trunk.end.failed(&error))?;
        self.account.own_up(head);
        Ok(sent)
    }
}

impl Drop for Branch {
    fn drop(&mut self) {
        self.trunk.parts.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Server for Branch {
    fn sides<'s>(
        &'s mut self,
        plan: &'s Plan,
        progress: &'s Progress,
    ) -> (impl Sink, impl Answers) {
        let (answer, stream) = match self.send(plan) {
            Ok((answer, stream)) => (Ok(answer), Ok(stream)),
            Err(cause) => (Err(cause), Err(cause)),
        };
        let flow = match plan.outgoing() {
            Framing::Length(0) => Outflow::complete(),
            _ => Outflow::default(),
        };
        let outbound = Outbound {
            stream,
            flow,
            branch: self,
            failed: None,
        };
        let inbound = Inbound {
            answer,
            content: None,
            branch: self,
            progress,
        };
        (outbound, inbound)
    }
}

/// The request as the codec sends it. `None`: something of it can't be said in HTTP/2.
fn request(plan: &Plan) -> Option<Request<()>> {
    let target = plan.target();
    let path = PathAndQuery::from_maybe_shared(Bytes::from(target.clone())).ok()?;
    if path.as_str().as_bytes() != target {
        return None;
    }
    let authority = Authority::from_maybe_shared(Bytes::from(plan.host())).ok()?;
    let uri = Uri::builder().scheme(Scheme::HTTPS).authority(authority);
    let mut request = Request::new(());
    *request.method_mut() = plan.asked.method.parse().ok()?;
    *request.uri_mut() = uri.path_and_query(path).build().ok()?;
    // A value that was put in must be in no table that later requests are compressed with.
    let sensitive =
        |name: &HeaderName| plan.holds_secrets() || [AUTHORIZATION, COOKIE].contains(name);
    let mut headers = map::headers(&plan.fields, sensitive)?;
    if let Some(length) = plan.announced() {
        headers.insert(http::header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    if plan.trailers {
        headers.insert(http::header::TE, HeaderValue::from_static("trailers"));
    }
    *request.headers_mut() = headers;
    Some(request)
}

/// The request on its way.
struct Outbound<'a> {
    stream: Result<SendStream<Bytes>, Cause>,
    flow: Outflow,
    branch: &'a Branch,
    failed: Option<Cause>,
}

impl Sink for Outbound<'_> {
    fn put(&mut self, data: &[u8]) {
        self.flow.put(data);
    }

    fn end(&mut self, trailers: &Fields) {
        match map::headers(&trailers.trailing(), |_| true) {
            Some(trailers) => self.flow.end(trailers),
            None => self.failed = Some(Cause::Malformed("trailer_malformed")),
        }
    }

    async fn flush(&mut self) -> Result<(), Cause> {
        if let Some(cause) = self.failed {
            return Err(cause);
        }
        let stream = self.stream.as_mut().map_err(|cause| *cause)?;
        let flushed = self.flow.flush(stream).await;
        let sent = flushed.map_err(|stuck| match stuck {
            Stuck::Idle => Cause::IdleTimeout,
            Stuck::Closed(None) => self.branch.trunk.end.or(Cause::UpstreamAborted),
            Stuck::Closed(Some(error)) => self.branch.trunk.end.failed(&error),
        })?;
        self.branch.account.own_up(sent);
        Ok(())
    }
}

/// What comes back.
struct Inbound<'a> {
    answer: Result<ResponseFuture, Cause>,
    content: Option<Inflow<End>>,
    branch: &'a Branch,
    progress: &'a Progress,
}

/// A head of either kind.
enum Came {
    Interim(Response<()>),
    Final(Response<RecvStream>),
}

impl Inbound<'_> {
    async fn next(&mut self) -> Result<Came, Cause> {
        let end = self.branch.trunk.end.clone();
        let answer = self.answer.as_mut().map_err(|cause| *cause)?;
        let coming = std::future::poll_fn(|cx| {
            if let Poll::Ready(Some(interim)) = answer.poll_informational(cx) {
                return Poll::Ready(interim.map(Came::Interim));
            }
            Pin::new(&mut *answer).poll(cx).map_ok(Came::Final)
        });
        let came = timeout(ANSWER_IDLE, coming).await;
        let came = came.map_err(|_elapsed| Cause::UpstreamTimeout)?;
        came.map_err(|error| end.failed(&error))
    }
}

impl Source for Inbound<'_> {
    fn take(&mut self) -> Result<Option<Piece<'_>>, Cause> {
        self.content.as_mut().ok_or(Cause::UpstreamProtocol)?.take()
    }

    async fn wait(&mut self) -> Result<(), Cause> {
        self.content
            .as_mut()
            .ok_or(Cause::UpstreamProtocol)?
            .wait()
            .await
    }
}

impl Answers for Inbound<'_> {
    async fn head(&mut self) -> Result<Answer, Cause> {
        let came = self.next().await?;
        self.progress.hear();
        let (response, content) = match came {
            Came::Interim(response) => (response, None),
            Came::Final(response) => {
                let (head, content) = response.into_parts();
                (Response::from_parts(head, ()), Some(content))
            }
        };
        self.branch
            .account
            .own_down(map::size(response.headers()) + STATUS);
        let mut answer = answer(&response)?;
        if let Some(content) = content {
            let flow = Inflow::new(content, self.branch.trunk.end.clone(), ANSWER_IDLE);
            self.content = Some(flow.counted(Arc::clone(&self.branch.account)));
            if answer.fields.all("content-length").next().is_none() {
                // Its end is announced by the stream, as in HTTP/1.1 by the last chunk.
                answer.fields.push("transfer-encoding", "chunked");
            }
        }
        Ok(answer)
    }

    fn begin(&mut self, answer: &Answer, method: &str) -> Result<Framing, Cause> {
        let framing = answer.framing(method)?;
        if framing == Framing::Length(0)
            && let Some(content) = &mut self.content
        {
            content.forbid_content();
        }
        Ok(framing)
    }

    fn is_reusable(&self, _: &Answer) -> bool {
        true
    }
}

/// Length of a status.
const STATUS: usize = 3;

fn answer(response: &Response<()>) -> Result<Answer, Cause> {
    let status = response.status();
    if response.headers().len() > HEADERS_MAX || !(100..600).contains(&status.as_u16()) {
        return Err(Cause::UpstreamProtocol);
    }
    Ok(Answer {
        status: status.as_u16(),
        phrase: status.canonical_reason().unwrap_or_default().to_owned(),
        is_11: true,
        fields: map::fields(response.headers()),
    })
}
