//! Runs the client on each side: in a jail through our proxy, at the end of a veth through the others.
//!
//! Not for: what the client does (`client`).

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};
use std::time::Duration;

use super::client::Seen;
use super::figure::{Figure, Value};
use super::kept::Kept;
use super::product::{Daemon, workspace};
use super::proxy::{Proxy, Site};
use super::road::Road;
use super::trust::Trust;
use super::{Absence, Context};
use crate::error::Error;

/// The name under which the jail asks for the server.
const HOST: &str = "bench.example.com";
/// The port that it asks for in clear; not 443, where our proxy insists on TLS.
const PORT: u16 = 8000;
/// The name under which the others ask for a server with TLS.
const LOCAL: &str = "localhost";
/// The list of authorities that our jails have.
const JAIL_CA: &str = "/run/sheriff/ca-bundle.pem";
/// Longest one client may take.
const CLIENT: Duration = Duration::from_secs(60);

/// How a peer is started.
pub(crate) type Start = fn(Site<'_>) -> Result<Proxy, Absence>;

/// A peer by name.
pub(crate) type Peer = (&'static str, Start);

/// All ways to one server.
#[derive(Debug)]
pub(crate) struct Drive {
    target: SocketAddr,
    trust: Option<Trust>,
    ours: Result<Jail, Absence>,
    peers: Vec<(&'static str, Result<Proxy, Absence>)>,
    road: Result<Road, Absence>,
}

/// What is needed to run the client in a jail.
#[derive(Debug)]
pub(crate) struct Jail {
    daemon: Daemon,
    workspace: tempfile::TempDir,
    /// What every client is asked to do it with.
    options: Vec<String>,
    target: Vec<String>,
}

/// What the client saw on every way.
#[derive(Debug)]
pub(crate) struct Views {
    ours: Result<Seen, Absence>,
    peers: Vec<(&'static str, Result<Seen, Absence>)>,
}

/// A client that holds connections until this value is dropped.
#[derive(Debug)]
pub(crate) struct Holding {
    /// What it said once all were open.
    pub(crate) seen: Seen,
    _client: Kept,
    _lifeline: Option<ChildStdin>,
}

/// What such names a server with TLS must go by.
pub(crate) const NAMES: [&str; 2] = [HOST, LOCAL];

impl Drive {
    /// Starts the proxies to a server in clear.
    pub(crate) fn new(context: &Context, target: SocketAddr, peers: &[Peer]) -> Self {
        Self::start(context, target, None, peers)
    }

    /// Starts the proxies to a server with TLS, all of which open it.
    pub(crate) fn inside(
        context: &Context,
        target: SocketAddr,
        trust: Trust,
        peers: &[Peer],
    ) -> Self {
        Self::start(context, target, Some(trust), peers)
    }

    fn start(context: &Context, target: SocketAddr, trust: Option<Trust>, peers: &[Peer]) -> Self {
        let road = Road::lay();
        let site = Site {
            folder: context.folder(),
            listen: road.as_ref().map_or(Ipv4Addr::LOCALHOST, Road::here),
            target,
            trust: trust.as_ref(),
        };
        let peers = peers.iter().map(|(name, start)| (*name, start(site)));
        Self {
            target,
            peers: peers.collect(),
            ours: Jail::new(context, target, trust.as_ref()),
            trust,
            road,
        }
    }

    /// Runs the client's task on every way, one after the other.
    pub(crate) fn run(&self, task: &[&str]) -> Views {
        let ours = self.ours().and_then(|jail| {
            let work = Work::of(jail.office());
            Ok(work.over(collect(&mut jail.client(task))?))
        });
        let mut peers: Vec<_> = self
            .peers
            .iter()
            .map(|(name, proxy)| (*name, self.beside(proxy, task)))
            .collect();
        let direct = self.on_host(task).and_then(|mut it| collect(&mut it));
        peers.push(("direct", direct));
        Views { ours, peers }
    }

    /// Our side.
    pub(crate) fn ours(&self) -> Result<&Jail, Absence> {
        self.ours.as_ref().map_err(Absence::again)
    }

    /// The peers that run.
    pub(crate) fn peers(&self) -> impl Iterator<Item = (&'static str, Result<&Proxy, Absence>)> {
        let peers = self.peers.iter();
        peers.map(|(name, proxy)| (*name, proxy.as_ref().map_err(Absence::again)))
    }

    /// A client's command through this peer.
    pub(crate) fn through(&self, proxy: &Proxy, task: &[&str]) -> Result<Command, Absence> {
        let mut command = match &self.road {
            Ok(road) => {
                let mut command = road.at_the_other_end();
                command.arg(own()?);
                command
            }
            Err(_none) => Command::new(own()?),
        };
        command.arg("bench-client").args(task);
        command.args(proxy.way(&self.target()));
        Ok(command)
    }

    fn beside(&self, proxy: &Result<Proxy, Absence>, task: &[&str]) -> Result<Seen, Absence> {
        let proxy = proxy.as_ref().map_err(Absence::again)?;
        let work = Work::of(Some(proxy.id()));
        Ok(work.over(collect(&mut self.through(proxy, task)?)?))
    }

    fn on_host(&self, task: &[&str]) -> Result<Command, Absence> {
        let mut command = Command::new(own()?);
        command.arg("bench-client").args(task);
        command.args(["--proxy", "direct", "--target", &self.target()]);
        if let Some(trust) = &self.trust {
            command.arg("--ca").arg(trust.servers());
        }
        Ok(command)
    }

    fn target(&self) -> String {
        match &self.trust {
            Some(_) => format!("{LOCAL}:{}", self.target.port()),
            None => self.target.to_string(),
        }
    }
}

fn own() -> Result<std::path::PathBuf, Error> {
    std::env::current_exe().map_err(|source| Error::Io {
        what: "own path",
        source,
    })
}

impl Jail {
    fn new(context: &Context, target: SocketAddr, trust: Option<&Trust>) -> Result<Self, Absence> {
        let product = context.product()?;
        let Some(trust) = trust else {
            let name = format!("{HOST}:{PORT}");
            return Ok(Self {
                daemon: product.start()?,
                workspace: workspace()?,
                options: vec!["--connect".to_owned(), format!("{name}={target}")],
                target: vec!["--target".to_owned(), name],
            });
        };
        let configuration = configure(context.folder(), trust)?;
        let connect = format!("{HOST}={target}");
        let (ca, target) = (JAIL_CA.to_owned(), format!("{HOST}:443"));
        Ok(Self {
            daemon: product.start_by(Some(&configuration))?,
            workspace: workspace()?,
            options: ["--profile", "bench", "--connect", &connect]
                .map(str::to_owned)
                .into(),
            target: vec!["--target".to_owned(), target, "--ca".to_owned(), ca],
        })
    }

    /// A client's command in a jail of its own.
    pub(crate) fn client(&self, task: &[&str]) -> Command {
        let options: Vec<&str> = self.options.iter().map(String::as_str).collect();
        let mut command = self.daemon.run(&options);
        command.arg("--workspace").arg(self.workspace.path());
        command
            .args(["--", "/workspace/xtask", "bench-client"])
            .args(task)
            .args(&self.target);
        command
    }

    /// The same in clear for another server.
    pub(crate) fn neighbour(&self, task: &[&str], target: SocketAddr) -> Command {
        let name = format!("{HOST}:{PORT}");
        let mut command = self.daemon.run(&["--connect", &format!("{name}={target}")]);
        command.arg("--workspace").arg(self.workspace.path());
        command.args(["--", "/workspace/xtask", "bench-client"]);
        command.args(task).args(["--target", &name]);
        command
    }

    /// The process of our proxy.
    pub(crate) fn office(&self) -> Option<u32> {
        self.daemon.office()
    }
}

/// A profile whose rule speaks of what is inside of TLS, and whom our proxy trusts.
fn configure(folder: &Path, trust: &Trust) -> Result<std::path::PathBuf, Error> {
    let profiles = folder.join("profiles");
    let (path, ca) = (folder.join("sheriffd.toml"), trust.servers());
    let profile = format!(
        "version = 1\nname = \"bench\"\nextends = \"base\"\n\
         [[egress.allow]]\nhost = \"{HOST}\"\nmethods = [\"GET\"]\n"
    );
    let settings = format!(
        "[folders]\nprofiles = \"{}\"\n[egress]\nextra_ca = \"{}\"\n",
        profiles.display(),
        ca.display()
    );
    let write = || {
        // The office, which is another user, passes through.
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
        fs::create_dir_all(profiles.join("jail"))?;
        fs::write(profiles.join("jail/bench.toml"), profile)?;
        fs::write(&path, settings)
    };
    match write() {
        Ok(()) => Ok(path),
        Err(source) => Err(Error::File {
            what: "write",
            path,
            source,
        }),
    }
}

/// The processor time that a process had taken.
#[derive(Debug, Clone, Copy)]
struct Work {
    process: Option<u32>,
    before: Duration,
}

impl Work {
    fn of(process: Option<u32>) -> Self {
        let before = process.and_then(work_of).unwrap_or_default();
        Self { process, before }
    }

    /// Divides what it took since by what was done.
    fn over(self, seen: Seen) -> Seen {
        let after = self.process.and_then(work_of).unwrap_or_default();
        let spent = after.saturating_sub(self.before);
        let proxy_us = spent.as_secs_f64() * 1e6 / seen.count.max(1) as f64;
        Seen { proxy_us, ..seen }
    }
}

/// What a process has run for, with all of its threads (fields 14 and 15 of `proc_pid_stat(5)`).
fn work_of(process: u32) -> Option<Duration> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name in parentheses may hold anything.
    let (_, rest) = text.rsplit_once(')')?;
    let ticks = rest.split_whitespace().skip(11).take(2);
    let ticks: u64 = ticks.filter_map(|field| field.parse::<u64>().ok()).sum();
    Some(TICK * u32::try_from(ticks).ok()?)
}

/// The unit of those fields, on every machine that Linux speaks to user space about (`USER_HZ`).
const TICK: Duration = Duration::from_millis(10);

/// Runs the client to its end and reads its line.
pub(crate) fn collect(command: &mut Command) -> Result<Seen, Absence> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = Kept::spawn(command, CLIENT)?;
    let output = child.stdout().map(std::io::read_to_string);
    child.succeed()?;
    let text = output.transpose().map_err(client_io)?;
    read(&text.unwrap_or_default())
}

/// Runs the client up to its line; it goes on until the value is dropped.
pub(crate) fn hold(command: &mut Command) -> Result<Holding, Absence> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = Kept::spawn(command.stderr(Stdio::null()), CLIENT)?;
    let lifeline = child.stdin();
    let mut line = String::new();
    if let Some(output) = child.stdout() {
        let read = BufReader::new(output.take(LINE_MAX)).read_line(&mut line);
        read.map_err(client_io)?;
    }
    Ok(Holding {
        seen: read(&line)?,
        _client: child,
        _lifeline: lifeline,
    })
}

/// Longest line of a client.
const LINE_MAX: u64 = 64 * 1024;

fn client_io(source: std::io::Error) -> Error {
    Error::Io {
        what: "client",
        source,
    }
}

fn read(line: &str) -> Result<Seen, Absence> {
    let seen: Seen = serde_json::from_str(line.trim()).map_err(|source| Error::Report {
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

    /// What every way adds to asking directly.
    pub(crate) fn added(&self, what: &str, unit: &'static str, value: fn(&Seen) -> f64) -> Figure {
        let direct = self.peers.iter().find(|(name, _)| *name == "direct");
        let direct = direct
            .and_then(|(_, seen)| seen.as_ref().ok())
            .map_or(0.0, value);
        let over = |seen: &Result<Seen, Absence>| Value::of(seen, |it| value(it) - direct);
        let ours = Figure::new(what, unit, over(&self.ours));
        let peers = self.peers.iter().filter(|(name, _)| *name != "direct");
        peers.fold(ours, |figure, (name, seen)| figure.peer(name, over(seen)))
    }
}

impl Seen {
    /// How many in a second.
    pub(crate) fn rate(&self) -> f64 {
        self.count as f64 / self.seconds
    }
}
