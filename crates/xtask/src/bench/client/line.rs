//! HTTP/1.1 over one connection: requests for one path, and their answers.
//!
//! Not for: where the connection leads (`way`).

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use super::way::{Stream, Way};

/// Longest head of a proxy's answer.
const HEAD_MAX: u64 = 16 * 1024;

type Open = BufReader<Box<dyn Stream>>;

/// A connection that is used for one request after the other, and replaced when the peer ends it.
pub(super) struct Line<'w> {
    way: &'w Way,
    ask: String,
    open: Option<Open>,
    /// The open connection has brought an answer before.
    used: bool,
    /// How many connections there were.
    pub(super) dialled: u64,
}

impl<'w> Line<'w> {
    pub(super) fn new(way: &'w Way, path: &str) -> Self {
        let target = &way.target;
        let absolute = way.proxy.is_some() && !way.is_tls();
        let origin = if absolute {
            format!("http://{target}")
        } else {
            String::new()
        };
        let ask = format!(
            "GET {origin}{path} HTTP/1.1\r\nHost: {target}\r\nConnection: keep-alive\r\n\r\n"
        );
        Self {
            way,
            ask,
            open: None,
            used: false,
            dialled: 0,
        }
    }

    /// The next request begins a connection.
    pub(super) fn hang_up(&mut self) {
        self.open = None;
    }

    /// One request. A connection that the peer has ended since the last one is replaced, as every
    /// client must be ready to do (RFC 9112, 9.3.1), and the time of that counts.
    pub(super) fn request(&mut self) -> io::Result<()> {
        self.send()?;
        self.receive()
    }

    /// Sends a request; [`Self::receive`] must follow.
    pub(super) fn send(&mut self) -> io::Result<()> {
        if let Some(stream) = &mut self.open {
            match stream.get_mut().write_all(self.ask.as_bytes()) {
                Err(error) if is_ended(&error) => {}
                sent => return sent,
            }
        }
        self.send_anew()
    }

    /// Receives the answer to the request that was sent, or to another one if the connection had ended.
    pub(super) fn receive(&mut self) -> io::Result<()> {
        let used = self.used;
        match self.answer() {
            Err(error) if used && is_ended(&error) => {
                self.send_anew()?;
                self.answer()
            }
            answered => answered,
        }
    }

    /// What an answer comes on, while one is awaited.
    pub(super) fn socket(&self) -> Option<BorrowedFd<'_>> {
        self.open.as_ref().map(|stream| stream.get_ref().socket())
    }

    fn send_anew(&mut self) -> io::Result<()> {
        let mut stream = BufReader::new(self.way.requests()?);
        stream.get_mut().write_all(self.ask.as_bytes())?;
        self.open = Some(stream);
        self.used = false;
        self.dialled += 1;
        Ok(())
    }

    /// Reads an answer; a connection that can't be used again is given up.
    fn answer(&mut self) -> io::Result<()> {
        let mut stream = self.open.take().ok_or(io::ErrorKind::NotConnected)?;
        let head = Head::read(&mut stream)?;
        head.expect_success()?;
        let stays = head.finish(&mut stream)?;
        self.open = Some(stream).filter(|_| stays);
        self.used = true;
        Ok(())
    }

    /// How long the first byte of an answer's content takes, the whole of which is then read.
    pub(super) fn first_byte(&mut self) -> io::Result<Duration> {
        let mut stream = match self.open.take() {
            Some(stream) => stream,
            None => BufReader::new(self.way.requests()?),
        };
        let started = Instant::now();
        stream.get_mut().write_all(self.ask.as_bytes())?;
        let head = Head::read(&mut stream)?;
        head.expect_success()?;
        stream.fill_buf()?;
        let took = started.elapsed();
        let stays = head.finish(&mut stream)?;
        self.open = Some(stream).filter(|_| stays);
        Ok(took)
    }
}

/// Whether the peer had ended the connection before the request came.
fn is_ended(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionReset | UnexpectedEof)
}

/// What the client needs of an answer's head.
#[derive(Debug)]
pub(super) struct Head {
    status: String,
    length: Option<u64>,
    stays: bool,
}

impl Head {
    pub(super) fn read(stream: &mut impl BufRead) -> io::Result<Self> {
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

    pub(super) fn expect_success(&self) -> io::Result<()> {
        if self.status.split(' ').nth(1) == Some("200") {
            return Ok(());
        }
        Err(io::Error::other(self.status.clone()))
    }

    /// Reads the content; says whether the connection can be used again.
    fn finish(&self, stream: &mut Open) -> io::Result<bool> {
        let length = self
            .length
            .ok_or_else(|| io::Error::other("no Content-Length"))?;
        let body = io::copy(&mut stream.take(length), &mut io::sink())?;
        if body < length {
            return Err(io::Error::other("a body cut short"));
        }
        Ok(self.stays)
    }
}
