//! `sheriff run` in the making: where, with which options, and what to run.
//!
//! Not for: the other commands of the CLI (`daemon`).

use std::ffi::OsString;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use super::{Child, Daemon, Outcome, PATIENCE, Terminal, authority, binary, require_root};

/// File of the workspace that holds the test authority's certificate.
const CA_FILE: &str = "test-ca.pem";
/// Variables by which tools find certificate authorities.
const CA_VARIABLES: [&str; 7] = [
    "SSL_CERT_FILE",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "NODE_EXTRA_CA_CERTS",
    "PIP_CERT",
    "REQUESTS_CA_BUNDLE",
    "npm_config_cafile",
];

/// What every Python script of ours may call.
const PRELUDE: &str = r#"
import base64, json, os, socket, ssl, struct, sys, time
from urllib.parse import urlsplit
PROXY = urlsplit(os.environ["HTTPS_PROXY"])

def proxy():
    return socket.create_connection((PROXY.hostname, PROXY.port), timeout=50)

def head(s):
    "Reads a response's head one byte at a time: what follows belongs to somebody else."
    text = b""
    while not text.endswith(b"\r\n\r\n"):
        part = s.recv(1)
        if not part:
            raise EOFError(text)
        text += part
    return text.decode()

def connect(host, port=443):
    "A tunnel's socket and the proxy's status."
    s = proxy()
    s.sendall(f"CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
    return s, int(head(s).split()[1])

def tls(s, host):
    context = ssl.create_default_context(cafile=os.environ["SSL_CERT_FILE"])
    return context.wrap_socket(s, server_hostname=host)

def everything(s):
    text = b""
    while part := s.recv(1 << 20):
        text += part
    return text
"#;

/// A jail to be run.
#[derive(Debug)]
pub(crate) struct Jail {
    sockets: Option<PathBuf>,
    options: Vec<OsString>,
    stdin: Option<Vec<u8>>,
    patience: Duration,
    folder: Arc<TempDir>,
    workspace: Option<PathBuf>,
}

impl Jail {
    /// A jail of the daemon that all tests share.
    pub(crate) fn new() -> Self {
        Self::on(Daemon::shared())
    }

    /// A jail of this daemon.
    pub(crate) fn on(daemon: &Daemon) -> Self {
        Self::at(Some(daemon.runtime().to_owned()))
    }

    /// A jail for which `sheriff` starts a daemon of its own.
    pub(crate) fn alone() -> Self {
        Self::at(None)
    }

    fn at(sockets: Option<PathBuf>) -> Self {
        require_root();
        Self {
            sockets,
            options: Vec::new(),
            stdin: None,
            patience: PATIENCE,
            folder: Arc::new(tempfile::tempdir().unwrap()),
            workspace: None,
        }
    }

    /// Any options of `sheriff run`.
    pub(crate) fn options<I: Into<OsString>>(
        mut self,
        options: impl IntoIterator<Item = I>,
    ) -> Self {
        self.options.extend(options.into_iter().map(Into::into));
        self
    }

    /// `--profile`
    pub(crate) fn profile(self, name: &str) -> Self {
        self.options(["--profile", name])
    }

    /// `--allow HOST[:PORT]`
    pub(crate) fn allow(self, entry: &str) -> Self {
        self.options(["--allow", entry])
    }

    /// `--connect HOST[:PORT]=ADDRESS`
    pub(crate) fn connect(self, entry: &str, address: SocketAddr) -> Self {
        self.options(["--connect", &format!("{entry}={address}")])
    }

    /// `--env NAME=VALUE`
    pub(crate) fn env(self, name: &str, value: &str) -> Self {
        self.options(["--env", &format!("{name}={value}")])
    }

    /// `--limit KEY=VALUE`
    pub(crate) fn limit(self, entry: &str) -> Self {
        self.options(["--limit", entry])
    }

    /// `--timeout TIME`
    pub(crate) fn timeout(self, time: &str) -> Self {
        self.options(["--timeout", time])
    }

    /// Bytes for the command's standard input, which is empty otherwise.
    pub(crate) fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = Some(bytes.into());
        self
    }

    /// Waits longer, or less long, than [`PATIENCE`] before the test fails.
    pub(crate) const fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// `--workspace` with this folder.
    pub(crate) fn workspace(mut self, folder: &Path) -> Self {
        self.workspace = Some(folder.to_owned());
        self
    }

    /// `--workspace` with a new folder that goes when this value does.
    pub(crate) fn scratch(mut self) -> Self {
        let folder = self.folder.path().join("workspace");
        fs::create_dir_all(&folder).unwrap();
        self.workspace.get_or_insert(folder);
        self
    }

    /// Puts a file into the workspace, which is a scratch folder unless one was named.
    pub(crate) fn file(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        let jail = self.scratch();
        let path = jail.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        jail
    }

    /// Makes the usual tools trust the test authority.
    pub(crate) fn trusting_us(self) -> Self {
        let jail = self.file(CA_FILE, authority().pem());
        let path = format!("/workspace/{CA_FILE}");
        CA_VARIABLES
            .iter()
            .fold(jail, |jail, name| jail.env(name, &path))
    }

    /// The host's path of something in the workspace.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.workspace.as_ref().unwrap().join(name)
    }

    /// Runs a program to its end.
    pub(crate) fn run(&self, argv: &[&str]) -> Outcome {
        let mut child = self.start(argv);
        child.close_input();
        let state = child.wait(self.patience);
        let report = fs::read(self.report()).unwrap_or_default();
        Outcome::new(
            state,
            serde_json::from_slice(&report).unwrap_or(Value::Null),
        )
    }

    /// Runs a shell script that stops at its first failure.
    pub(crate) fn shell(&self, script: &str) -> Outcome {
        self.run(&["/bin/bash", "-euo", "pipefail", "-c", script])
    }

    /// Runs a Python script after [`PRELUDE`].
    pub(crate) fn python(&self, script: &str) -> Outcome {
        self.run(&["/usr/bin/python3", "-c", &format!("{PRELUDE}\n{script}")])
    }

    /// Has `sheriff seccomp record` run a program to its end, under a daemon that runs already.
    pub(crate) fn record(&self, options: &[&str], argv: &[&str]) -> Outcome {
        let mut child = self.start_recording(options, argv);
        child.close_input();
        Outcome::new(child.wait(self.patience), Value::Null)
    }

    /// The same, left running.
    pub(crate) fn start_recording(&self, options: &[&str], argv: &[&str]) -> Child {
        self.start_watched(&["seccomp", "record"], options, argv)
    }

    /// Has `sheriff egress learn` run a program to its end, under a daemon that runs already, or one that
    /// it starts.
    pub(crate) fn learn(&self, options: &[&str], argv: &[&str]) -> Outcome {
        let mut child = self.start_watched(&["egress", "learn"], options, argv);
        child.close_input();
        Outcome::new(child.wait(self.patience), Value::Null)
    }

    fn start_watched(&self, words: &[&str], options: &[&str], argv: &[&str]) -> Child {
        let mut command = Command::new(binary("sheriff"));
        match &self.sockets {
            Some(sockets) => command.arg("--socket-dir").arg(sockets).args(words),
            None => command.args(words).arg("--ephemeral"),
        };
        command.args(options);
        self.follow_up(&mut command, argv);
        let mut child = Child::start(command.stdin(Stdio::piped()));
        if let Some(bytes) = &self.stdin {
            child.send(bytes);
        }
        child
    }

    /// Starts a program and leaves it running; its standard input is a pipe.
    pub(crate) fn start(&self, argv: &[&str]) -> Child {
        let mut child = Child::start(self.command(argv).stdin(Stdio::piped()));
        if let Some(bytes) = &self.stdin {
            child.send(bytes);
        }
        child
    }

    /// Starts a Python script after [`PRELUDE`], as [`Self::start`] does.
    pub(crate) fn start_python(&self, script: &str) -> Child {
        self.start(&["/usr/bin/python3", "-uc", &format!("{PRELUDE}\n{script}")])
    }

    /// Starts a program with a terminal of this many rows and columns.
    pub(crate) fn terminal(&self, argv: &[&str], window: (u16, u16)) -> Terminal {
        let jail = [OsString::from("-t")];
        Terminal::start(&self.command_with(&jail, argv), window)
    }

    /// Where the session's report is written.
    pub(crate) fn report(&self) -> PathBuf {
        self.folder.path().join("report.json")
    }

    fn command(&self, argv: &[&str]) -> Command {
        self.command_with(&[], argv)
    }

    fn command_with(&self, options: &[OsString], argv: &[&str]) -> Command {
        let mut command = Command::new(binary("sheriff"));
        match &self.sockets {
            Some(sockets) => command.arg("--socket-dir").arg(sockets).arg("run"),
            None => command.args(["run", "--ephemeral"]),
        };
        command.arg("--report").arg(self.report()).args(options);
        self.follow_up(&mut command, argv);
        command
    }

    /// The workspace, the other options, and what to run.
    fn follow_up(&self, command: &mut Command, argv: &[&str]) {
        if let Some(workspace) = &self.workspace {
            command.arg("--workspace").arg(workspace);
        }
        command.args(&self.options).arg("--").args(argv);
    }
}
