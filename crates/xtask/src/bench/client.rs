//! The client of the proxy measurements: runs in the jail against our proxy, on the host against others.
//!
//! Not for: servers (`server`) or judging (`figure`).

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use clap::Subcommand;
use serde::{Deserialize, Serialize};

use super::sample::Sample;
use crate::error::Error;

/// No single answer may take longer.
const PATIENCE: Duration = Duration::from_secs(20);
/// Bytes read at once from a bulk stream: as much as a socket buffer usually holds.
const CHUNK: usize = 256 * 1024;
/// Longest head of a proxy's answer.
const HEAD_MAX: u64 = 16 * 1024;

/// What the client does. Without `proxy` it goes by `HTTP_PROXY`; `direct` means none.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Task {
    /// Reads this many bytes over one tunnel.
    Download {
        #[arg(long)]
        proxy: Option<String>,
        #[arg(long)]
        target: String,
        #[arg(long)]
        bytes: u64,
    },
    /// Opens tunnels one after the other on each of some threads, a byte over each.
    Tunnels {
        #[arg(long)]
        proxy: Option<String>,
        #[arg(long)]
        target: String,
        #[arg(long)]
        seconds: f64,
        #[arg(long)]
        at_once: usize,
    },
    /// Sends requests for a small body, one after the other on each of some connections.
    Requests {
        #[arg(long)]
        proxy: Option<String>,
        #[arg(long)]
        target: String,
        #[arg(long)]
        seconds: f64,
        #[arg(long)]
        at_once: usize,
    },
    /// Measures its own system calls under the program in this file, or under none.
    Filter {
        #[arg(long)]
        program: Option<std::path::PathBuf>,
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
    /// How many failed; they are not in `count`.
    pub(crate) errors: u64,
    /// The first failure.
    pub(crate) first_error: Option<String>,
}

/// Does the task and prints what was seen as one JSON line.
pub(crate) fn run(task: Task) -> Result<(), Error> {
    match task {
        Task::Filter { program } => say(&super::filter::measure_installed(program.as_deref())?),
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
        Task::Download {
            proxy,
            target,
            bytes,
        } => download(&Way::new(proxy, target), bytes).map_err(io("download")),
        Task::Tunnels {
            proxy,
            target,
            seconds,
            at_once,
        } => {
            let way = Way::new(proxy, target);
            Ok(crowd(at_once, seconds, || || one_tunnel(&way)))
        }
        Task::Requests {
            proxy,
            target,
            seconds,
            at_once,
        } => {
            let way = Way::new(proxy, target);
            Ok(crowd(at_once, seconds, || {
                let mut line = Line::new(&way);
                move || line.request()
            }))
        }
        Task::Filter { .. } => Err(Error::Unmet("no network task".to_owned())),
    }
}

/// Through which proxy to which target.
#[derive(Debug)]
struct Way {
    proxy: Option<String>,
    target: String,
}

impl Way {
    fn new(proxy: Option<String>, target: String) -> Self {
        let environment = || {
            let url = std::env::var("HTTP_PROXY").ok()?;
            Some(
                url.trim_start_matches("http://")
                    .trim_end_matches('/')
                    .to_owned(),
            )
        };
        let proxy = proxy.or_else(environment).filter(|name| name != "direct");
        Self { proxy, target }
    }

    fn dial(&self) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(self.proxy.as_ref().unwrap_or(&self.target))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(stream)
    }

    /// A connection to the target, through a tunnel if there is a proxy.
    fn tunnel(&self) -> io::Result<TcpStream> {
        let mut stream = self.dial()?;
        if self.proxy.is_some() {
            let target = &self.target;
            let ask = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n");
            stream.write_all(ask.as_bytes())?;
            // The target is silent until it is spoken to, so nothing but the head can come.
            let head = Head::read(&mut BufReader::with_capacity(1024, &stream))?;
            head.expect_success()?;
        }
        Ok(stream)
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

/// A connection that is used for one request after the other, and replaced when the peer ends it.
#[derive(Debug)]
struct Line<'w> {
    way: &'w Way,
    ask: String,
    open: Option<BufReader<TcpStream>>,
}

impl<'w> Line<'w> {
    fn new(way: &'w Way) -> Self {
        let target = &way.target;
        let origin = way
            .proxy
            .as_ref()
            .map_or_else(String::new, |_| format!("http://{target}"));
        let ask = format!(
            "GET {origin}/small HTTP/1.1\r\nHost: {target}\r\nConnection: keep-alive\r\n\r\n"
        );
        Self {
            way,
            ask,
            open: None,
        }
    }

    /// One request. A connection that the peer has ended since the last one is replaced, as every
    /// client must be ready to do (RFC 9112, 9.3.1), and the time of that counts.
    fn request(&mut self) -> io::Result<()> {
        if let Some(mut stream) = self.open.take() {
            match self.ask_over(&mut stream) {
                Ok(stays) => {
                    self.open = Some(stream).filter(|_| stays);
                    return Ok(());
                }
                Err(error) if is_ended(&error) => {}
                Err(error) => return Err(error),
            }
        }
        let mut stream = BufReader::new(self.way.dial()?);
        let stays = self.ask_over(&mut stream)?;
        self.open = Some(stream).filter(|_| stays);
        Ok(())
    }

    /// Asks and reads the answer; says whether the connection can be used again.
    fn ask_over(&self, stream: &mut BufReader<TcpStream>) -> io::Result<bool> {
        stream.get_mut().write_all(self.ask.as_bytes())?;
        let head = Head::read(stream)?;
        head.expect_success()?;
        let length = head
            .length
            .ok_or_else(|| io::Error::other("no Content-Length"))?;
        let body = io::copy(&mut stream.take(length), &mut io::sink())?;
        if body < length {
            return Err(io::Error::other("a body cut short"));
        }
        Ok(head.stays)
    }
}

/// Whether the peer had ended the connection before the request came.
fn is_ended(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionReset | UnexpectedEof)
}

/// What the client needs of an answer's head.
#[derive(Debug)]
struct Head {
    status: String,
    length: Option<u64>,
    stays: bool,
}

impl Head {
    fn read(stream: &mut impl BufRead) -> io::Result<Self> {
        let mut stream = stream.take(HEAD_MAX);
        let mut line = String::new();
        stream.read_line(&mut line)?;
        let mut head = Self {
            stays: line.starts_with("HTTP/1.1"),
            status: line.trim_end().to_owned(),
            length: None,
        };
        loop {
            line.clear();
            if stream.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let Some((name, value)) = line.trim_end().split_once(':') else {
                return Ok(head);
            };
            head.note(&name.to_ascii_lowercase(), value.trim());
        }
    }

    fn note(&mut self, name: &str, value: &str) {
        match name {
            "content-length" => self.length = value.parse().ok(),
            "connection" if value.eq_ignore_ascii_case("close") => self.stays = false,
            _ => {}
        }
    }

    fn expect_success(&self) -> io::Result<()> {
        if self.status.split(' ').nth(1) == Some("200") {
            return Ok(());
        }
        Err(io::Error::other(self.status.clone()))
    }
}

/// Runs a deed over and over on each of some threads until the time is over. `make` makes each thread its own.
fn crowd<D>(at_once: usize, seconds: f64, make: impl Fn() -> D + Sync) -> Seen
where
    D: FnMut() -> io::Result<()>,
{
    let ready = Barrier::new(at_once + 1);
    let limit = Duration::from_secs_f64(seconds);
    let work = || {
        let mut deed = make();
        let mut hand = Hand::default();
        // The first one makes connections and warms caches; only its failure counts.
        hand.take(deed(), None);
        ready.wait();
        let started = Instant::now();
        while started.elapsed() < limit && hand.errors.len() < ERRORS_MAX {
            let before = Instant::now();
            let outcome = deed();
            hand.take(outcome, Some(before.elapsed()));
        }
        hand
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..at_once).map(|_| scope.spawn(work)).collect();
        ready.wait();
        let started = Instant::now();
        let hands: Vec<Hand> = threads
            .into_iter()
            .filter_map(|it| it.join().ok())
            .collect();
        sum(hands, started.elapsed())
    })
}

/// A thread that has seen so many failures has seen enough.
const ERRORS_MAX: usize = 20;

/// What one thread has done.
#[derive(Debug, Default)]
struct Hand {
    durations: Vec<Duration>,
    errors: Vec<String>,
}

impl Hand {
    fn take(&mut self, outcome: io::Result<()>, duration: Option<Duration>) {
        match outcome {
            Ok(()) => self.durations.extend(duration),
            Err(error) => self.errors.push(error.to_string()),
        }
    }
}

fn sum(hands: Vec<Hand>, elapsed: Duration) -> Seen {
    let mut durations = Vec::new();
    let mut errors = Vec::new();
    for mut hand in hands {
        durations.append(&mut hand.durations);
        errors.append(&mut hand.errors);
    }
    let sample = Sample::of(durations);
    Seen {
        count: sample.len() as u64,
        seconds: elapsed.as_secs_f64(),
        p50_us: sample.microseconds(50),
        p99_us: sample.microseconds(99),
        errors: errors.len() as u64,
        first_error: errors.into_iter().next(),
    }
}

fn io(what: &'static str) -> impl Fn(io::Error) -> Error {
    move |source| Error::Io { what, source }
}
