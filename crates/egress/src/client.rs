//! A connection from the jail: every byte read from it and written to it is counted.
//!
//! Not for: what the bytes mean.

mod polled;

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{BufMut, BytesMut};
use rustls::ServerConfig;
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::http2;
use crate::limits::{BUFFER, HELLO_TIMEOUT, LINGER, LINGER_BYTES, WRITE_IDLE};
use crate::meter::Meter;
use crate::reconcile;
use crate::tls::{Tls, Wire};
use crate::upstream::Attempt;

pub(crate) use polled::Polled;

/// The jail's side of an exchange, in clear or inside TLS that this side answers.
#[derive(Debug)]
pub(crate) struct Client {
    wire: JailWire,
    tls: Option<Box<Tls>>,
}

/// The connection itself. Its counts are what the kernel's are compared with.
#[derive(Debug)]
struct JailWire {
    stream: TcpStream,
    meter: Arc<Meter>,
    read: AtomicU64,
    written: AtomicU64,
}

impl Client {
    pub(crate) fn new(stream: TcpStream, meter: Arc<Meter>) -> Self {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY was refused");
        }
        let wire = JailWire {
            stream,
            meter,
            read: AtomicU64::new(0),
            written: AtomicU64::new(0),
        };
        Self { wire, tls: None }
    }

    /// Answers a TLS handshake whose first bytes were read already; all that follows is inside it.
    ///
    /// # Errors
    /// What the client did instead, or its alert.
    pub(crate) async fn accept_tls(
        &mut self,
        config: Arc<ServerConfig>,
        first: BytesMut,
    ) -> io::Result<()> {
        let tls = Tls::server(config, first)?;
        let shaking = tls.handshake(&self.wire);
        timeout(HELLO_TIMEOUT, shaking)
            .await
            .unwrap_or_else(|_elapsed| Err(io::ErrorKind::TimedOut.into()))?;
        self.tls = Some(Box::new(tls));
        Ok(())
    }

    /// True when both sides agreed on HTTP/2.
    pub(crate) fn speaks_http2(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.speaks(http2::ALPN))
    }

    /// The connection, for transfers that go around this type; they report what they moved. `None`
    /// when its bytes are TLS records.
    pub(crate) fn clear(&self) -> Option<&TcpStream> {
        self.tls.is_none().then_some(&self.wire.stream)
    }

    /// The connection, to ask where it was meant to go.
    pub(crate) fn stream(&self) -> &TcpStream {
        &self.wire.stream
    }

    /// Counts bytes that were taken from [`Self::clear`].
    pub(crate) fn add_read(&self, bytes: usize) {
        self.wire.add_read(bytes);
    }

    /// Counts bytes that were given to [`Self::clear`].
    pub(crate) fn add_written(&self, bytes: usize) {
        self.wire.add_written(bytes);
    }

    /// Reads what is there, [`BUFFER`] at most in the buffer. 0 means the end.
    pub(crate) async fn read(&self, buffer: &mut BytesMut) -> io::Result<usize> {
        if let Some(tls) = &self.tls {
            return tls.read(&self.wire, buffer).await;
        }
        make_room(buffer);
        loop {
            match self.wire.try_read(buffer)? {
                Attempt::Moved(count) => return Ok(count),
                Attempt::Pending | Attempt::Contended => self.wire.stream.readable().await?,
            }
        }
    }

    /// Writes all of it; a client that takes nothing for a while is an error.
    pub(crate) async fn write(&self, mut bytes: &[u8]) -> io::Result<()> {
        if let Some(tls) = &self.tls {
            return tls.write(&self.wire, bytes).await;
        }
        while !bytes.is_empty() {
            match self.wire.try_write(bytes)? {
                Attempt::Moved(count) => bytes = bytes.get(count..).unwrap_or_default(),
                Attempt::Pending | Attempt::Contended => {
                    within(WRITE_IDLE, self.wire.stream.writable()).await?;
                }
            }
        }
        Ok(())
    }

    /// Says that nothing more will be written.
    pub(crate) fn end(&self) -> io::Result<()> {
        if let Some(tls) = &self.tls {
            tls.announce_end(&self.wire)?;
        }
        shutdown(&self.wire.stream)
    }

    /// Closes so that the last answer arrives: what the client still sends is read and dropped for
    /// a short while, since closing over unread bytes resets the connection.
    pub(crate) async fn finish(self) {
        if self.end().is_err() {
            return;
        }
        // Nothing is owed to a client that lingers longer.
        drop(timeout(LINGER, self.discard()).await);
    }

    /// Resets the connection, so that nobody takes what was cut off for complete.
    pub(crate) fn abort(self) {
        if let Err(error) = socket(&self.wire.stream).set_linger(Some(Duration::ZERO)) {
            tracing::debug!(%error, "SO_LINGER was refused");
        }
    }

    async fn discard(&self) {
        let mut scratch = BytesMut::with_capacity(BUFFER);
        let mut dropped = 0_u64;
        while dropped < LINGER_BYTES {
            scratch.clear();
            match self.wire.try_read(&mut scratch) {
                Ok(Attempt::Moved(count)) if count > 0 => {
                    dropped = dropped.saturating_add(count as u64);
                }
                Ok(Attempt::Pending | Attempt::Contended) => {
                    if self.wire.stream.readable().await.is_err() {
                        return;
                    }
                }
                Ok(Attempt::Moved(_)) | Err(_) => return,
            }
        }
    }
}

impl JailWire {
    fn add_read(&self, bytes: usize) {
        self.read.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    fn add_written(&self, bytes: usize) {
        self.written.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

impl Wire for JailWire {
    fn try_read(&self, buffer: &mut BytesMut) -> io::Result<Attempt> {
        attempt(read_some(&self.stream, buffer).inspect(|count| self.add_read(*count)))
    }

    fn try_write(&self, bytes: &[u8]) -> io::Result<Attempt> {
        attempt(
            self.stream
                .try_write(bytes)
                .inspect(|count| self.add_written(*count)),
        )
    }

    async fn readable(&self) -> io::Result<()> {
        self.stream.readable().await
    }

    async fn writable(&self) -> io::Result<()> {
        self.stream.writable().await
    }
}

impl Drop for JailWire {
    fn drop(&mut self) {
        let read = self.read.load(Ordering::Relaxed);
        let written = self.written.load(Ordering::Relaxed);
        self.meter
            .add_connection(&reconcile::connection(self.stream.as_fd(), read, written));
    }
}

fn attempt(moved: io::Result<usize>) -> io::Result<Attempt> {
    match moved {
        Ok(count) => Ok(Attempt::Moved(count)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Attempt::Pending),
        Err(error) => Err(error),
    }
}

/// Says that nothing more will be written.
pub(crate) fn shutdown(stream: &TcpStream) -> io::Result<()> {
    socket(stream).shutdown(std::net::Shutdown::Write)
}

/// Waits for I/O for so long at most.
pub(crate) async fn within<T>(
    limit: Duration,
    waiting: impl Future<Output = io::Result<T>>,
) -> io::Result<T> {
    match timeout(limit, waiting).await {
        Ok(done) => done,
        Err(_elapsed) => Err(io::ErrorKind::TimedOut.into()),
    }
}

/// Reads once, if the stream is known to be readable. When that takes all there is, the next read waits
/// for the runtime to hear of more, without asking the kernel: that saves a call, and it is what makes
/// connections take turns. A task that went on as long as its peer is quick would be served again and
/// again while all others wait.
pub(crate) fn read_some(stream: &TcpStream, buffer: &mut impl BufMut) -> io::Result<usize> {
    // What the buffer has at hand; it can grow, but a read does not make it.
    let room = buffer.chunk_mut().len();
    let mut taken = None;
    let read = stream.try_io(Interest::READABLE, || {
        let count = stream.try_read_buf(buffer)?;
        if count == 0 || count >= room {
            return Ok(count);
        }
        // What try_io takes for an empty socket, which this one is by now (epoll(7), on stream sockets
        // and edges). An event that came in between is newer than what it then forgets.
        taken = Some(count);
        Err(io::ErrorKind::WouldBlock.into())
    });
    taken.map_or(read, Ok)
}

/// Makes room for a read without ever growing beyond [`BUFFER`].
pub(crate) fn make_room(buffer: &mut BytesMut) {
    buffer.reserve(BUFFER.saturating_sub(buffer.len()));
}

fn socket(stream: &TcpStream) -> socket2::SockRef<'_> {
    socket2::SockRef::from(stream)
}
