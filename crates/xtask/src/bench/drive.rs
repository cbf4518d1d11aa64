//! Runs the client on each side: in a jail through our proxy, on the host through the others.
//!
//! Not for: what the client does (`client`).

use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::client::Seen;
use super::figure::{Figure, Value};
use super::kept::Kept;
use super::product::{Daemon, workspace};
use super::proxy::Proxy;
use super::{Absence, Context};
use crate::error::Error;

/// The name under which the jail asks for the server.
const HOST: &str = "bench.example.com";
/// The port that it asks for; not 443, where our proxy insists on TLS.
const PORT: u16 = 8000;
/// Longest one client may take.
const CLIENT: Duration = Duration::from_secs(45);

/// All ways to one server.
#[derive(Debug)]
pub(crate) struct Drive {
    target: SocketAddr,
    ours: Result<Jail, Absence>,
    peers: [(&'static str, Result<Proxy, Absence>); 2],
}

/// What is needed to run the client in a jail.
#[derive(Debug)]
struct Jail {
    daemon: Daemon,
    workspace: tempfile::TempDir,
}

/// What the client saw on every way.
#[derive(Debug)]
pub(crate) struct Views {
    ours: Result<Seen, Absence>,
    peers: Vec<(&'static str, Result<Seen, Absence>)>,
}

impl Drive {
    /// Starts the proxies.
    pub(crate) fn new(context: &Context, target: SocketAddr) -> Self {
        Self {
            target,
            ours: context.product().and_then(|product| {
                let daemon = product.start()?;
                Ok(Jail {
                    daemon,
                    workspace: workspace()?,
                })
            }),
            peers: [
                ("squid", Proxy::squid(context.folder(), target)),
                ("tinyproxy", Proxy::tinyproxy(context.folder(), target)),
            ],
        }
    }

    /// Runs the client's task on every way, one after the other.
    pub(crate) fn run(&self, task: &[&str]) -> Views {
        let ours = self.ours.as_ref().map_err(Absence::again);
        let mut peers: Vec<_> = self
            .peers
            .iter()
            .map(|(name, proxy)| (*name, self.beside(proxy, task)))
            .collect();
        peers.push(("direct", self.on_host("direct", task)));
        Views {
            ours: ours.and_then(|jail| jail.run(self.target, task)),
            peers,
        }
    }

    fn beside(&self, proxy: &Result<Proxy, Absence>, task: &[&str]) -> Result<Seen, Absence> {
        let proxy = proxy.as_ref().map_err(Absence::again)?;
        self.on_host(&proxy.address().to_string(), task)
    }

    fn on_host(&self, proxy: &str, task: &[&str]) -> Result<Seen, Absence> {
        let own = std::env::current_exe().map_err(|source| Error::Io {
            what: "own path",
            source,
        })?;
        let mut command = Command::new(own);
        command
            .arg("bench-client")
            .args(task)
            .args(["--proxy", proxy]);
        command.args(["--target", &self.target.to_string()]);
        collect(&mut command)
    }
}

impl Jail {
    fn run(&self, target: SocketAddr, task: &[&str]) -> Result<Seen, Absence> {
        let name = format!("{HOST}:{PORT}");
        let mut command = self.daemon.run(&["--connect", &format!("{name}={target}")]);
        command.arg("--workspace").arg(self.workspace.path());
        command
            .args(["--", "/workspace/xtask", "bench-client"])
            .args(task);
        command.args(["--target", &name]);
        collect(&mut command)
    }
}

/// Runs the client to its end and reads its line.
fn collect(command: &mut Command) -> Result<Seen, Absence> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = Kept::spawn(command, CLIENT)?;
    let output = child.stdout().map(std::io::read_to_string);
    child.succeed()?;
    let text = output.transpose().map_err(|source| Error::Io {
        what: "client",
        source,
    })?;
    let parsed = serde_json::from_str(text.unwrap_or_default().trim());
    let seen: Seen = parsed.map_err(|source| Error::Report {
        path: "client".into(),
        source,
    })?;
    match seen.first_error {
        Some(error) => Err(Error::Unmet(format!("{} errors: {error}", seen.errors)).into()),
        None => Ok(seen),
    }
}

impl Views {
    /// A figure of ours and of every peer.
    pub(crate) fn figure(&self, what: &str, unit: &'static str, value: fn(&Seen) -> f64) -> Figure {
        let ours = Figure::new(what, unit, Value::of(&self.ours, value));
        let add = |figure: Figure, (name, seen): &(&'static str, Result<Seen, Absence>)| {
            figure.peer(name, Value::of(seen, value))
        };
        self.peers.iter().fold(ours, add)
    }
}

impl Seen {
    /// How many in a second.
    pub(crate) fn rate(&self) -> f64 {
        self.count as f64 / self.seconds
    }
}
