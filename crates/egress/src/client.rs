//! A connection from the jail: every byte read from it and written to it is counted.
//!
//! Not for: what the bytes mean.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{BufMut, BytesMut};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::limits::{BUFFER, LINGER, LINGER_BYTES, WRITE_IDLE};
use crate::meter::Meter;
use crate::reconcile;

/// The jail's side of an exchange.
#[derive(Debug)]
pub(crate) struct Client {
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
        Self {
            stream,
            meter,
            read: AtomicU64::new(0),
            written: AtomicU64::new(0),
        }
    }

    /// The stream itself, for transfers that go around this type; they report what they moved.
    pub(crate) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Counts bytes that were taken from [`Self::stream`].
    pub(crate) fn add_read(&self, bytes: usize) {
        self.read.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Counts bytes that were given to [`Self::stream`].
    pub(crate) fn add_written(&self, bytes: usize) {
        self.written.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Reads what is there, [`BUFFER`] at most in the buffer. 0 means the end.
    pub(crate) async fn read(&self, buffer: &mut BytesMut) -> io::Result<usize> {
        make_room(buffer);
        loop {
            match read_some(&self.stream, buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.stream.readable().await?;
                }
                Ok(count) => {
                    self.add_read(count);
                    return Ok(count);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Writes all of it; a client that takes nothing for a while is an error.
    pub(crate) async fn write(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.stream.try_write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    within(WRITE_IDLE, self.stream.writable()).await?;
                }
                Ok(count) => {
                    self.add_written(count);
                    bytes = bytes.get(count..).unwrap_or_default();
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Closes so that the last answer arrives: what the client still sends is read and dropped for
    /// a short while, since closing over unread bytes resets the connection.
    pub(crate) async fn finish(self) {
        if shutdown(&self.stream).is_err() {
            return;
        }
        // Nothing is owed to a client that lingers longer.
        drop(timeout(LINGER, self.discard()).await);
    }

    /// Resets the connection, so that nobody takes what was cut off for complete.
    pub(crate) fn abort(self) {
        if let Err(error) = socket(&self.stream).set_linger(Some(Duration::ZERO)) {
            tracing::debug!(%error, "SO_LINGER was refused");
        }
    }

    async fn discard(&self) {
        let mut scratch = BytesMut::with_capacity(BUFFER);
        let mut dropped = 0_u64;
        while dropped < LINGER_BYTES {
            scratch.clear();
            match self.read(&mut scratch).await {
                Ok(count) if count > 0 => dropped = dropped.saturating_add(count as u64),
                _ => return,
            }
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let read = self.read.load(Ordering::Relaxed);
        let written = self.written.load(Ordering::Relaxed);
        self.meter
            .add_connection(&reconcile::connection(self.stream.as_fd(), read, written));
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
