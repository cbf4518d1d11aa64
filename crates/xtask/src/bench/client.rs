//! The client of the proxy measurements: runs in the jail against our proxy, on the host against others.
//!
//! | module | holds |
//! | --- | --- |
//! | `way` | through which proxy to which server, in clear or in TLS |
//! | `line` | HTTP/1.1 over one connection |
//! | `crowd` | a deed done over and over by some threads |
//! | `juggle` | requests on many connections at once |
//! | `idle` | connections that are held and not used |
//! | `flood` | a client that wants to be in the way of others |
//!
//! Not for: servers (`server`) or judging (`figure`).

mod crowd;
mod flood;
mod idle;
mod juggle;
mod line;
mod way;

use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::time::Instant;

use clap::Subcommand;
use serde::{Deserialize, Serialize};

use self::crowd::crowd;
use self::juggle::juggle;
use self::line::Line;
use self::way::{To, Way};
use super::sample::Sample;
use crate::error::Error;

/// Bytes read at once from a bulk stream: as much as a socket buffer usually holds.
const CHUNK: usize = 256 * 1024;

/// What the client does.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Task {
    /// Reads this many bytes over one tunnel.
    Download {
        #[command(flatten)]
        to: To,
        #[arg(long)]
        bytes: u64,
    },
    /// Opens tunnels one after the other on each of some threads, a byte over each.
    Tunnels {
        #[command(flatten)]
        to: To,
        #[arg(long)]
        seconds: f64,
        #[arg(long)]
        at_once: usize,
    },
    /// Sends requests for a small body, one after the other on each of some connections.
    Requests {
        #[command(flatten)]
        to: To,
        #[arg(long)]
        seconds: f64,
        #[arg(long)]
        at_once: usize,
        /// Each on a connection of its own
        #[arg(long)]
        fresh: bool,
    },
    /// Waits for the first byte of streams that go on half a second later, one after the other.
    Stream {
        #[command(flatten)]
        to: To,
        #[arg(long)]
        times: usize,
    },
    /// Opens so many connections, with a request over each where they are in TLS; says so, and holds them
    /// until its standard input ends.
    Hold {
        #[command(flatten)]
        to: To,
        #[arg(long)]
        connections: usize,
    },
    /// Is in the way of others: connections, slow heads, names, and answers that it never reads.
    Flood {
        #[command(flatten)]
        to: To,
        #[arg(long)]
        seconds: f64,
    },
    /// Measures its own system calls under the program in this file, or under none.
    Filter {
        #[arg(long)]
        program: Option<PathBuf>,
    },
}

/// What the client saw, as it prints it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Seen {
    /// Bytes, tunnels or requests.
    pub(crate) count: u64,
    /// From the first to the last.
    pub(crate) seconds: f64,
    /// Microseconds of one, middle.
    pub(crate) p50_us: f64,
    /// Microseconds of one, 99th percentile.
    pub(crate) p99_us: f64,
    /// Microseconds of processor time that the proxy's process took for one; whoever runs the client knows.
    #[serde(default)]
    pub(crate) proxy_us: f64,
    /// How many failed; they are not in `count`.
    pub(crate) errors: u64,
    /// The first failure.
    pub(crate) first_error: Option<String>,
}

/// Does the task and prints what was seen as one JSON line.
pub(crate) fn run(task: Task) -> Result<(), Error> {
    match task {
        Task::Filter { program } => say(&super::filter::measure_installed(program.as_deref())?),
        Task::Hold { to, connections } => {
            let way = Way::new(to)?;
            let held = idle::open(&way, connections);
            say(&held.seen)?;
            held.until_told()
        }
        other => say(&perform(other)?),
    }
}

fn say(seen: &impl Serialize) -> Result<(), Error> {
    let text = serde_json::to_string(seen).map_err(|source| Error::Report {
        path: "stdout".into(),
        source,
    })?;
    print(&text);
    Ok(())
}

#[expect(clippy::print_stdout, reason = "this line is the client's result")]
fn print(text: &str) {
    println!("{text}");
}

fn perform(task: Task) -> Result<Seen, Error> {
    match task {
        Task::Download { to, bytes } => download(&Way::new(to)?, bytes).map_err(io("download")),
        Task::Tunnels {
            to,
            seconds,
            at_once,
        } => {
            let way = Way::new(to)?;
            Ok(crowd(at_once, seconds, || || one_tunnel(&way)))
        }
        Task::Requests {
            to,
            seconds,
            at_once,
            fresh,
        } => {
            let way = Way::new(to)?;
            if at_once > 1 && !fresh {
                return juggle(&way, at_once, seconds);
            }
            Ok(crowd(at_once, seconds, || requests(&way, fresh)))
        }
        Task::Stream { to, times } => first_bytes(&Way::new(to)?, times).map_err(io("stream")),
        Task::Flood { to, seconds } => flood::run(&Way::new(to)?, seconds),
        Task::Filter { .. } | Task::Hold { .. } => Err(Error::Unmet("no network task".to_owned())),
    }
}

fn download(way: &Way, bytes: u64) -> io::Result<Seen> {
    let mut stream = way.tunnel()?;
    let started = Instant::now();
    stream.write_all(format!("{bytes}\n").as_bytes())?;
    let mut chunk = vec![0; CHUNK];
    let mut left = bytes;
    while left > 0 {
        let count = stream.read(&mut chunk)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        left = left.saturating_sub(count as u64);
    }
    Ok(Seen {
        count: bytes,
        seconds: started.elapsed().as_secs_f64(),
        ..Seen::default()
    })
}

fn one_tunnel(way: &Way) -> io::Result<()> {
    let mut stream = way.tunnel()?;
    stream.write_all(b"1\n")?;
    stream.read_exact(&mut [0])
}

fn requests(way: &Way, fresh: bool) -> impl FnMut() -> io::Result<()> {
    let mut line = Line::new(way, "/small");
    move || {
        if fresh {
            line.hang_up();
        }
        line.request()
    }
}

/// One connection, so that only the stream is timed.
fn first_bytes(way: &Way, times: usize) -> io::Result<Seen> {
    let mut line = Line::new(way, "/stream");
    line.request()?;
    let started = Instant::now();
    let waits: io::Result<Vec<_>> = (0..times).map(|_| line.first_byte()).collect();
    let sample = Sample::of(waits?);
    Ok(Seen {
        count: sample.len() as u64,
        seconds: started.elapsed().as_secs_f64(),
        p50_us: sample.microseconds(50),
        p99_us: sample.microseconds(99),
        ..Seen::default()
    })
}

fn io(what: &'static str) -> impl Fn(io::Error) -> Error {
    move |source| Error::Io { what, source }
}
