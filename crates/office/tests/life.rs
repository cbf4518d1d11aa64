//! The real binary under a played warden: confined, it still does all its work, and it goes when told.
//!
//! Not for: what the doors answer in detail; the gateway's own tests ask that.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says by panicking what went wrong"
)]

#[path = "../../gateway/src/tests/warden.rs"]
#[expect(dead_code, reason = "the gateway's tests use all of it")]
mod warden;

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::Arc;
use std::time::Duration;

use api::attach::{FromOffice, Hello, Run};
use audit::{Filter, Kind, Reader};
use model::{ExitRecord, SessionId};
use policy::ProfileKind;
use sys::child::Unprivileged;
use sys::seqpacket::{Seqpacket, listen_at};
use tempfile::TempDir;
use warrant::{Channel, Notice, OfficeConfig, ProfileText, Profiles, Tell, Welcome};

use warden::{FakeWarden, Script, Seen};

/// A user without rights where the tests may change to one, the tests' own otherwise.
fn user() -> u32 {
    match sys::privileges::effective_user() {
        0 => 65_534,
        own => own,
    }
}

struct Running {
    folder: TempDir,
    warden: Arc<FakeWarden>,
    office: Child,
    /// The warden's end of the channel once more.
    channel: UnixStream,
}

impl Running {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        std::fs::create_dir_all(state.join("audit")).unwrap();
        if sys::privileges::effective_user() == 0 {
            for path in [state.clone(), state.join("audit")] {
                std::os::unix::fs::chown(path, Some(user()), Some(user())).unwrap();
            }
            let open = std::os::unix::fs::PermissionsExt::from_mode(0o711);
            std::fs::set_permissions(folder.path(), open).unwrap();
        }
        let (ours, theirs) = Seqpacket::pair().unwrap();
        let office = Unprivileged {
            program: PathBuf::from(env!("CARGO_BIN_EXE_sheriff-office")),
            args: vec!["--log".into(), "debug".into()],
            env: Vec::new(),
            uid: user(),
            gid: user(),
            channel: (theirs.into(), 3),
        };
        let office = office.spawn().unwrap();
        let again = UnixStream::from(ours.as_fd().try_clone_to_owned().unwrap());
        let channel = Channel::new(ours);
        welcome(&channel, folder.path());
        let warden = FakeWarden::start(channel, folder.path(), Script::default());
        Self {
            folder,
            warden,
            office,
            channel: again,
        }
    }

    fn connect(&self) -> Seqpacket {
        let client = Seqpacket::connect(&self.folder.path().join("attach.sock")).unwrap();
        let run = Run {
            profile: "base".parse().unwrap(),
            argv: vec![b"true".to_vec()],
            env: Vec::new(),
            allow: vec!["a.test".to_owned()],
            connect: Vec::new(),
            secrets: Vec::new(),
            limits: Vec::new(),
            timeout: None,
            workspace: false,
            terminal: None,
            record: false,
            learn: false,
        };
        let hello = serde_json::to_vec(&Hello::Run(Box::new(run))).unwrap();
        let null = std::fs::File::open("/dev/null").unwrap();
        client.send(&hello, &[null.as_fd(); 3]).unwrap();
        client
    }

    fn health(&self) -> String {
        let mut stream = UnixStream::connect(self.folder.path().join("control.sock")).unwrap();
        stream
            .write_all(b"GET /v1/health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

fn welcome(channel: &Channel<Tell, warrant::Ask>, folder: &Path) {
    let word = Welcome {
        config: OfficeConfig {
            audit_sync_always: true,
            audit_segment_bytes: 1 << 20,
            audit_keep_ms: None,
            audit_keep_bytes: None,
            prices: llm::PriceTable::default(),
            extra_ca: None,
            learn: false,
            operator_group: "sheriff".to_owned(),
        },
        generation: 1,
        restarts: 0,
        audit_dir: folder.join("state/audit").display().to_string(),
    };
    let profiles = profiles();
    let profiles = sys::fds::memory_file(c"profiles", &profiles).unwrap();
    let control = UnixListener::bind(folder.join("control.sock")).unwrap();
    let attach = listen_at(&folder.join("attach.sock"), 16).unwrap();
    let metrics = UnixListener::bind(folder.join("metrics.sock")).unwrap();
    let fds = [
        control.as_fd(),
        attach.as_fd(),
        profiles.as_fd(),
        metrics.as_fd(),
    ];
    let tell = Tell::Notice(Notice::Welcome(Box::new(word)));
    channel.send(&tell, &fds).unwrap();
    let secrets = warrant::Secrets::default().encode().unwrap();
    let secrets = sys::fds::memory_file(c"secrets", &secrets).unwrap();
    let tell = Tell::Notice(Notice::Secrets);
    channel.send(&tell, &[secrets.as_fd()]).unwrap();
}

/// The shipped profile `base` as it travels.
fn profiles() -> Vec<u8> {
    let text = policy::embedded::shipped(ProfileKind::Jail, "base").unwrap();
    let base = ProfileText {
        kind: "jail".to_owned(),
        name: "base".parse().unwrap(),
        source: "shipped".to_owned(),
        text: text.to_owned(),
    };
    Profiles { texts: vec![base] }.encode().unwrap()
}

fn next(client: &Seqpacket) -> FromOffice {
    let message = client.receive().unwrap().unwrap();
    serde_json::from_slice(&message.bytes).unwrap()
}

fn started(client: &Seqpacket) -> SessionId {
    match next(client) {
        FromOffice::Started { session, .. } => session,
        other => panic!("{other:?}"),
    }
}

/// One field of the process's status.
fn status(office: &Child, field: &str) -> String {
    let text = std::fs::read_to_string(format!("/proc/{}/status", office.id())).unwrap();
    let line = text.lines().find(|line| line.starts_with(field)).unwrap();
    line.split_whitespace().nth(1).unwrap().to_owned()
}

#[test]
fn a_confined_office_runs_a_session_and_drains_with_its_log_whole() {
    let mut running = Running::start();
    assert!(running.health().contains("\"status\":\"ok\""));
    assert_eq!(status(&running.office, "Seccomp:"), "2");
    assert_eq!(status(&running.office, "NoNewPrivs:"), "1");
    assert_eq!(status(&running.office, "CapEff:"), "0000000000000000");
    let client = running.connect();
    let session = started(&client);
    assert!(
        running
            .warden
            .seen()
            .contains(&Seen::Commit(session.clone()))
    );
    assert_eq!(
        running
            .warden
            .brought(&session, |brought| brought.token.len()),
        64
    );
    running.warden.end(&session, ExitRecord::exited(4));
    let FromOffice::Ended { record, .. } = next(&client) else {
        panic!("no end");
    };
    assert_eq!(record, ExitRecord::exited(4));
    running.warden.reload(2, b"broken");
    running.warden.reload(3, &profiles());
    running.warden.notice(Notice::Drain);
    assert!(running.office.wait().unwrap().success());
    let audit = running.folder.path().join("state/audit");
    let entries = Reader::open(&audit, Filter::default()).unwrap();
    let kinds: Vec<Kind> = entries.map(|entry| entry.unwrap().kind).collect();
    for kind in [
        Kind::DaemonStarted,
        Kind::SessionStarted,
        Kind::SessionEnded,
        Kind::PolicyReloaded,
        Kind::DaemonStopped,
    ] {
        assert!(kinds.contains(&kind), "{kind} in {kinds:?}");
    }
    assert_eq!(kinds.last(), Some(&Kind::Checkpoint));
}

#[test]
fn a_signal_to_everybody_leaves_the_end_of_the_office_to_its_warden() {
    let mut running = Running::start();
    running.health();
    for signal in ["-INT", "-TERM", "-HUP"] {
        let id = running.office.id().to_string();
        let mut kill = std::process::Command::new("kill");
        assert!(kill.args([signal, &id]).status().unwrap().success());
    }
    assert!(running.health().contains("\"status\":\"ok\""));
    running.warden.notice(Notice::Drain);
    assert!(running.office.wait().unwrap().success());
    let entries = Reader::open(
        &running.folder.path().join("state/audit"),
        Filter::default(),
    );
    let last = entries.unwrap().last().unwrap().unwrap();
    assert_eq!(last.kind, Kind::Checkpoint);
}

#[test]
fn an_office_whose_warden_is_gone_goes_too() {
    let mut running = Running::start();
    running.health();
    running.channel.shutdown(std::net::Shutdown::Both).unwrap();
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while running.office.try_wait().unwrap().is_none() {
        assert!(std::time::Instant::now() < deadline, "the office lives on");
        std::thread::yield_now();
    }
}

#[test]
fn an_office_that_fails_has_said_why_when_its_channel_closes() {
    let (ours, theirs) = Seqpacket::pair().unwrap();
    let office = Unprivileged {
        program: PathBuf::from(env!("CARGO_BIN_EXE_sheriff-office")),
        args: Vec::new(),
        env: Vec::new(),
        uid: user(),
        gid: user(),
        channel: (theirs.into(), 3),
    };
    let mut office = office.spawn().unwrap();
    ours.send(b"no welcome", &[]).unwrap();
    assert!(!matches!(ours.receive(), Ok(Some(_))));
    // What the warden does then: it must find a process that is through with its own end.
    office.kill().unwrap();
    assert_eq!(office.wait().unwrap().code(), Some(1));
}
