//! An office on a bench: its sockets in a folder, a played warden behind it, a client before it.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use api::attach::{FromClient, FromOffice, Hello, Run};
use audit::{Entry, Filter, Kind, Log, Options, Reader, Sync};
use control::{Office, Parts, Policies, Recorder, SavedFolder, Warden};
use egress::{Proxy, ProxyParts};
use model::SessionId;
use sys::seqpacket::{Seqpacket, listen_at};
use tasks::Group;
use tempfile::TempDir;
use vault::{Key, Vault, VaultParts};
use warrant::{Ask, Channel, ProfileText, Profiles, Tell};

use super::warden::{FakeWarden, Script};
use crate::{AgentDoor, OperatorParts};

/// Everything of one office.
pub(super) struct Bench {
    pub(super) folder: TempDir,
    pub(super) office: Arc<Office>,
    pub(super) warden: Arc<FakeWarden>,
    pub(super) log: Arc<Log>,
    pub(super) group: Group,
    servers: Group,
}

impl Bench {
    pub(super) fn new() -> Self {
        Self::with(Script::default())
    }

    pub(super) fn with(script: Script) -> Self {
        Self::in_folder(tempfile::tempdir().unwrap(), script, 0)
    }

    /// An office in a folder that an earlier one may have used.
    pub(super) fn in_folder(folder: TempDir, script: Script, restarts: u32) -> Self {
        let (group, servers) = (Group::new("office"), Group::new("servers"));
        let (ours, theirs) = Seqpacket::pair().unwrap();
        let channel = Channel::<Ask, Tell>::new(ours);
        let (handle, mut notices) = Warden::start(channel, &group).unwrap();
        let warden = FakeWarden::start(Channel::new(theirs), folder.path(), script);
        let options = Options::new(Sync::Group);
        let log = Arc::new(Log::open(&folder.path().join("audit"), &options).unwrap());
        let recorder = Recorder::new(Arc::clone(&log), false);
        let proxy = Proxy::new(ProxyParts {
            log: Arc::clone(&log),
            durable: false,
            roots: Arc::new(rustls::RootCertStore::empty()),
            prices: Arc::default(),
        });
        let office = Office::new(Parts {
            warden: handle,
            recorder: recorder.clone(),
            proxy: Arc::clone(&proxy),
            policies: Policies::new(profiles(), 5),
            roots: authority::Roots::new(&[]),
            vault: a_vault(folder.path(), &group),
            saved: SavedFolder::open(&folder.path().join("sessions")).unwrap(),
            door: Box::new(AgentDoor { proxy, recorder }),
            group: group.clone(),
            learn: false,
            restarts,
        });
        let heeding = Arc::clone(&office);
        group.spawn("heed", async move {
            heeding.heed(&mut notices).await;
        });
        let bench = Self {
            folder,
            office,
            warden,
            log,
            group,
            servers,
        };
        bench.open();
        bench
    }

    fn open(&self) {
        for path in [self.control(), self.attach()] {
            if path.exists() {
                std::fs::remove_file(path).unwrap();
            }
        }
        let attach = listen_at(&self.attach(), 16).unwrap();
        let served = crate::attach::run(attach, Arc::clone(&self.office), self.servers.stop());
        self.servers
            .spawn("attach", async move { served.await.unwrap() });
        let control = UnixListener::bind(self.control()).unwrap().into();
        let parts = OperatorParts {
            office: Arc::clone(&self.office),
            audit_dir: self.folder.path().join("audit"),
            group: self.servers.clone(),
        };
        let served = crate::operator::run(control, parts, self.servers.stop());
        self.servers
            .spawn("control", async move { served.await.unwrap() });
    }

    pub(super) fn control(&self) -> PathBuf {
        self.folder.path().join("control.sock")
    }

    fn attach(&self) -> PathBuf {
        self.folder.path().join("attach.sock")
    }

    /// Connects and says hello, with three streams.
    pub(super) fn client(&self, hello: &Hello) -> Client {
        let client = Client {
            socket: Arc::new(Seqpacket::connect(&self.attach()).unwrap()),
        };
        let null = std::fs::File::open("/dev/null").unwrap();
        client.send(hello, &[null.as_fd(); 3]);
        client
    }

    /// Starts a session and returns its client and its id.
    pub(super) async fn start(&self, run: Run) -> (Client, SessionId) {
        let client = self.client(&Hello::Run(Box::new(run)));
        match client.receive().await {
            Some(FromOffice::Started { session, .. }) => (client, session),
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn entries(&self, kind: Kind) -> Vec<Entry> {
        let filter = Filter {
            kinds: vec![kind],
            ..Filter::default()
        };
        let reader = Reader::open(&self.folder.path().join("audit"), filter).unwrap();
        reader.map(Result::unwrap).collect()
    }

    /// Waits for the first entry of a kind.
    pub(super) async fn entry(&self, kind: Kind) -> Entry {
        let filter = Filter {
            kinds: vec![kind],
            limit: Some(1),
            ..Filter::default()
        };
        let audit = self.folder.path().join("audit");
        let read = move || {
            let mut reader = Reader::open(&audit, filter).unwrap();
            reader
                .next_within(Duration::from_secs(10))
                .unwrap()
                .unwrap()
        };
        tokio::task::spawn_blocking(read).await.unwrap()
    }

    /// Waits until an adopted session is there.
    pub(super) async fn adopted(&self, session: &SessionId) {
        while self.office.registry().get(session).is_none() {
            tokio::task::yield_now().await;
        }
    }

    /// The office dies without a word to its sessions; its folder stays.
    pub(super) async fn crash(self) -> TempDir {
        self.servers.close(Duration::ZERO).await;
        self.office.let_go(Duration::ZERO).await;
        self.group.close(Duration::ZERO).await;
        self.log.close().unwrap();
        self.folder
    }
}

/// An operator's client.
pub(super) struct Client {
    socket: Arc<Seqpacket>,
}

impl Client {
    pub(super) fn send<T: serde::Serialize>(&self, message: &T, fds: &[BorrowedFd<'_>]) {
        let bytes = serde_json::to_vec(message).unwrap();
        self.socket.send(&bytes, fds).unwrap();
    }

    pub(super) fn signal(&self, signal: u8) {
        self.send(&FromClient::Signal(signal), &[]);
    }

    pub(super) async fn receive(&self) -> Option<FromOffice> {
        let socket = Arc::clone(&self.socket);
        let received = tokio::task::spawn_blocking(move || socket.receive().unwrap());
        let message = received.await.unwrap()?;
        Some(serde_json::from_slice(&message.bytes).unwrap())
    }

    /// The same with the descriptors that came along.
    pub(super) async fn receive_all(&self) -> (FromOffice, Vec<OwnedFd>) {
        let socket = Arc::clone(&self.socket);
        let received = tokio::task::spawn_blocking(move || socket.receive().unwrap());
        let message = received.await.unwrap().unwrap();
        (serde_json::from_slice(&message.bytes).unwrap(), message.fds)
    }

    pub(super) fn send_raw(path: &Path, bytes: &[u8]) -> Self {
        let socket = Seqpacket::connect(path).unwrap();
        socket.send(bytes, &[]).unwrap();
        Self {
            socket: Arc::new(socket),
        }
    }
}

/// A run of `true` in the profile `base`.
pub(super) fn run() -> Run {
    Run {
        profile: "base".parse().unwrap(),
        argv: vec![b"true".to_vec()],
        env: Vec::new(),
        allow: Vec::new(),
        connect: Vec::new(),
        secrets: Vec::new(),
        limits: Vec::new(),
        timeout: None,
        workspace: false,
        terminal: None,
        record: false,
        learn: false,
    }
}

/// A vault in a folder; nobody answers for token endpoints.
fn a_vault(folder: &Path, group: &Group) -> Vault {
    let own = folder.join("vault");
    vault::store::prepare(&own).unwrap();
    Vault::open(VaultParts {
        folder: &own,
        key: Key::at(&folder.join("vault.key"), &own),
        configured: Vec::new(),
        fetcher: Arc::new(NoEndpoint),
        group: group.clone(),
    })
}

#[derive(Debug)]
struct NoEndpoint;

impl vault::TokenFetcher for NoEndpoint {
    fn fetch(&self, _request: vault::TokenRequest) -> vault::Fetching {
        Box::pin(async { Err(vault::FetchFailed("nobody is there".to_owned())) })
    }
}

fn profiles() -> Profiles {
    profiles_with("[budget]\negress_down = \"64B\"\n")
}

/// The profiles `base` and `small`, of which the second holds this, and the seccomp profile of both.
pub(super) fn profiles_with(own: &str) -> Profiles {
    let base = policy::embedded::shipped(policy::ProfileKind::Jail, "base").unwrap();
    let small = format!("version = 1\nname = \"small\"\nextends = \"base\"\n{own}");
    let text = |name: &str, text: &str| ProfileText {
        kind: "jail".to_owned(),
        name: name.parse().unwrap(),
        source: format!("test:{name}"),
        text: text.to_owned(),
    };
    let seccomp = |name: &str, more: &str| ProfileText {
        kind: "seccomp".to_owned(),
        ..text(
            name,
            &format!("version = 1\nname = \"{name}\"\ndescription = \"d\"\n{more}"),
        )
    };
    let trunk = "[[allow]]\nwhy = \"all that the test calls\"\ncalls = [\"read\", \"write\"]\n";
    Profiles {
        texts: vec![
            text("base", base),
            text("small", &small),
            seccomp("agent", "extends = \"trunk\"\nkeep = [\"read\"]\n"),
            seccomp("trunk", trunk),
        ],
    }
}
