//! TLS on top of a counted connection, driven through a shared reference, so that both directions of
//! one connection work at once, and a read that is given up loses nothing.
//!
//! What is counted and charged are the bytes of the records on the connection beneath.
//!
//! Not for: certificates (`mint`), nor what is said inside.

use std::io::{self, BufRead, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Buf, BufMut, BytesMut};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, Connection, ServerConfig, ServerConnection};

use crate::client::within;
use crate::limits::{TLS_READ, WRITE_IDLE};
use crate::upstream::Attempt;

/// The connection beneath: it counts what moves, and may want a budget for it.
pub(crate) trait Wire {
    /// Reads what is there into the buffer's spare room.
    fn try_read(&self, buffer: &mut BytesMut) -> io::Result<Attempt>;
    fn try_write(&self, bytes: &[u8]) -> io::Result<Attempt>;
    async fn readable(&self) -> io::Result<()>;
    async fn writable(&self) -> io::Result<()>;
}

/// One side's state of TLS. Never locked across an await.
#[derive(Debug)]
pub(crate) struct Tls {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    connection: Connection,
    /// Bytes of records that were read and not yet taken.
    incoming: BytesMut,
}

impl Tls {
    /// The server's side of a connection whose first bytes were read already.
    pub(crate) fn server(config: Arc<ServerConfig>, first: BytesMut) -> io::Result<Self> {
        let connection = ServerConnection::new(config).map_err(io::Error::other)?;
        Ok(Self::new(connection.into(), first))
    }

    /// The client's side towards a server that must prove to be `name`.
    pub(crate) fn client(config: Arc<ClientConfig>, name: ServerName<'static>) -> io::Result<Self> {
        let connection = ClientConnection::new(config, name).map_err(io::Error::other)?;
        Ok(Self::new(connection.into(), BytesMut::new()))
    }

    fn new(connection: Connection, incoming: BytesMut) -> Self {
        let state = State {
            connection,
            incoming,
        };
        Self {
            state: Mutex::new(state),
        }
    }

    /// Shakes hands. An error of TLS is inside the I/O error; the alert that tells it has been offered
    /// to the connection.
    pub(crate) async fn handshake(&self, wire: &impl Wire) -> io::Result<()> {
        loop {
            let step = self.lock().shake(wire)?;
            match step {
                Step::Done => return Ok(()),
                Step::Read => wire.readable().await?,
                Step::Write => within(WRITE_IDLE, wire.writable()).await?,
                Step::Yield => tokio::task::yield_now().await,
            }
        }
    }

    /// True when both sides agreed on this protocol (RFC 7301).
    pub(crate) fn speaks(&self, protocol: &[u8]) -> bool {
        self.lock().connection.alpn_protocol() == Some(protocol)
    }

    /// Takes content that is there. `Moved(0)` is the end that the peer announced; one that it did not
    /// announce is an error (RFC 8446 6.1).
    pub(crate) fn try_read(
        &self,
        wire: &impl Wire,
        buffer: &mut impl BufMut,
    ) -> io::Result<Attempt> {
        let mut state = self.lock();
        loop {
            if let Some(count) = state.take(buffer)? {
                return Ok(Attempt::Moved(count));
            }
            match state.receive(wire)? {
                Attempt::Moved(_) => {}
                waiting => return Ok(waiting),
            }
        }
    }

    /// Takes content into records, and as many of these as it can to the connection. `Moved` says how
    /// much content was taken; [`Self::try_flush`] says whether all of it has left.
    pub(crate) fn try_write(&self, wire: &impl Wire, bytes: &[u8]) -> io::Result<Attempt> {
        let mut state = self.lock();
        let sent = state.send(wire)?;
        match state.connection.writer().write(bytes)? {
            // Too much waits to be sent.
            0 => Ok(sent),
            count => {
                state.send(wire)?;
                Ok(Attempt::Moved(count))
            }
        }
    }

    /// Sends what waits to be sent; `Moved` once nothing does.
    pub(crate) fn try_flush(&self, wire: &impl Wire) -> io::Result<Attempt> {
        self.lock().send(wire)
    }

    /// Reads into the buffer; 0 is the end.
    pub(crate) async fn read(&self, wire: &impl Wire, buffer: &mut BytesMut) -> io::Result<usize> {
        loop {
            match self.try_read(wire, buffer)? {
                Attempt::Moved(count) => return Ok(count),
                Attempt::Pending => wire.readable().await?,
                Attempt::Contended => tokio::task::yield_now().await,
            }
        }
    }

    /// Writes all of it.
    pub(crate) async fn write(&self, wire: &impl Wire, mut bytes: &[u8]) -> io::Result<()> {
        loop {
            let attempt = if bytes.is_empty() {
                self.try_flush(wire)?
            } else {
                self.try_write(wire, bytes)?
            };
            match attempt {
                Attempt::Moved(_) if bytes.is_empty() => return Ok(()),
                Attempt::Moved(count) => bytes = bytes.get(count..).unwrap_or_default(),
                Attempt::Pending => within(WRITE_IDLE, wire.writable()).await?,
                Attempt::Contended => tokio::task::yield_now().await,
            }
        }
    }

    /// Announces the end of what this side sends, as far as the connection takes it at once.
    pub(crate) fn announce_end(&self, wire: &impl Wire) -> io::Result<()> {
        let mut state = self.lock();
        state.connection.send_close_notify();
        state.send(wire).map(drop)
    }

    /// True when the peer has neither said anything nor ended; tickets and the like say nothing.
    pub(crate) fn is_quiet(&self, wire: &impl Wire) -> bool {
        let mut state = self.lock();
        loop {
            if !matches!(state.take(&mut Vec::new()), Ok(None)) {
                return false;
            }
            match state.receive(wire) {
                Ok(Attempt::Moved(_)) => {}
                Ok(Attempt::Pending) => return true,
                Ok(Attempt::Contended) | Err(_) => return false,
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic inside rustls leaves a connection that goes on failing.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a handshake waits for.
enum Step {
    Done,
    Read,
    Write,
    Yield,
}

impl State {
    fn shake(&mut self, wire: &impl Wire) -> io::Result<Step> {
        loop {
            match self.send(wire)? {
                Attempt::Pending => return Ok(Step::Write),
                Attempt::Contended => return Ok(Step::Yield),
                Attempt::Moved(_) if !self.connection.is_handshaking() => return Ok(Step::Done),
                Attempt::Moved(_) => {}
            }
            match self.receive(wire)? {
                Attempt::Moved(_) => {}
                Attempt::Pending => return Ok(Step::Read),
                Attempt::Contended => return Ok(Step::Yield),
            }
        }
    }

    /// Moves decrypted content; `None` when there is none.
    fn take(&mut self, buffer: &mut impl BufMut) -> io::Result<Option<usize>> {
        let mut reader = self.connection.reader();
        let count = match reader.fill_buf() {
            Ok(content) => {
                let count = content.len().min(buffer.remaining_mut());
                buffer.put_slice(content.get(..count).unwrap_or(content));
                count
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error),
        };
        reader.consume(count);
        Ok(Some(count))
    }

    /// Reads records from the connection and opens them.
    fn receive(&mut self, wire: &impl Wire) -> io::Result<Attempt> {
        if self.incoming.is_empty() {
            self.incoming.reserve(TLS_READ);
            match wire.try_read(&mut self.incoming)? {
                Attempt::Moved(0) if self.connection.is_handshaking() => {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                Attempt::Moved(0) => {
                    self.connection.read_tls(&mut io::empty())?;
                    return Ok(Attempt::Moved(0));
                }
                Attempt::Moved(_) => {}
                waiting => {
                    // An idle connection holds no buffer.
                    self.incoming = BytesMut::new();
                    return Ok(waiting);
                }
            }
        }
        let taken = self.connection.read_tls(&mut &self.incoming[..])?;
        self.incoming.advance(taken);
        let opened = self.connection.process_new_packets();
        // Replies of the protocol itself, alerts among them; what does not leave now leaves later.
        let sent = self.send(wire);
        opened.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        sent?;
        Ok(Attempt::Moved(taken))
    }

    /// Gives the connection all the records that it takes.
    fn send(&mut self, wire: &impl Wire) -> io::Result<Attempt> {
        let mut outlet = Outlet {
            wire,
            refused: None,
        };
        while self.connection.wants_write() {
            match self.connection.write_tls(&mut outlet) {
                Ok(_) => {}
                Err(error) => return outlet.refused.ok_or(error),
            }
        }
        Ok(Attempt::Moved(0))
    }
}

/// A connection as a writer that remembers why it took nothing.
struct Outlet<'a, W> {
    wire: &'a W,
    refused: Option<Attempt>,
}

impl<W: Wire> Write for Outlet<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.wire.try_write(bytes)? {
            Attempt::Moved(count) => Ok(count),
            waiting => {
                self.refused = Some(waiting);
                Err(io::ErrorKind::WouldBlock.into())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
