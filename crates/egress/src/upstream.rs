//! A connection to an upstream server: no byte moves without budget, and each is counted.
//!
//! Not for: making it (`dial`).

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::{BufMut, BytesMut};
use policy::Host;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::client::{make_room, read_some, shutdown, within};
use crate::fault::Fault;
use crate::http2;
use crate::limits::{HANDSHAKE_TIMEOUT, WRITE_IDLE};
use crate::meter::{Account, Exhausted};
use crate::purse::{Purse, Reservation};
use crate::reason::Cause;
use crate::tls::{Tls, Wire};

/// The upstream side of an exchange, in clear or inside TLS that the server answered.
#[derive(Debug)]
pub(crate) struct Upstream {
    wire: ServerWire,
    tls: Option<Box<Tls>>,
}

/// The connection itself.
#[derive(Debug)]
struct ServerWire {
    stream: TcpStream,
    account: Mutex<Arc<Account>>,
}

/// A direction, seen from the jail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Up,
    Down,
}

/// What one attempt to move bytes came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attempt {
    Moved(usize),
    /// The socket is not ready.
    Pending,
    /// The budget is contended for a moment.
    Contended,
}

impl Upstream {
    pub(crate) fn new(stream: TcpStream, account: Arc<Account>) -> Self {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY was refused");
        }
        let account = Mutex::new(account);
        Self {
            wire: ServerWire { stream, account },
            tls: None,
        }
    }

    /// Has the server prove that it is `host`; all that follows is inside TLS.
    ///
    /// # Errors
    /// [`Cause::TlsFailed`] with what is wrong with the proof, or that a budget ran out.
    pub(crate) async fn secure(
        mut self,
        config: &Arc<ClientConfig>,
        host: &Host,
    ) -> Result<Self, Cause> {
        let name = server_name(host).ok_or(Cause::TlsFailed(Fault::Name))?;
        let tls = Tls::client(Arc::clone(config), name);
        let tls = tls.map_err(|_config| Cause::TlsFailed(Fault::Protocol))?;
        let shaking = tls.handshake(&self.wire);
        match timeout(HANDSHAKE_TIMEOUT, shaking).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) if is_exhaustion(&error) => return Err(Cause::BudgetExceeded),
            Ok(Err(error)) => return Err(Cause::TlsFailed(Fault::of(&error))),
            Err(_elapsed) => return Err(Cause::TlsFailed(Fault::Silent)),
        }
        self.tls = Some(Box::new(tls));
        Ok(self)
    }

    /// True when both sides agreed on HTTP/2.
    pub(crate) fn speaks_http2(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.speaks(http2::ALPN))
    }

    /// From now on bytes are counted for another exchange of the same session.
    pub(crate) fn assign(&self, account: Arc<Account>) {
        *self.wire.lock() = account;
    }

    pub(crate) fn account(&self) -> Arc<Account> {
        self.wire.account()
    }

    /// The connection, for transfers that go around this type. `None` when its bytes are TLS records.
    pub(crate) fn clear(&self) -> Option<&TcpStream> {
        self.tls.is_none().then_some(&self.wire.stream)
    }

    /// Waits until the server has said something, or ended.
    pub(crate) async fn speaks(&self) -> io::Result<()> {
        self.wire.stream.readable().await
    }

    /// True when the server neither closed the connection nor said anything unasked, as far as the
    /// runtime has heard. It asks the kernel for events before it hands out the client's next request.
    pub(crate) fn is_quiet(&self) -> bool {
        if let Some(tls) = &self.tls {
            return tls.is_quiet(&self.wire);
        }
        let mut byte = [std::mem::MaybeUninit::uninit()];
        let peek = || socket2::SockRef::from(&self.wire.stream).peek(&mut byte);
        let peeked = self.wire.stream.try_io(Interest::READABLE, peek);
        matches!(peeked, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Reads what is there into the buffer. 0 means the end.
    pub(crate) async fn read(&self, buffer: &mut BytesMut) -> io::Result<usize> {
        if let Some(tls) = &self.tls {
            return tls.read(&self.wire, buffer).await;
        }
        make_room(buffer);
        let account = self.account();
        loop {
            match self.wire.read_for(&account, buffer)? {
                Attempt::Moved(count) => return Ok(count),
                Attempt::Pending => self.wire.stream.readable().await?,
                Attempt::Contended => tokio::task::yield_now().await,
            }
        }
    }

    /// Reads a head of HTTP and not a byte of what follows it. Only before TLS.
    ///
    /// # Errors
    /// The connection's; `InvalidData` for more than `most` bytes, `UnexpectedEof` for an end within.
    pub(crate) async fn read_head(&self, most: usize) -> io::Result<BytesMut> {
        let (stream, account) = (&self.wire.stream, self.account());
        let mut head = BytesMut::with_capacity(most);
        loop {
            let room = most.saturating_sub(head.len());
            if room == 0 {
                return Err(io::ErrorKind::InvalidData.into());
            }
            let mut seen = vec![0; room];
            let count = stream.peek(&mut seen).await?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            seen.truncate(count);
            let (part, is_whole) = head_part(&head, &seen);
            let moved = charge(&account, Direction::Down, part, |most| {
                read_some(stream, &mut BufMut::limit(&mut head, most))
            })?;
            match moved {
                // A budget may have granted less.
                Attempt::Moved(count) if is_whole && count == part => return Ok(head),
                Attempt::Moved(_) | Attempt::Pending => {}
                Attempt::Contended => tokio::task::yield_now().await,
            }
        }
    }

    /// Writes all of it; a server that takes nothing for a while is an error.
    pub(crate) async fn write(&self, mut bytes: &[u8]) -> io::Result<()> {
        if let Some(tls) = &self.tls {
            return tls.write(&self.wire, bytes).await;
        }
        let account = self.account();
        while !bytes.is_empty() {
            match self.wire.write_for(&account, bytes)? {
                Attempt::Moved(count) => bytes = bytes.get(count..).unwrap_or_default(),
                Attempt::Pending => within(WRITE_IDLE, self.wire.stream.writable()).await?,
                Attempt::Contended => tokio::task::yield_now().await,
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
}

impl ServerWire {
    fn lock(&self) -> std::sync::MutexGuard<'_, Arc<Account>> {
        self.account.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn account(&self) -> Arc<Account> {
        Arc::clone(&self.lock())
    }

    fn read_for(&self, account: &Account, buffer: &mut BytesMut) -> io::Result<Attempt> {
        let room = buffer.capacity().saturating_sub(buffer.len());
        charge(account, Direction::Down, room, |most| {
            let before = buffer.len();
            let mut part = BufMut::limit(&mut *buffer, most);
            read_some(&self.stream, &mut part)?;
            Ok(buffer.len().saturating_sub(before))
        })
    }

    fn write_for(&self, account: &Account, bytes: &[u8]) -> io::Result<Attempt> {
        charge(account, Direction::Up, bytes.len(), |most| {
            self.stream.try_write(bytes.get(..most).unwrap_or(bytes))
        })
    }
}

impl Wire for ServerWire {
    fn try_read(&self, buffer: &mut BytesMut) -> io::Result<Attempt> {
        self.read_for(&self.account(), buffer)
    }

    fn try_write(&self, bytes: &[u8]) -> io::Result<Attempt> {
        self.write_for(&self.account(), bytes)
    }

    async fn readable(&self) -> io::Result<()> {
        self.stream.readable().await
    }

    async fn writable(&self) -> io::Result<()> {
        self.stream.writable().await
    }
}

/// How many of the bytes that come next belong to a head of which `head` was read, and whether it ends
/// with them.
fn head_part(head: &[u8], seen: &[u8]) -> (usize, bool) {
    const END: &[u8] = b"\r\n\r\n";
    // The end may have begun in what was read before.
    let before = head.len().min(END.len() - 1);
    let tail = head.get(head.len() - before..).unwrap_or_default();
    let joined = [tail, seen].concat();
    let mut windows = joined.windows(END.len());
    match windows.position(|window| window == END) {
        Some(at) => ((at + END.len()).saturating_sub(before), true),
        None => (seen.len(), false),
    }
}

fn server_name(host: &Host) -> Option<ServerName<'static>> {
    match host.ip() {
        Some(ip) => Some(ServerName::IpAddress(ip.into())),
        None => ServerName::try_from(host.to_string()).ok(),
    }
}

/// Reserves, moves, settles and counts. `act` gets the most bytes that it may move.
///
/// # Errors
/// `act`'s, and [`Exhausted`] inside an I/O error when the budget is used up.
pub(crate) fn charge(
    account: &Account,
    direction: Direction,
    wanted: usize,
    act: impl FnOnce(usize) -> io::Result<usize>,
) -> io::Result<Attempt> {
    let attempt = pay(account, direction, wanted, act)?;
    if let Attempt::Moved(count) = attempt {
        match direction {
            Direction::Up => account.add_up(count),
            Direction::Down => account.add_down(count),
        }
    }
    Ok(attempt)
}

/// Like [`charge`], but counts nothing: for bytes that are taken from the jail and leave later.
///
/// # Errors
/// As for [`charge`].
pub(crate) fn pay(
    account: &Account,
    direction: Direction,
    wanted: usize,
    act: impl FnOnce(usize) -> io::Result<usize>,
) -> io::Result<Attempt> {
    let grant = match purse(account, direction).reserve(wanted) {
        Reservation::Granted(grant) => grant,
        Reservation::Contended => return Ok(Attempt::Contended),
        Reservation::Exhausted => {
            account.meter().exhaust();
            return Err(io::Error::other(Exhausted));
        }
    };
    match act(grant.bytes()) {
        Ok(count) => {
            grant.settle(count);
            Ok(Attempt::Moved(count))
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Attempt::Pending),
        Err(error) => Err(error),
    }
}

/// True when an I/O error means that a budget ran out.
pub(crate) fn is_exhaustion(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<Exhausted>())
}

fn purse(account: &Account, direction: Direction) -> &Purse {
    match direction {
        Direction::Up => &account.meter().up,
        Direction::Down => &account.meter().down,
    }
}

/// For protocols of others on top of it.
impl AsyncRead for Upstream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let attempt = match &self.tls {
                Some(tls) => tls.try_read(&self.wire, buffer)?,
                None => charge(
                    &self.wire.account(),
                    Direction::Down,
                    buffer.remaining(),
                    |most| read_some(&self.wire.stream, &mut BufMut::limit(&mut *buffer, most)),
                )?,
            };
            match attempt {
                Attempt::Moved(_) => return Poll::Ready(Ok(())),
                Attempt::Pending => ready!(self.wire.stream.poll_read_ready(cx))?,
                Attempt::Contended => return again(cx),
            }
        }
    }
}

/// For protocols of others on top of it.
impl AsyncWrite for Upstream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            let attempt = match &self.tls {
                Some(tls) => tls.try_write(&self.wire, bytes)?,
                None => self.wire.try_write(bytes)?,
            };
            match attempt {
                Attempt::Moved(count) => return Poll::Ready(Ok(count)),
                Attempt::Pending => ready!(self.wire.stream.poll_write_ready(cx))?,
                Attempt::Contended => return again(cx),
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(tls) = &self.tls else {
            return Poll::Ready(Ok(()));
        };
        loop {
            match tls.try_flush(&self.wire)? {
                Attempt::Moved(_) => return Poll::Ready(Ok(())),
                Attempt::Pending => ready!(self.wire.stream.poll_write_ready(cx))?,
                Attempt::Contended => return again(cx),
            }
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.end())
    }
}

fn again<T>(cx: &Context<'_>) -> Poll<T> {
    cx.waker().wake_by_ref();
    Poll::Pending
}
