//! The servers that the proxies lead to: bulk bytes on demand, and small answers and slow ones over
//! HTTP/1.1.
//!
//! Not for: anything but loopback.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use sys::epoll::Poller;

use crate::error::Error;

/// A connection that says nothing for so long has been forgotten.
const PATIENCE: Duration = Duration::from_secs(60);
/// Bytes written at once to a bulk stream.
const CHUNK: usize = 256 * 1024;
/// Longest line that is read.
const LINE_MAX: u64 = 16 * 1024;
/// Length of a small answer's body.
const BODY: usize = 128;
/// What the slow answer says at once, and after its pause.
const PARTS: [&str; 2] = ["first part\n", "second part\n"];
/// How long the slow answer pauses in the middle: far longer than a proxy has reason to wait.
const PAUSE: Duration = Duration::from_millis(500);

/// Starts the server that sends as many bytes as a decimal line asks for, line after line. Like the
/// others it is up until the process ends.
pub(crate) fn bulk() -> Result<SocketAddr, Error> {
    listen(send_bulk)
}

/// Starts the server that answers each request with a small body, `/stream` with a slow one.
pub(crate) fn web() -> Result<SocketAddr, Error> {
    let web = Web::start()?;
    listen(move |stream| web.adopt(BufReader::new(Box::new(prepare(stream)?))))
}

/// The same inside TLS.
pub(crate) fn web_with_tls(config: Arc<ServerConfig>) -> Result<SocketAddr, Error> {
    let web = Web::start()?;
    listen(move |stream| {
        let tls = ServerConnection::new(Arc::clone(&config)).map_err(io::Error::other)?;
        let mut stream: Open = BufReader::new(Box::new(StreamOwned::new(tls, prepare(stream)?)));
        // With the end of the handshake a request may have come, of which the socket says no more.
        match answer(&mut stream)? {
            true => web.adopt(stream),
            false => Ok(()),
        }
    })
}

fn listen<S>(serve: S) -> Result<SocketAddr, Error>
where
    S: Fn(TcpStream) -> io::Result<()> + Send + Sync + 'static,
{
    try_listen(Arc::new(serve)).map_err(|source| Error::Io {
        what: "server",
        source,
    })
}

fn try_listen<S>(serve: Arc<S>) -> io::Result<SocketAddr>
where
    S: Fn(TcpStream) -> io::Result<()> + Send + Sync + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let accept = move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let serve = Arc::clone(&serve);
            let work = move || {
                // A client that hangs up in the middle counts its own failure.
                drop(serve(stream));
            };
            drop(thread::Builder::new().spawn(work));
        }
    };
    thread::Builder::new().spawn(accept)?;
    Ok(address)
}

fn send_bulk(stream: TcpStream) -> io::Result<()> {
    let mut stream = prepare(stream)?;
    let mut lines = BufReader::new(stream.try_clone()?);
    let bytes = vec![0x5a; CHUNK];
    let mut line = String::new();
    loop {
        line.clear();
        if lines.by_ref().take(LINE_MAX).read_line(&mut line)? == 0 {
            return Ok(());
        }
        let mut left: usize = line.trim().parse().unwrap_or(0);
        while left > 0 {
            let part = bytes.get(..left.min(CHUNK)).unwrap_or(&bytes);
            stream.write_all(part)?;
            left -= part.len();
        }
    }
}

/// A connection that requests come on.
trait Stream: Read + Write + Send {
    fn socket(&self) -> BorrowedFd<'_>;
}

type Open = BufReader<Box<dyn Stream>>;

impl Stream for TcpStream {
    fn socket(&self) -> BorrowedFd<'_> {
        self.as_fd()
    }
}

impl Stream for StreamOwned<ServerConnection, TcpStream> {
    fn socket(&self) -> BorrowedFd<'_> {
        self.sock.as_fd()
    }
}

/// Connections that one thread serves, so that the server takes as little as it can of the processors
/// that the proxies need.
struct Web {
    poller: Poller,
    open: Mutex<HashMap<u64, Open>>,
    adopted: AtomicU64,
}

impl Web {
    fn start() -> Result<Arc<Self>, Error> {
        let poller = Poller::new().map_err(|error| Error::Unmet(error.to_string()))?;
        let web = Arc::new(Self {
            poller,
            open: Mutex::default(),
            adopted: AtomicU64::new(0),
        });
        let serving = Arc::clone(&web);
        let spawned = thread::Builder::new().spawn(move || serving.serve());
        spawned.map_err(|source| Error::Io {
            what: "server",
            source,
        })?;
        Ok(web)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn adopt(&self, stream: Open) -> io::Result<()> {
        let number = self.adopted.fetch_add(1, Ordering::Relaxed);
        let mut open = self.lock();
        let added = self.poller.add(stream.get_ref().socket(), number);
        added.map_err(io::Error::other)?;
        open.insert(number, stream);
        Ok(())
    }

    fn serve(&self) {
        while let Ok(ready) = self.poller.wait(None) {
            for number in ready {
                let Some(mut stream) = self.lock().remove(&number) else {
                    continue;
                };
                // One that fails, or that hangs up, is dropped; its client counts the failure.
                if matches!(answer(&mut stream), Ok(true)) {
                    self.lock().insert(number, stream);
                }
            }
        }
    }
}

/// Reads a request and answers it; says whether another may come.
fn answer(stream: &mut Open) -> io::Result<bool> {
    let mut line = String::new();
    let mut asked = Asked::default();
    loop {
        line.clear();
        if stream.by_ref().take(LINE_MAX).read_line(&mut line)? == 0 {
            return Ok(false);
        }
        if line.trim_end().is_empty() {
            break;
        }
        asked.note(line.trim_end());
    }
    let to = stream.get_mut();
    if asked.slow {
        answer_slowly(to)?;
    } else {
        let more = if asked.closes {
            "Connection: close\r\n"
        } else {
            ""
        };
        let body = [b'x'; BODY];
        to.write_all(&[head(BODY, more).as_bytes(), &body].concat())?;
    }
    to.flush()?;
    Ok(!asked.closes)
}

/// What a request wants, as far as this server cares.
#[derive(Debug, Default)]
struct Asked {
    slow: bool,
    closes: bool,
}

impl Asked {
    fn note(&mut self, line: &str) {
        self.slow |= line.starts_with("GET ") && line.contains("/stream ");
        self.closes |= line.ends_with("HTTP/1.0") || line.eq_ignore_ascii_case("connection: close");
    }
}

fn answer_slowly(stream: &mut impl Write) -> io::Result<()> {
    let [first, second] = PARTS;
    let head = head(first.len() + second.len(), "");
    stream.write_all((head + first).as_bytes())?;
    stream.flush()?;
    thread::sleep(PAUSE);
    stream.write_all(second.as_bytes())
}

fn head(length: usize, more: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n{more}\r\n")
}

fn prepare(stream: TcpStream) -> io::Result<TcpStream> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}
