//! A TCP listener with a thread for each connection, which counts bytes and ends on drop.
//!
//! Not for: any protocol above TCP and TLS.

use std::collections::HashMap;
use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use socket2::SockRef;

/// What crossed a server's sockets so far. With TLS these are the bytes of the records.
#[derive(Debug, Default)]
pub struct Traffic {
    connections: AtomicU64,
    received: AtomicU64,
    sent: AtomicU64,
}

impl Traffic {
    /// Connections accepted.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::SeqCst)
    }

    /// Bytes read from all sockets.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::SeqCst)
    }

    /// Bytes written to all sockets.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::SeqCst)
    }

    /// Counts a connection and returns its number.
    pub(crate) fn connect(&self) -> u64 {
        self.connections.fetch_add(1, Ordering::SeqCst)
    }

    pub(crate) fn receive(&self, bytes: usize) {
        self.received.fetch_add(bytes as u64, Ordering::SeqCst);
    }

    pub(crate) fn send(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Ordering::SeqCst);
    }
}

/// A running server. Dropping it stops listening and shuts down every connection.
pub struct Server {
    address: SocketAddr,
    traffic: Arc<Traffic>,
    stop: Arc<AtomicBool>,
    open: Open,
    /// A second handle, to wake the first.
    listener: TcpListener,
    accepting: Option<JoinHandle<()>>,
}

/// Second handles of the living connections, by number.
type Open = Arc<Mutex<HashMap<u64, TcpStream>>>;

impl Server {
    /// Listens on a free port of 127.0.0.1 and calls `serve` in a thread for each connection, after
    /// the TLS handshake when `tls` is set. What `serve` returns ends the connection; an error is
    /// the peer's affair and goes no further.
    pub fn start<F>(tls: Option<Arc<ServerConfig>>, serve: F) -> Self
    where
        F: Fn(Channel) -> io::Result<()> + Send + Sync + 'static,
    {
        Self::on(TcpListener::bind(("127.0.0.1", 0)).unwrap(), tls, serve)
    }

    /// The same on a listener that there is already.
    pub fn on<F>(listener: TcpListener, tls: Option<Arc<ServerConfig>>, serve: F) -> Self
    where
        F: Fn(Channel) -> io::Result<()> + Send + Sync + 'static,
    {
        let address = listener.local_addr().unwrap();
        let traffic = Arc::new(Traffic::default());
        let stop = Arc::new(AtomicBool::new(false));
        let open = Open::default();
        let accept = Accept {
            traffic: Arc::clone(&traffic),
            stop: Arc::clone(&stop),
            open: Arc::clone(&open),
            tls,
            serve: Arc::new(serve),
        };
        let second = listener.try_clone().unwrap();
        let accepting = thread::Builder::new()
            .name("testkit-accept".to_owned())
            .spawn(move || accept.run(&listener))
            .unwrap();
        Self {
            address,
            traffic,
            stop,
            open,
            listener: second,
            accepting: Some(accepting),
        }
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its counters.
    #[must_use]
    pub fn traffic(&self) -> &Traffic {
        &self.traffic
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("address", &self.address)
            .field("traffic", &self.traffic)
            .finish_non_exhaustive()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // Wakes the accept call, which then fails.
        drop(SockRef::from(&self.listener).shutdown(Shutdown::Both));
        if let Some(accepting) = self.accepting.take() {
            drop(accepting.join());
        }
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        for (_, stream) in open.drain() {
            drop(stream.shutdown(Shutdown::Both));
        }
    }
}

struct Accept<F> {
    traffic: Arc<Traffic>,
    stop: Arc<AtomicBool>,
    open: Open,
    tls: Option<Arc<ServerConfig>>,
    serve: Arc<F>,
}

impl<F> Accept<F>
where
    F: Fn(Channel) -> io::Result<()> + Send + Sync + 'static,
{
    fn run(self, listener: &TcpListener) {
        while let Ok((stream, _peer)) = listener.accept() {
            if self.stop.load(Ordering::SeqCst) {
                return;
            }
            let number = self.traffic.connect();
            self.connection(number, stream);
        }
    }

    fn connection(&self, number: u64, stream: TcpStream) {
        let second = stream.try_clone().unwrap();
        self.open.lock().unwrap().insert(number, second);
        let (open, serve) = (Arc::clone(&self.open), Arc::clone(&self.serve));
        let wire = Wire {
            stream,
            traffic: Arc::clone(&self.traffic),
        };
        let tls = self.tls.clone();
        let serving = move || {
            // A peer that breaks off is what many tests are about; its own side reports it.
            drop(Channel::accept(wire, tls).and_then(|channel| serve(channel)));
            open.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .remove(&number);
        };
        thread::Builder::new()
            .name("testkit-serve".to_owned())
            .spawn(serving)
            .unwrap();
    }
}

/// One accepted connection, in clear or under TLS.
#[derive(Debug)]
pub enum Channel {
    /// TCP as it is.
    Plain(Wire),
    /// TLS over it.
    Tls(Box<StreamOwned<ServerConnection, Wire>>),
}

impl Channel {
    fn accept(wire: Wire, tls: Option<Arc<ServerConfig>>) -> io::Result<Self> {
        wire.stream.set_nodelay(true)?;
        let Some(config) = tls else {
            return Ok(Self::Plain(wire));
        };
        let connection = ServerConnection::new(config).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(connection, wire);
        stream.conn.complete_io(&mut stream.sock)?;
        Ok(Self::Tls(Box::new(stream)))
    }

    /// The socket below.
    #[must_use]
    pub fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(wire) => &wire.stream,
            Self::Tls(stream) => &stream.sock.stream,
        }
    }

    /// Ends our direction in order: `close_notify` under TLS, then FIN. The other direction stays.
    ///
    /// # Errors
    /// Those of writing.
    pub fn finish(&mut self) -> io::Result<()> {
        if let Self::Tls(stream) = self {
            stream.conn.send_close_notify();
            stream.conn.complete_io(&mut stream.sock)?;
        }
        self.socket().shutdown(Shutdown::Write)
    }
}

impl Read for Channel {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(wire) => wire.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Channel {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(wire) => wire.write(buffer),
            Self::Tls(stream) => stream.write(buffer),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(wire) => wire.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}

/// A socket that counts.
#[derive(Debug)]
pub struct Wire {
    stream: TcpStream,
    traffic: Arc<Traffic>,
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.stream.read(buffer)?;
        self.traffic.receive(count);
        Ok(count)
    }
}

impl Write for Wire {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let count = self.stream.write(buffer)?;
        self.traffic.send(count);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}
