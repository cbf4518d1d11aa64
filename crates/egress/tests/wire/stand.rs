//! A proxy with one session on loopback listeners, its log in a folder of its own.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use audit::{Filter, Log, Options, Reader};
use authority::{Authority, Scope};
use model::{ByteSize, EgressEvent, Phase, SessionId};
use policy::rule::RuleTable;
use policy::{Budget, Effect, EgressPolicy, EgressRules, OnExceeded, Origin, Rule};
use rustls::RootCertStore;
use serde_json::Value;
use sheriff_egress::{Listeners, Proxy, ProxyParts, Session, SessionSpec};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use vault::Wallet;

/// Long enough for a busy machine; a test that waits so long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) struct Stand {
    pub(crate) runtime: Runtime,
    pub(crate) proxy: Arc<Proxy>,
    pub(crate) session: Arc<Session>,
    pub(crate) log: Arc<Log>,
    pub(crate) explicit: SocketAddr,
    pub(crate) http: SocketAddr,
    pub(crate) https: SocketAddr,
    /// The listener of [`FURTHER_PORT`].
    pub(crate) further: SocketAddr,
    /// In whose name TLS is opened; none without rules.
    pub(crate) authority: Option<Arc<Authority>>,
    pub(crate) dns_tcp: SocketAddr,
    pub(crate) dns_udp: SocketAddr,
    dir: TempDir,
}

/// A port that rules may name beside those of the web.
pub(crate) const FURTHER_PORT: u16 = 7000;

/// No limit in either direction.
pub(crate) const UNLIMITED: Budget = Budget::UNLIMITED;

/// A budget that cuts.
pub(crate) fn budget(up: Option<u64>, down: Option<u64>) -> Budget {
    let (egress_up, egress_down) = (up.map(ByteSize), down.map(ByteSize));
    Budget {
        egress_up,
        egress_down,
        on_exceeded: OnExceeded::Stop,
        ..Budget::UNLIMITED
    }
}

/// A policy of allow rules, each in the form of its table.
pub(crate) fn policy(allow: &[Value]) -> Arc<EgressPolicy> {
    let rule = |(index, table): (usize, &Value)| {
        let table: RuleTable = serde_json::from_value(table.clone()).unwrap();
        Rule::new(
            table,
            Effect::Allow,
            Origin::cli(u32::try_from(index).unwrap()),
        )
        .unwrap()
    };
    let rules = allow.iter().enumerate().map(rule).collect();
    Arc::new(EgressPolicy::new(1, EgressRules { rules }).unwrap())
}

/// What a stand's session has besides its rules.
pub(crate) struct Means {
    pub(crate) budget: Budget,
    pub(crate) roots: RootCertStore,
    pub(crate) authority: Option<Arc<Authority>>,
    pub(crate) wallet: Arc<Wallet>,
}

impl Means {
    pub(crate) fn new(allow: &[Value]) -> Self {
        let scope = Scope::of(&policy(allow)).ok();
        Self {
            budget: UNLIMITED,
            roots: RootCertStore::empty(),
            authority: scope.map(|scope| Arc::new(Authority::new("test", &scope).unwrap())),
            wallet: Arc::new(Wallet::empty()),
        }
    }
}

impl Stand {
    pub(crate) fn new(allow: &[Value]) -> Self {
        Self::with(allow, UNLIMITED, RootCertStore::empty())
    }

    pub(crate) fn with(allow: &[Value], budget: Budget, roots: RootCertStore) -> Self {
        Self::of(
            allow,
            Means {
                budget,
                roots,
                ..Means::new(allow)
            },
        )
    }

    /// A session that can't open TLS.
    pub(crate) fn without_authority(allow: &[Value]) -> Self {
        Self::of(
            allow,
            Means {
                authority: None,
                ..Means::new(allow)
            },
        )
    }

    pub(crate) fn of(allow: &[Value], means: Means) -> Self {
        let Means {
            budget,
            roots,
            authority,
            wallet,
        } = means;
        let dir = TempDir::new().unwrap();
        let (log, proxy) = proxy(&dir, roots);
        let session = Session::new(SessionSpec {
            id: SessionId::from_random([1; 8]),
            policy: policy(allow),
            budget,
            generation: 1,
            authority: authority.clone(),
            wallet,
        });
        let [explicit, http, https, dns_tcp, further] =
            [(); 5].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let dns_udp = sys::socket::datagrams_on(1, 0).unwrap();
        let datagrams = std::net::UdpSocket::from(dns_udp.as_fd().try_clone_to_owned().unwrap());
        let port = datagrams.local_addr().unwrap().port();
        let address = |listener: &TcpListener| listener.local_addr().unwrap();
        let stand = Self {
            explicit: address(&explicit),
            http: address(&http),
            https: address(&https),
            further: address(&further),
            authority,
            dns_tcp: address(&dns_tcp),
            dns_udp: SocketAddr::from(([127, 0, 0, 1], port)),
            runtime: runtime(),
            proxy,
            session,
            log,
            dir,
        };
        let listeners = Listeners {
            explicit: OwnedFd::from(explicit),
            http: OwnedFd::from(http),
            https: OwnedFd::from(https),
            further: vec![(FURTHER_PORT, OwnedFd::from(further))],
            dns_tcp: OwnedFd::from(dns_tcp),
            dns_udp,
        };
        let entered = stand.runtime.enter();
        stand
            .proxy
            .serve(Arc::clone(&stand.session), listeners)
            .unwrap();
        drop(entered);
        stand
    }

    /// A connection to the proxy port.
    pub(crate) fn dial(&self) -> TcpStream {
        dial(self.explicit)
    }

    /// Sends bytes to the proxy port and returns all that comes back until it closes.
    pub(crate) fn ask(&self, bytes: impl AsRef<[u8]>) -> String {
        exchange(self.explicit, bytes.as_ref())
    }

    /// Opens a tunnel and insists on its success.
    pub(crate) fn tunnel(&self, authority: &str) -> TcpStream {
        let mut stream = self.dial();
        let request = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        assert_eq!(
            read_head(&mut stream).lines().next(),
            Some("HTTP/1.1 200 Connection established")
        );
        stream
    }

    /// Ends the session and returns all its events.
    pub(crate) fn finish(&self) -> Vec<EgressEvent> {
        self.runtime
            .block_on(self.session.close(Duration::from_secs(1)));
        self.events()
    }

    /// The events recorded so far.
    pub(crate) fn events(&self) -> Vec<EgressEvent> {
        let reader = Reader::open(&self.dir.path().join("audit"), Filter::default()).unwrap();
        let data = reader.map(|entry| entry.unwrap().data);
        data.filter_map(|data| serde_json::from_value(data).ok())
            .collect()
    }

    /// All entries' text.
    pub(crate) fn log_text(&self) -> String {
        let reader = Reader::open(&self.dir.path().join("audit"), Filter::default()).unwrap();
        reader
            .map(|entry| String::from_utf8(entry.unwrap().to_line().unwrap()).unwrap() + "\n")
            .collect()
    }

    /// The close of the only exchange, once it is recorded.
    pub(crate) fn close_event(&self) -> EgressEvent {
        eventually(|| {
            self.events()
                .into_iter()
                .find(|event| event.phase == Phase::Close)
        })
    }
}

fn proxy(dir: &TempDir, roots: RootCertStore) -> (Arc<Log>, Arc<Proxy>) {
    let log = Log::open(&dir.path().join("audit"), &Options::new(audit::Sync::Group)).unwrap();
    let log = Arc::new(log);
    let parts = ProxyParts {
        log: Arc::clone(&log),
        durable: false,
        roots: Arc::new(roots),
        prices: Arc::default(),
    };
    (log, Proxy::new(parts))
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

pub(crate) fn dial(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

pub(crate) fn exchange(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = dial(address);
    // A proxy that refuses early may close before all is written.
    drop(stream.write_all(bytes));
    drop(stream.shutdown(std::net::Shutdown::Write));
    let mut answer = Vec::new();
    drop(stream.read_to_end(&mut answer));
    String::from_utf8_lossy(&answer).into_owned()
}

/// Reads to the end of a head.
pub(crate) fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

/// Reads so many bytes.
pub(crate) fn read_exact(stream: &mut TcpStream, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    stream.read_exact(&mut bytes).unwrap();
    bytes
}

/// Reads one answer with a Content-Length.
pub(crate) fn read_answer(stream: &mut TcpStream) -> (String, String) {
    let head = read_head(stream);
    let length = head
        .lines()
        .find_map(|line| {
            line.to_ascii_lowercase()
                .strip_prefix("content-length: ")
                .map(str::to_owned)
        })
        .map_or(0, |digits| digits.parse().unwrap());
    let body = read_exact(stream, length);
    (head, String::from_utf8(body).unwrap())
}

/// The status and the reason code of a denial.
pub(crate) fn denial(answer: &str) -> (u16, String) {
    let status = answer
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .unwrap_or(0);
    let reason = answer
        .lines()
        .find_map(|line| line.strip_prefix("x-sheriff-reason: "));
    (status, reason.unwrap_or("").to_owned())
}

/// Waits for something to come true.
pub(crate) fn eventually<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "it did not come true");
        std::thread::yield_now();
    }
}
