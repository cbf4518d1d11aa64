//! HTTP/1.1 on a Unix socket under bounds: connections, header size and time, request time, peers.
//!
//! Not for: routes; each door brings its router.

use std::convert::Infallible;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use sys::seqpacket::{Peer, peer_of};
use tasks::{Group, Stop};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::respond::Fault;

/// Time for a request's head to arrive, and for a kept-alive connection to bring its next one.
pub const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// Time for a request to be answered, its body's arrival included: the longest capability runs for
/// two minutes. Streams may go on longer; only their beginning is meant.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(130);
/// Largest head of a request; ours have three header fields.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Most header fields of a request.
const HEADERS_MAX: usize = 64;
/// Pause after a failed accept (no descriptors left, for example), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long open requests may take when the server stops.
const DRAIN: Duration = Duration::from_secs(1);

/// Which routes a peer gets. A peer that may not enter gets a router that says so.
pub type Admission = Arc<dyn Fn(Peer) -> Router + Send + Sync>;

/// What a server is.
#[derive(Clone)]
pub struct Server {
    /// For diagnostics.
    pub name: &'static str,
    /// Most connections at once; a further one waits in the socket's backlog.
    pub connections_max: usize,
    /// Decides what a peer may do.
    pub admission: Admission,
}

impl Server {
    /// Takes over a listening socket. Call within a runtime.
    ///
    /// # Errors
    /// When the descriptor can't be watched.
    pub fn listen(listener: OwnedFd) -> io::Result<UnixListener> {
        let listener = std::os::unix::net::UnixListener::from(listener);
        listener.set_nonblocking(true)?;
        UnixListener::from_std(listener)
    }

    /// Serves connections until `stop`, then lets open requests end for a moment.
    pub async fn run(self, listener: UnixListener, stop: Stop) {
        let connections = Group::new("http");
        let slots = Arc::new(Semaphore::new(self.connections_max));
        tokio::select! {
            () = self.accept(&listener, &slots, &connections) => {}
            () = stop.requested() => {}
        }
        drop(listener);
        connections.close(DRAIN).await;
    }

    async fn accept(&self, listener: &UnixListener, slots: &Arc<Semaphore>, group: &Group) {
        loop {
            let Ok(slot) = Arc::clone(slots).acquire_owned().await else {
                return;
            };
            match listener.accept().await {
                Ok((stream, _unnamed)) => self.serve(stream, slot, group),
                Err(error) => {
                    tracing::warn!(server = self.name, %error, "accept");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn serve(&self, stream: UnixStream, slot: OwnedSemaphorePermit, group: &Group) {
        let peer = match peer_of(stream.as_fd()) {
            Ok(peer) => peer,
            Err(error) => return tracing::warn!(server = self.name, %error, "unknown peer"),
        };
        let (router, stop) = ((self.admission)(peer), group.stop());
        group.spawn("connection", async move {
            converse(stream, router, stop).await;
            drop(slot);
        });
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Server({})", self.name)
    }
}

/// A router that answers everything with one refusal.
pub(crate) fn refusing(fault: fn() -> Fault) -> Router {
    Router::new().fallback(move || async move { fault().into_response() })
}

/// Serves a TCP listener of the host under the same bounds, with the same routes for everybody.
///
/// # Errors
/// When the descriptor can't be watched.
pub(crate) async fn serve_tcp(
    listener: OwnedFd,
    router: Router,
    connections_max: usize,
    stop: Stop,
) -> io::Result<()> {
    let listener = std::net::TcpListener::from(listener);
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    let connections = Group::new("http");
    let slots = Arc::new(Semaphore::new(connections_max));
    tokio::select! {
        () = accept_tcp(&listener, &slots, &connections, &router) => {}
        () = stop.requested() => {}
    }
    drop(listener);
    connections.close(DRAIN).await;
    Ok(())
}

async fn accept_tcp(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
    group: &Group,
    router: &Router,
) {
    loop {
        let Ok(slot) = Arc::clone(slots).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, _peer)) => {
                let (router, stop) = (router.clone(), group.stop());
                group.spawn("connection", async move {
                    converse(stream, router, stop).await;
                    drop(slot);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "accept");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn converse<S>(stream: S, router: Router, stop: Stop)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = TowerToHyperService::new(router);
    let bounded = service_fn(move |request: Request<Incoming>| {
        let answer = hyper::service::Service::call(&service, request);
        async move { Ok::<_, Infallible>(within_time(answer).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(HEAD_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .serve_connection(TokioIo::new(stream), bounded);
    tokio::pin!(connection);
    let end = tokio::select! {
        end = connection.as_mut() => end,
        () = stop.requested() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = end {
        tracing::debug!(%error, "connection");
    }
}

async fn within_time(answer: impl Future<Output = Result<Response, Infallible>>) -> Response<Body> {
    match tokio::time::timeout(REQUEST_TIMEOUT, answer).await {
        Ok(Ok(response)) => response,
        Ok(Err(never)) => match never {},
        Err(_elapsed) => Fault::RequestTimeout.into_response(),
    }
}
