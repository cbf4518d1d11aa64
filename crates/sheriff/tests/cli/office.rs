//! A fake office behind `attach.sock`, driven step by step by the test.
//!
//! Not for: HTTP (`control`).

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use api::attach::{FromClient, FromOffice, Hello};
use model::ExitRecord;
use sys::command::Interest;
use sys::seqpacket::{Seqpacket, accept, listen_at};

use crate::samples;

/// Longest a test waits for the command line; reached only when the test fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// A socket folder with a listening `attach.sock`.
pub(crate) struct Office {
    folder: tempfile::TempDir,
    listener: OwnedFd,
}

impl Office {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = listen_at(&folder.path().join("attach.sock"), 8).unwrap();
        Self { folder, listener }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts the command line with these arguments, its streams piped.
    pub(crate) fn start(&self, args: &[&str]) -> Child {
        command(self.folder(), args).spawn().unwrap()
    }

    /// Waits for a client and takes its first message.
    pub(crate) fn meet(&self) -> Client {
        assert!(self.has_visitor(PATIENCE), "nobody connected");
        let socket = accept(self.listener.as_fd()).unwrap();
        await_input(&socket);
        let message = socket.receive().unwrap().unwrap();
        let hello = serde_json::from_slice(&message.bytes).unwrap();
        Client {
            socket,
            hello,
            fds: message.fds,
        }
    }

    pub(crate) fn has_visitor(&self, within: Duration) -> bool {
        let watched = [(self.listener.as_fd(), Interest::Input)];
        sys::command::wait(watched, Some(within)).unwrap()[0].input
    }
}

/// A connected client.
pub(crate) struct Client {
    socket: Seqpacket,
    pub(crate) hello: Hello,
    pub(crate) fds: Vec<OwnedFd>,
}

impl Client {
    pub(crate) fn say(&self, message: &FromOffice, fds: &[BorrowedFd<'_>]) {
        self.socket
            .send(&serde_json::to_vec(message).unwrap(), fds)
            .unwrap();
    }

    pub(crate) fn say_started(&self, fds: &[BorrowedFd<'_>]) {
        let session = samples::SESSION.parse().unwrap();
        self.say(
            &FromOffice::Started {
                session,
                process: 0,
            },
            fds,
        );
    }

    pub(crate) fn say_ended(&self, record: ExitRecord) {
        let report = samples::report(record.code);
        self.say(&FromOffice::Ended { record, report }, &[]);
    }

    /// Closes everything of this client, its output included, and waits for the command line's end.
    pub(crate) fn leave(self, child: Child) -> Output {
        drop(self);
        child.wait_with_output().unwrap()
    }

    /// The client's next message; `None` when it closed the connection.
    pub(crate) fn hear(&self) -> Option<FromClient> {
        await_input(&self.socket);
        let message = self.socket.receive().unwrap()?;
        Some(serde_json::from_slice(&message.bytes).unwrap())
    }
}

/// The command line with this socket folder.
pub(crate) fn command(sockets: &Path, args: &[&str]) -> Command {
    program(env!("CARGO_BIN_EXE_sheriff").into(), sockets, args)
}

pub(crate) fn program(path: PathBuf, sockets: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(path);
    command
        .args(args)
        .env("SHERIFF_SOCKET_DIR", sockets)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

pub(crate) fn send_signal(child: &Child, name: &str) {
    let sent = Command::new("kill")
        .args([name, &child.id().to_string()])
        .status();
    assert!(sent.unwrap().success());
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn await_input(socket: &Seqpacket) {
    let ready = sys::command::wait([(socket.as_fd(), Interest::Input)], Some(PATIENCE)).unwrap();
    assert!(ready[0].input, "the client said nothing");
}
