//! The parts that all sessions share, and the start of one session's listeners.
//!
//! Not for: what happens on a connection (`conversation`, `transparent`, `dns`).

use std::io;
use std::net::{TcpListener as StdListener, UdpSocket as StdSocket};
use std::os::fd::OwnedFd;
use std::sync::{Arc, PoisonError, RwLock};

use audit::Log;
use llm::PriceTable;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::{TcpListener, UdpSocket};

use crate::accept::{Door, accept};
use crate::dial::Dialler;
use crate::dns;
use crate::fetch::{self, FetchError, FetchRequest, FetchResponse};
use crate::hop::Hop;
use crate::http2;
use crate::pipes::Pipes;
use crate::reconcile;
use crate::record::Recorder;
use crate::session::Session;

/// What a proxy is made of.
#[derive(Debug, Clone)]
pub struct ProxyParts {
    /// Where decisions and closes are recorded.
    pub log: Arc<Log>,
    /// Whether an append to `log` waits for the disk; it is then kept off the async threads.
    pub durable: bool,
    /// Whom the proxy trusts to vouch for a server to which it speaks TLS itself.
    pub roots: Arc<RootCertStore>,
    /// What language models cost.
    pub prices: Arc<PriceTable>,
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
    /// Further TCP ports that rules name.
    pub further: Vec<(u16, OwnedFd)>,
}

/// The shared parts of all sessions' egress.
#[derive(Debug)]
pub struct Proxy {
    pub(crate) recorder: Recorder,
    pub(crate) dialler: Dialler,
    pub(crate) pipes: Pipes,
    /// Settings for servers that are to speak HTTP/1.1.
    pub(crate) tls: Arc<ClientConfig>,
    /// Settings for servers that may as well speak HTTP/2.
    pub(crate) tls_any: Arc<ClientConfig>,
    prices: RwLock<Arc<PriceTable>>,
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

/// The name of HTTP/1.1 in TLS.
const HTTP1: &[u8] = b"http/1.1";

impl Proxy {
    /// Makes the shared parts.
    #[must_use]
    pub fn new(parts: ProxyParts) -> Arc<Self> {
        Arc::new(Self {
            recorder: Recorder::new(parts.log, parts.durable),
            dialler: Dialler::new(),
            pipes: Pipes::default(),
            tls: fetch::client_config(Arc::clone(&parts.roots), &[HTTP1]),
            tls_any: fetch::client_config(parts.roots, &[http2::ALPN, HTTP1]),
            prices: RwLock::new(parts.prices),
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
        let mut doors = vec![
            (Door::Explicit, tcp("explicit", listeners.explicit)?),
            (Door::Http, tcp("http", listeners.http)?),
            (Door::Https, tcp("https", listeners.https)?),
            (Door::Dns, tcp("dns_tcp", listeners.dns_tcp)?),
        ];
        for (port, listener) in listeners.further {
            doors.push((Door::Further(port), tcp("further", listener)?));
        }
        let socket = udp("dns_udp", listeners.dns_udp)?;
        session.is_served_with(&self.recorder);
        for (door, listener) in doors {
            self.attend(&session, door, listener);
        }
        let (watched, recorder) = (Arc::clone(&session), self.recorder.clone());
        session.tasks.spawn("reconciler", async move {
            reconcile::watch(&watched, &recorder).await;
        });
        let (proxy, tasks) = (Arc::clone(self), session.tasks.clone());
        tasks.spawn("dns", async move {
            dns::serve_datagrams(proxy, session, socket).await;
        });
        Ok(())
    }

    /// Serves further ports of a session that is served already.
    ///
    /// # Errors
    /// As for [`Self::serve`].
    pub fn serve_further(
        self: &Arc<Self>,
        session: &Arc<Session>,
        listeners: Vec<(u16, OwnedFd)>,
    ) -> Result<(), ServeError> {
        let tcp = |(port, fd)| Ok((Door::Further(port), tcp("further", fd)?));
        let doors: Result<Vec<_>, ServeError> = listeners.into_iter().map(tcp).collect();
        for (door, listener) in doors? {
            self.attend(session, door, listener);
        }
        Ok(())
    }

    fn attend(self: &Arc<Self>, session: &Arc<Session>, door: Door, listener: TcpListener) {
        let (proxy, served) = (Arc::clone(self), Arc::clone(session));
        session.tasks.spawn("accept", async move {
            accept(proxy, served, door, listener).await;
        });
    }

    /// Other prices for answers of language models that end from now on.
    pub fn set_prices(&self, prices: PriceTable) {
        *self.prices.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(prices);
    }

    pub(crate) fn prices(&self) -> Arc<PriceTable> {
        Arc::clone(&self.prices.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Has every connection from now on made through a hop, or through none. There is none at first.
    pub fn set_hop(&self, hop: Option<Hop>) {
        self.dialler.set_hop(hop);
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
