//! An HTTP/1.1 server for tests: a closure answers, and every request is kept for inspection.
//!
//! Not for: judging requests; it takes what comes. Servers that break the protocol are in `raw`.

mod reading;
mod writing;

use std::fmt;
use std::io::{self, BufReader, Write};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use crate::authority::Identity;
use crate::server::{Channel, Server, Traffic};

/// A request as it arrived.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Method.
    pub method: String,
    /// Request target, query included.
    pub target: String,
    /// Header fields in order.
    pub headers: Vec<(String, String)>,
    /// The body's first 16 MiB, without transfer coding.
    pub body: Vec<u8>,
    /// Length of the whole body.
    pub body_bytes: u64,
}

impl Request {
    /// The first value of a header field, by name in any case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut fields = self.headers.iter();
        let field = fields.find(|(field, _)| field.eq_ignore_ascii_case(name));
        field.map(|(_, value)| value.as_str())
    }

    /// The target without its query.
    #[must_use]
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// What follows the first `?` of the target.
    #[must_use]
    pub fn query(&self) -> &str {
        self.target.split_once('?').map_or("", |(_, query)| query)
    }
}

/// An answer: status, header fields and body. Framing fields are added by the server.
#[derive(Debug)]
pub struct Response {
    status: u16,
    headers: Vec<(String, String)>,
    body: Body,
}

impl Response {
    /// 200 with this body.
    pub fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self::new(200, Body::Bytes(body.into()))
    }

    /// Any status with any body.
    #[must_use]
    pub const fn new(status: u16, body: Body) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body,
        }
    }

    /// 404.
    #[must_use]
    pub fn not_found() -> Self {
        Self::new(404, Body::Bytes(b"not found\n".to_vec()))
    }

    /// The same answer with one more header field.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// Writes a body piece by piece; each write becomes a chunk and leaves at once.
pub type Writer = Box<dyn FnOnce(&mut dyn Write) -> io::Result<()> + Send>;
/// Takes the connection over after the head was sent.
pub type Takeover = Box<dyn FnOnce(&mut BufReader<Channel>) -> io::Result<()> + Send>;

/// The body of an answer.
pub enum Body {
    /// With `Content-Length`.
    Bytes(Vec<u8>),
    /// This many zero bytes with `Content-Length`, made as they go.
    Zeros(u64),
    /// Chunked, made by the closure.
    Stream(Writer),
    /// `Content-Length` promises the first number, but only these bytes come, then the end.
    Cut(u64, Vec<u8>),
    /// No framing at all: the closure speaks, then the connection ends.
    Takeover(Takeover),
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bytes(_) => "Bytes",
            Self::Zeros(_) => "Zeros",
            Self::Stream(_) => "Stream",
            Self::Cut(..) => "Cut",
            Self::Takeover(_) => "Takeover",
        })
    }
}

/// A running HTTP server.
#[derive(Debug)]
pub struct Http {
    server: Server,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Http {
    /// Serves in clear.
    pub fn plain<F>(handler: F) -> Self
    where
        F: Fn(&Request) -> Response + Send + Sync + 'static,
    {
        Self::start(None, handler)
    }

    /// Serves under TLS.
    pub fn tls<F>(identity: &Identity, handler: F) -> Self
    where
        F: Fn(&Request) -> Response + Send + Sync + 'static,
    {
        Self::start(Some(identity), handler)
    }

    /// Serves under TLS when there is an identity, in clear otherwise.
    pub fn start<F>(identity: Option<&Identity>, handler: F) -> Self
    where
        F: Fn(&Request) -> Response + Send + Sync + 'static,
    {
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        let tls = identity.map(|identity| Arc::clone(&identity.config));
        let server = Server::start(tls, move |channel| {
            serve(channel, |request| {
                let answer = handler(&request);
                seen.lock().unwrap().push(request);
                answer
            })
        });
        Self { server, requests }
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Bytes on its sockets.
    #[must_use]
    pub fn traffic(&self) -> &Traffic {
        self.server.traffic()
    }

    /// Every request so far, in order of arrival.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

fn serve(channel: Channel, handler: impl Fn(Request) -> Response) -> io::Result<()> {
    let mut connection = BufReader::with_capacity(64 * 1024, channel);
    while let Some(request) = reading::request(&mut connection)? {
        let head_only = request.method == "HEAD";
        let close = request
            .header("connection")
            .is_some_and(|value| value.eq_ignore_ascii_case("close"));
        let answer = handler(request);
        let goes_on = writing::response(&mut connection, answer, head_only)?;
        if close || !goes_on {
            break;
        }
    }
    connection.get_mut().finish()
}
