//! An HTTP/2 server for tests: an async closure answers each stream, and what came is kept for inspection.
//!
//! Not for: HTTP/1.1 (`http`), nor judging requests; it takes what comes.

mod wire;

use std::fmt;
use std::net::{SocketAddr, TcpListener};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use bytes::Bytes;
use h2::server::{Connection, SendResponse};
use h2::{Reason, RecvStream, SendStream};
use http::request::Parts;
use http::{HeaderMap, Response};
use tokio::sync::oneshot;
use tokio::task::LocalSet;
use tokio_rustls::TlsAcceptor;

use self::wire::{Counted, Noted};
use crate::authority::Identity;
use crate::server::Traffic;

/// A running server. Dropping it ends its connections.
pub struct Http2 {
    address: SocketAddr,
    seen: Seen,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What one server has seen.
#[derive(Debug, Clone, Default)]
struct Seen {
    traffic: Arc<Traffic>,
    requests: Arc<Mutex<Vec<String>>>,
    /// All that came, in clear.
    frames: Arc<Mutex<Vec<u8>>>,
    resets: Arc<Mutex<Vec<Reason>>>,
}

/// One stream.
#[derive(Debug)]
pub struct Call {
    /// The request's head.
    pub head: Parts,
    /// Its content.
    pub content: RecvStream,
    answer: SendResponse<Bytes>,
    resets: Arc<Mutex<Vec<Reason>>>,
}

/// What becomes of a stream.
pub type Answering = Pin<Box<dyn Future<Output = Result<(), h2::Error>>>>;

impl Http2 {
    /// Serves HTTP/2 inside TLS on a free port of 127.0.0.1.
    pub fn start(
        identity: &Identity,
        handler: impl Fn(Call) -> Answering + Send + Sync + 'static,
    ) -> Self {
        let mut config = (*identity.config).clone();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let tls = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (end, ended) = oneshot::channel();
        let seen = Seen::default();
        let serving = Serving {
            tls,
            seen: seen.clone(),
            handler: Arc::new(handler),
        };
        let thread = std::thread::Builder::new()
            .name("testkit-http2".to_owned())
            .spawn(move || serving.run(listener, ended))
            .unwrap();
        Self {
            address,
            seen,
            end: Some(end),
            thread: Some(thread),
        }
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its counters: bytes of TLS records.
    #[must_use]
    pub fn traffic(&self) -> &Traffic {
        &self.seen.traffic
    }

    /// Method, path and query of each request so far.
    #[must_use]
    pub fn requests(&self) -> Vec<String> {
        self.seen.requests.lock().unwrap().clone()
    }

    /// All frames that came on all connections, in clear, prefaces included.
    #[must_use]
    pub fn frames(&self) -> Vec<u8> {
        self.seen.frames.lock().unwrap().clone()
    }

    /// The reasons of streams that the other side gave up while [`Call::reset`] was waiting.
    #[must_use]
    pub fn resets(&self) -> Vec<Reason> {
        self.seen.resets.lock().unwrap().clone()
    }
}

impl fmt::Debug for Http2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http2")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl Drop for Http2 {
    fn drop(&mut self) {
        self.end.take();
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

struct Serving<H> {
    tls: TlsAcceptor,
    seen: Seen,
    handler: Arc<H>,
}

impl<H: Fn(Call) -> Answering + 'static> Serving<H> {
    fn run(self, listener: TcpListener, ended: oneshot::Receiver<()>) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let accepting = async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                self.seen.traffic.connect();
                let stream = Counted::new(stream, Arc::clone(&self.seen.traffic));
                let (tls, seen) = (self.tls.clone(), self.seen.clone());
                let handler = Arc::clone(&self.handler);
                drop(tokio::task::spawn_local(async move {
                    let Ok(stream) = tls.accept(stream).await else {
                        return;
                    };
                    let stream = Noted::new(stream, Arc::clone(&seen.frames));
                    if let Ok(connection) = h2::server::handshake(stream).await {
                        converse(connection, &seen, &*handler).await;
                    }
                }));
            }
        };
        let local = LocalSet::new();
        let until = async {
            tokio::select! {
                () = accepting => {}
                _ = ended => {}
            }
        };
        local.block_on(&runtime, until);
    }
}

async fn converse<T, H>(mut connection: Connection<T, Bytes>, seen: &Seen, handler: &H)
where
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    H: Fn(Call) -> Answering,
{
    while let Some(Ok((request, answer))) = connection.accept().await {
        let (head, content) = request.into_parts();
        let path = head.uri.path_and_query().map_or("", |path| path.as_str());
        let line = format!("{} {path}", head.method);
        seen.requests.lock().unwrap().push(line);
        let call = Call {
            head,
            content,
            answer,
            resets: Arc::clone(&seen.resets),
        };
        drop(tokio::task::spawn_local(handler(call)));
    }
}

impl Call {
    /// The path.
    #[must_use]
    pub fn path(&self) -> &str {
        self.head.uri.path()
    }

    /// The next piece of the request's content.
    ///
    /// # Errors
    /// The stream's.
    pub async fn next(&mut self) -> Result<Option<Bytes>, h2::Error> {
        let Some(data) = self.content.data().await.transpose()? else {
            return Ok(None);
        };
        self.content.flow_control().release_capacity(data.len())?;
        Ok(Some(data))
    }

    /// All of the request's content.
    ///
    /// # Errors
    /// The stream's.
    pub async fn read(&mut self) -> Result<Vec<u8>, h2::Error> {
        let mut all = Vec::new();
        while let Some(data) = self.next().await? {
            all.extend_from_slice(&data);
        }
        Ok(all)
    }

    /// Begins the answer.
    ///
    /// # Errors
    /// The stream's.
    pub fn begin(&mut self, response: Response<()>) -> Result<Reply, h2::Error> {
        let stream = self.answer.send_response(response, false)?;
        Ok(Reply { stream })
    }

    /// Answers with a head alone.
    ///
    /// # Errors
    /// The stream's.
    pub fn end(&mut self, response: Response<()>) -> Result<(), h2::Error> {
        self.answer.send_response(response, true).map(drop)
    }

    /// Answers 200 with this content.
    ///
    /// # Errors
    /// The stream's.
    pub async fn ok(&mut self, content: impl Into<Bytes>) -> Result<(), h2::Error> {
        let mut reply = self.begin(Response::new(()))?;
        reply.send(content.into()).await?;
        reply.end(HeaderMap::new())
    }

    /// Waits until the other side gives the stream up, and notes why.
    ///
    /// # Errors
    /// The connection's.
    pub async fn reset(&mut self) -> Result<(), h2::Error> {
        let reason = std::future::poll_fn(|cx| self.answer.poll_reset(cx)).await?;
        self.resets.lock().unwrap().push(reason);
        Ok(())
    }
}

/// An answer that has begun.
#[derive(Debug)]
pub struct Reply {
    stream: SendStream<Bytes>,
}

impl Reply {
    /// Sends content, as fast as the other side takes it.
    ///
    /// # Errors
    /// The stream's.
    pub async fn send(&mut self, content: Bytes) -> Result<(), h2::Error> {
        send(&mut self.stream, content).await
    }

    /// Ends it with trailers; none means none.
    ///
    /// # Errors
    /// The stream's.
    pub fn end(mut self, trailers: HeaderMap) -> Result<(), h2::Error> {
        if trailers.is_empty() {
            self.stream.send_data(Bytes::new(), true)
        } else {
            self.stream.send_trailers(trailers)
        }
    }
}

/// Sends content on a stream, as fast as the other side takes it.
///
/// # Errors
/// The stream's.
pub async fn send(stream: &mut SendStream<Bytes>, mut content: Bytes) -> Result<(), h2::Error> {
    while !content.is_empty() {
        stream.reserve_capacity(content.len());
        while stream.capacity() == 0 {
            match std::future::poll_fn(|cx| stream.poll_capacity(cx)).await {
                Some(capacity) => drop(capacity?),
                None => return Err(Reason::CANCEL.into()),
            }
        }
        let count = stream.capacity().min(content.len());
        stream.send_data(content.split_to(count), false)?;
    }
    Ok(())
}

/// A gRPC service that sends each message's bytes back as they come, then `grpc-status: 0` in trailers.
/// Paths that end in `Fail` are answered with a status alone.
#[must_use]
pub fn echo(identity: &Identity) -> Http2 {
    Http2::start(identity, |call| Box::pin(answer_grpc(call)))
}

/// Answers one gRPC call as [`echo`] does.
///
/// # Errors
/// The stream's.
pub async fn answer_grpc(mut call: Call) -> Result<(), h2::Error> {
    let response = Response::builder().header("content-type", "application/grpc");
    if call.path().ends_with("Fail") {
        let response = response.header("grpc-status", "7");
        return call.end(response.body(()).unwrap());
    }
    let mut reply = call.begin(response.body(()).unwrap())?;
    while let Some(data) = call.next().await? {
        reply.send(data).await?;
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", "0".parse().unwrap());
    if call
        .head
        .headers
        .get("te")
        .is_some_and(|te| te == "trailers")
    {
        trailers.insert("x-te", "trailers".parse().unwrap());
    }
    reply.end(trailers)
}
