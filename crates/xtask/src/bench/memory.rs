//! Memory of jails that wait: what the host has less while they are there.
//!
//! Not for: their lifetime (`launch`).

use std::collections::BTreeMap;
use std::fs;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use super::figure::{Chapter, Figure, Target, Value};
use super::kept::Kept;
use super::launch::first_byte;
use super::sandbox::{Payload, Sandbox};
use super::{Absence, Context};
use crate::error::Error;

/// Longest a waiting command may live.
const LIFE: Duration = Duration::from_secs(120);
/// Longest to wait for the memory of ended processes to come back.
const SETTLE: Duration = Duration::from_secs(5);

/// KiB for each of the jails.
#[derive(Debug, Clone, Copy, Default)]
struct Weight {
    /// The host's available memory before, less that after.
    host: f64,
    /// Processes that hold the connection: `sheriff`, `bwrap`, `runc`.
    clients: f64,
    /// The command itself.
    agent: f64,
    /// The jail's first process, where there is one beside the command and the client.
    init: f64,
}

/// Measures ours and every peer in turn.
pub(crate) fn measure(context: &Context) -> Result<Chapter, Error> {
    let count = if context.quick { 20 } else { 200 };
    let ours = weigh_ours(context, count);
    let bwrap = Sandbox::bwrap().and_then(|it| Ok(weigh(&it, count)?));
    let runc = weigh_runc(context, count);
    let figure = |what: &str, value: fn(&Weight) -> f64| {
        Figure::new(what, "KiB", Value::of(&ours, value))
            .peer("bwrap", Value::of(&bwrap, value))
            .peer("runc", Value::of(&runc, value))
    };
    Ok(Chapter {
        name: "memory",
        notes: vec![
            format!("{count} commands asleep; the host's MemAvailable before and after, over {count}."),
            "The client is the process that waits for the jail (`sheriff run`, bwrap's and runc's parents).".into(),
        ],
        figures: vec![
            figure("for each jail, all included", |it| it.host),
            figure("over the agent's and the client's own", |it| it.host - it.agent - it.clients)
                .reach(Target::AtMost(2048.0)),
            figure("over the agent's own, client included", |it| it.host - it.agent),
            figure("the client's private share", |it| it.clients),
            figure("the command's private share", |it| it.agent),
            figure("PID 1 of the jail, private share", |it| it.init),
        ],
    })
}

fn weigh_ours(context: &Context, count: usize) -> Result<Weight, Absence> {
    let daemon = context.product()?.start()?;
    // Its caches and pool are not a jail's.
    drop(sleeping(&Sandbox::Sheriff(&daemon), 2)?);
    Ok(weigh(&Sandbox::Sheriff(&daemon), count)?)
}

fn weigh_runc(context: &Context, count: usize) -> Result<Weight, Absence> {
    let sandbox = Sandbox::runc(context.folder())?;
    let weight = weigh(&sandbox, count);
    if let Sandbox::Runc(runc) = &sandbox {
        runc.sweep()?;
    }
    Ok(weight?)
}

fn weigh(sandbox: &Sandbox<'_>, count: usize) -> Result<Weight, Error> {
    let before = settled()?;
    let mut children = sleeping(sandbox, count)?;
    let after = settled()?;
    let table = Processes::read()?;
    let clients: Vec<u32> = children.iter().map(Kept::id).collect();
    let mut weight = table.weight(&clients);
    weight.host = before.saturating_sub(after) as f64;
    let each = |total: f64| total / count as f64;
    let weight = Weight {
        host: each(weight.host),
        clients: each(weight.clients),
        agent: each(weight.agent),
        init: each(weight.init),
    };
    children.clear();
    if weight.host < weight.agent + weight.clients {
        let why = "others on the host freed more memory meanwhile; measure on a quiet one";
        return Err(Error::Unmet(why.to_owned()));
    }
    Ok(weight)
}

/// Starts so many sleeping commands, and returns once all of them sleep.
fn sleeping(sandbox: &Sandbox<'_>, count: usize) -> Result<Vec<Kept>, Error> {
    let one = |_| {
        let mut command = sandbox.command(Payload::Sleep);
        command.stdout(Stdio::piped());
        let mut child = Kept::spawn(&mut command, LIFE)?;
        first_byte(&mut child)?;
        Ok(child)
    };
    (0..count).map(one).collect()
}

/// `MemAvailable` in KiB, once it has stopped moving: the kernel frees the dead late.
fn settled() -> Result<u64, Error> {
    let until = Instant::now() + SETTLE;
    let mut last = available()?;
    loop {
        // Nothing announces that the kernel has freed what it will.
        thread::sleep(Duration::from_millis(300));
        let now = available()?;
        if now.abs_diff(last) < 256 || Instant::now() > until {
            return Ok(now);
        }
        last = now;
    }
}

fn available() -> Result<u64, Error> {
    let path = "/proc/meminfo";
    let text = fs::read_to_string(path).map_err(|source| Error::Io { what: path, source })?;
    let found = kibibytes(&text, "MemAvailable:");
    found.ok_or_else(|| Error::Unmet("no MemAvailable".to_owned()))
}

/// The first living child of this name.
pub(super) fn child_of(parent: u32, name: &str) -> Option<u32> {
    let processes = Processes::read().ok()?.0;
    let is_it = |(_, found): &(&u32, &(String, u32))| *found == &(name.to_owned(), parent);
    processes.iter().find(is_it).map(|(id, _)| *id)
}

/// What a process holds in memory in KiB: resident, and its share of that.
pub(super) fn held_by(id: u32) -> Option<(f64, f64)> {
    let text = fs::read_to_string(format!("/proc/{id}/smaps_rollup")).ok()?;
    let value = |name: &str| kibibytes(&text, name).map(|value| value as f64);
    Some((value("Rss:")?, value("Pss:")?))
}

fn kibibytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The host's processes by id, with name and parent.
#[derive(Debug)]
struct Processes(BTreeMap<u32, (String, u32)>);

impl Processes {
    fn read() -> Result<Self, Error> {
        let io = |source| Error::Io {
            what: "/proc",
            source,
        };
        let mut found = BTreeMap::new();
        for entry in fs::read_dir("/proc").map_err(io)? {
            let name = entry.map_err(io)?.file_name();
            let id = name.to_str().and_then(|name| name.parse().ok());
            // A process may be gone by the time it is looked at.
            let status = id.and_then(|id: u32| Some((id, status_of(id)?)));
            found.extend(status);
        }
        Ok(Self(found))
    }

    /// Private memory by role, of the commands that sleep and of what is around them.
    fn weight(&self, clients: &[u32]) -> Weight {
        let mut weight = Weight {
            clients: clients.iter().map(|id| private(*id)).sum(),
            ..Weight::default()
        };
        for (id, (name, parent)) in &self.0 {
            if name != "sleep" {
                continue;
            }
            weight.agent += private(*id);
            if !clients.contains(parent) && !clients.contains(id) {
                weight.init += private(*parent);
            }
        }
        weight
    }
}

fn status_of(id: u32) -> Option<(String, u32)> {
    let text = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let field = |name: &str| {
        Some(
            text.lines()
                .find_map(|it| it.strip_prefix(name))?
                .trim()
                .to_owned(),
        )
    };
    Some((field("Name:")?, field("PPid:")?.parse().ok()?))
}

/// Memory of a process alone in KiB; zero when it may not be read. Clean pages of files don't count:
/// the kernel calls them available.
fn private(id: u32) -> f64 {
    let text = fs::read_to_string(format!("/proc/{id}/smaps_rollup")).unwrap_or_default();
    kibibytes(&text, "Private_Dirty:").unwrap_or_default() as f64
}
