//! The content of HTTP/1.1 messages, read from one connection and written to another.
//!
//! | module | holds |
//! | --- | --- |
//! | `reply` | the way back to a client |
//! | `inbound` | what a server sends back |
//!
//! Not for: the framing itself (`body`), nor reading heads (`head`, `answer`).

mod inbound;
mod reply;

use std::io;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::time::timeout;

use crate::body::{Body, Step};
use crate::client::Client;
use crate::content::{Piece, Sink, Source};
use crate::fields::{Fields, Framing};
use crate::reason::Cause;
use crate::upstream::{Upstream, is_exhaustion};

/// One side of an exchange.
pub(crate) trait End: Send + Sync {
    /// What it is when this side breaks off.
    const ABORTED: Cause;
    /// What it is when this side sends nothing for too long.
    const SILENT: Cause;
    /// What it is when this side breaks the protocol.
    fn broken(code: &'static str) -> Cause;
    fn read(&self, buffer: &mut BytesMut) -> impl Future<Output = io::Result<usize>> + Send;
    fn write(&self, bytes: &[u8]) -> impl Future<Output = io::Result<()>> + Send;
    /// Says that nothing more will be written.
    fn end(&self) -> io::Result<()>;
}

/// How content is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    /// As it is; its length is known or it ends with the connection.
    Plain,
    /// In chunks, without trailers.
    Chunked,
    /// In chunks, for somebody who said that trailers are understood.
    Trailed,
}

/// Content that comes in on a connection.
#[derive(Debug)]
pub(crate) struct Inflow<'a, E> {
    end: &'a E,
    /// What was read of it; what follows its end stays there.
    buffer: &'a mut BytesMut,
    body: Body,
    /// How long the other side may be silent.
    idle: Duration,
    /// Bytes at the head of the buffer that were handed out.
    taken: usize,
}

/// A message that goes out on a connection: `out` holds its head at first.
#[derive(Debug)]
pub(crate) struct Outflow<'a, E> {
    end: &'a E,
    coding: Coding,
    out: Vec<u8>,
}

impl<'a, E: End> Inflow<'a, E> {
    pub(crate) const fn new(
        end: &'a E,
        buffer: &'a mut BytesMut,
        framing: Framing,
        idle: Duration,
    ) -> Self {
        Self {
            end,
            buffer,
            body: Body::new(framing),
            idle,
            taken: 0,
        }
    }
}

impl<E: End> Source for Inflow<'_, E> {
    fn take(&mut self) -> Result<Option<Piece<'_>>, Cause> {
        self.buffer.advance(std::mem::take(&mut self.taken));
        match self.body.next(self.buffer).map_err(E::broken)? {
            Step::More => Ok(None),
            Step::Data(count) => {
                self.taken = count;
                let data = self.buffer.get(..count).unwrap_or_default();
                Ok(Some(Piece::Data(data)))
            }
            Step::End(trailers) => Ok(Some(Piece::End(trailers))),
        }
    }

    async fn wait(&mut self) -> Result<(), Cause> {
        let read = timeout(self.idle, self.end.read(self.buffer)).await;
        let count = read
            .map_err(|_elapsed| E::SILENT)?
            .map_err(|error| cause::<E>(&error))?;
        if count == 0 && !self.body.source_ended() {
            return Err(E::ABORTED);
        }
        Ok(())
    }
}

impl<'a, E: End> Outflow<'a, E> {
    pub(crate) const fn new(end: &'a E, coding: Coding, head: Vec<u8>) -> Self {
        Self {
            end,
            coding,
            out: head,
        }
    }
}

impl<E: End> Sink for Outflow<'_, E> {
    fn put(&mut self, data: &[u8]) {
        if self.coding == Coding::Plain {
            self.out.extend_from_slice(data);
            return;
        }
        let size = format!("{:x}\r\n", data.len());
        self.out.extend_from_slice(size.as_bytes());
        self.out.extend_from_slice(data);
        self.out.extend_from_slice(b"\r\n");
    }

    fn end(&mut self, trailers: &Fields) {
        match self.coding {
            Coding::Plain => {}
            Coding::Chunked => self.out.extend_from_slice(b"0\r\n\r\n"),
            Coding::Trailed => {
                self.out.extend_from_slice(b"0\r\n");
                trailers.trailing().write(&mut self.out);
                self.out.extend_from_slice(b"\r\n");
            }
        }
    }

    async fn flush(&mut self) -> Result<(), Cause> {
        if !self.out.is_empty() {
            let written = self.end.write(&self.out).await;
            written.map_err(|error| cause::<E>(&error))?;
            self.out.clear();
        }
        Ok(())
    }
}

/// What an I/O error of one side means.
pub(crate) fn cause<E: End>(error: &io::Error) -> Cause {
    if is_exhaustion(error) {
        return Cause::BudgetExceeded;
    }
    if error.kind() == io::ErrorKind::TimedOut {
        Cause::IdleTimeout
    } else {
        E::ABORTED
    }
}

impl End for Client {
    const ABORTED: Cause = Cause::ClientAborted;
    const SILENT: Cause = Cause::Malformed("body_timeout");

    fn broken(code: &'static str) -> Cause {
        Cause::Malformed(code)
    }

    async fn read(&self, buffer: &mut BytesMut) -> io::Result<usize> {
        Self::read(self, buffer).await
    }

    async fn write(&self, bytes: &[u8]) -> io::Result<()> {
        Self::write(self, bytes).await
    }

    fn end(&self) -> io::Result<()> {
        Self::end(self)
    }
}

impl End for Upstream {
    const ABORTED: Cause = Cause::UpstreamAborted;
    const SILENT: Cause = Cause::UpstreamTimeout;

    fn broken(_: &'static str) -> Cause {
        Cause::UpstreamProtocol
    }

    async fn read(&self, buffer: &mut BytesMut) -> io::Result<usize> {
        Self::read(self, buffer).await
    }

    async fn write(&self, bytes: &[u8]) -> io::Result<()> {
        Self::write(self, bytes).await
    }

    fn end(&self) -> io::Result<()> {
        Self::end(self)
    }
}
