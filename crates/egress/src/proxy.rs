//! The parts that all sessions share, and the start of one session's listeners.
//!
//! Not for: what happens on a connection (`explicit`, `transparent`, `dns`).

use std::io;
use std::net::{TcpListener as StdListener, UdpSocket as StdSocket};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use audit::Log;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::{TcpListener, UdpSocket};

use crate::accept::{Door, accept};
use crate::dial::Dialler;
use crate::dns;
use crate::fetch::{self, FetchError, FetchRequest, FetchResponse};
use crate::pipes::Pipes;
use crate::record::Recorder;
use crate::session::Session;

/// What a proxy is made of.
#[derive(Debug, Clone)]
pub struct ProxyParts {
    /// Where decisions and closes are recorded.
    pub log: Arc<Log>,
    /// Whether an append to `log` waits for the disk; it is then kept off the async threads.
    pub durable: bool,
    /// Whom [`Proxy::fetch`] trusts to vouch for a server.
    pub roots: Arc<RootCertStore>,
}

/// One jail's listeners, already bound and listening. The connections that arrive there are this
/// session's: the socket is the identity.
#[derive(Debug)]
pub struct Listeners {
    /// TCP: CONNECT and absolute-form HTTP.
    pub explicit: OwnedFd,
    /// TCP port 80.
    pub http: OwnedFd,
    /// TCP port 443.
    pub https: OwnedFd,
    /// TCP port 53.
    pub dns_tcp: OwnedFd,
    /// UDP port 53, with `IP_PKTINFO`; see [`sys::socket::datagrams_on`].
    pub dns_udp: OwnedFd,
}

/// The shared parts of all sessions' egress.
#[derive(Debug)]
pub struct Proxy {
    pub(crate) recorder: Recorder,
    pub(crate) dialler: Dialler,
    pub(crate) pipes: Pipes,
    pub(crate) tls: Arc<ClientConfig>,
}

/// A listener could not be taken into service.
#[derive(Debug, thiserror::Error)]
#[error("listener {listener}: {source}")]
pub struct ServeError {
    /// Which one: a field of [`Listeners`].
    pub listener: &'static str,
    /// What the system said.
    #[source]
    pub source: io::Error,
}

impl Proxy {
    /// Makes the shared parts.
    #[must_use]
    pub fn new(parts: ProxyParts) -> Arc<Self> {
        Arc::new(Self {
            recorder: Recorder::new(parts.log, parts.durable),
            dialler: Dialler::new(),
            pipes: Pipes::default(),
            tls: fetch::client_config(parts.roots),
        })
    }

    /// Serves a session on its listeners until [`Session::close`]. Must be called within a tokio
    /// runtime with I/O and time.
    ///
    /// # Errors
    /// [`ServeError`] when a descriptor is not what it should be; then nothing is served.
    pub fn serve(
        self: &Arc<Self>,
        session: Arc<Session>,
        listeners: Listeners,
    ) -> Result<(), ServeError> {
        let doors = [
            (Door::Explicit, tcp("explicit", listeners.explicit)?),
            (Door::Http, tcp("http", listeners.http)?),
            (Door::Https, tcp("https", listeners.https)?),
            (Door::Dns, tcp("dns_tcp", listeners.dns_tcp)?),
        ];
        let socket = udp("dns_udp", listeners.dns_udp)?;
        session.is_served_with(&self.recorder);
        for (door, listener) in doors {
            let (proxy, session) = (Arc::clone(self), Arc::clone(&session));
            let tasks = session.tasks.clone();
            tasks.spawn("accept", async move {
                accept(proxy, session, door, listener).await;
            });
        }
        let (proxy, tasks) = (Arc::clone(self), session.tasks.clone());
        tasks.spawn("dns", async move {
            dns::serve_datagrams(proxy, session, socket).await;
        });
        Ok(())
    }

    /// Fetches one URL on behalf of a session, through the same pipeline as its own requests:
    /// judged, recorded, resolved, checked, metered. Redirects are answers, not instructions. An
    /// `https` server must present a certificate that the proxy's roots vouch for.
    ///
    /// # Errors
    /// [`FetchError`]; a refused fetch carries the same [`Refusal`](crate::Refusal) as a denial.
    pub async fn fetch(
        &self,
        session: &Arc<Session>,
        request: FetchRequest,
    ) -> Result<FetchResponse, FetchError> {
        fetch::fetch(self, session, request).await
    }
}

fn tcp(listener: &'static str, fd: OwnedFd) -> Result<TcpListener, ServeError> {
    let socket = StdListener::from(fd);
    let ready = socket
        .set_nonblocking(true)
        .and_then(|()| TcpListener::from_std(socket));
    ready.map_err(|source| ServeError { listener, source })
}

fn udp(listener: &'static str, fd: OwnedFd) -> Result<UdpSocket, ServeError> {
    let socket = StdSocket::from(fd);
    let ready = socket
        .set_nonblocking(true)
        .and_then(|()| UdpSocket::from_std(socket));
    ready.map_err(|source| ServeError { listener, source })
}
