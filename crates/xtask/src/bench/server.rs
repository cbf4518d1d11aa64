//! The servers that the proxies lead to: bulk bytes on demand, and small answers over HTTP/1.1.
//!
//! Not for: anything but loopback.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use crate::error::Error;

/// A connection that says nothing for so long has been forgotten.
const PATIENCE: Duration = Duration::from_secs(60);
/// Bytes written at once to a bulk stream.
const CHUNK: usize = 256 * 1024;
/// Longest line that is read.
const LINE_MAX: u64 = 16 * 1024;
/// Length of a small answer's body.
const BODY: usize = 128;

/// The two servers, up until the process ends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Servers {
    /// Sends as many bytes as a decimal line asks for, line after line.
    pub(crate) source: SocketAddr,
    /// Answers each request with a small body.
    pub(crate) web: SocketAddr,
}

impl Servers {
    /// Starts both.
    pub(crate) fn start() -> Result<Self, Error> {
        let start = |serve| {
            listen(serve).map_err(|source| Error::Io {
                what: "server",
                source,
            })
        };
        Ok(Self {
            source: start(send_bulk)?,
            web: start(answer)?,
        })
    }
}

type Serve = fn(TcpStream) -> io::Result<()>;

fn listen(serve: Serve) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let accept = move || {
        for stream in listener.incoming().map_while(Result::ok) {
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
    let (mut lines, mut stream) = prepare(stream)?;
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

fn answer(stream: TcpStream) -> io::Result<()> {
    let (mut lines, mut stream) = prepare(stream)?;
    let body = "x".repeat(BODY);
    let reply = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {BODY}\r\n\r\n{body}"
    );
    let last = reply.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
    let mut line = String::new();
    let mut closes = false;
    loop {
        line.clear();
        if lines.by_ref().take(LINE_MAX).read_line(&mut line)? == 0 {
            return Ok(());
        }
        let plain = line.trim_end();
        if plain.is_empty() {
            stream.write_all(if closes {
                last.as_bytes()
            } else {
                reply.as_bytes()
            })?;
            if closes {
                return Ok(());
            }
        }
        closes |= plain.ends_with("HTTP/1.0") || plain.eq_ignore_ascii_case("connection: close");
    }
}

fn prepare(stream: TcpStream) -> io::Result<(BufReader<TcpStream>, TcpStream)> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok((BufReader::new(stream.try_clone()?), stream))
}
