//! A connection to an upstream server: no byte moves without budget, and each is counted.
//!
//! Not for: making it (`dial`).

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

use crate::client::{make_room, read_some, shutdown, within};
use crate::limits::WRITE_IDLE;
use crate::meter::{Account, Exhausted};
use crate::purse::{Purse, Reservation};

/// The upstream side of an exchange.
#[derive(Debug)]
pub(crate) struct Upstream {
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
        Self {
            stream,
            account: Mutex::new(account),
        }
    }

    /// From now on bytes are counted for another exchange of the same session.
    pub(crate) fn assign(&self, account: Arc<Account>) {
        *self.account.lock().unwrap_or_else(PoisonError::into_inner) = account;
    }

    pub(crate) fn account(&self) -> Arc<Account> {
        Arc::clone(&self.account.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// True when the server neither closed the connection nor said anything unasked, as far as the
    /// runtime has heard. It asks the kernel for events before it hands out the client's next request.
    pub(crate) fn is_quiet(&self) -> bool {
        let mut byte = [std::mem::MaybeUninit::uninit()];
        let peek = || socket2::SockRef::from(&self.stream).peek(&mut byte);
        let peeked = self.stream.try_io(Interest::READABLE, peek);
        matches!(peeked, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Reads what is there into the buffer. 0 means the end.
    pub(crate) async fn read(&self, buffer: &mut BytesMut) -> io::Result<usize> {
        make_room(buffer);
        let account = self.account();
        loop {
            let room = buffer.capacity().saturating_sub(buffer.len());
            let attempt = charge(&account, Direction::Down, room, |most| {
                let before = buffer.len();
                let mut part = bytes::BufMut::limit(&mut *buffer, most);
                read_some(&self.stream, &mut part)?;
                Ok(buffer.len().saturating_sub(before))
            })?;
            match attempt {
                Attempt::Moved(count) => return Ok(count),
                Attempt::Pending => self.stream.readable().await?,
                Attempt::Contended => tokio::task::yield_now().await,
            }
        }
    }

    /// Writes all of it; a server that takes nothing for a while is an error.
    pub(crate) async fn write(&self, mut bytes: &[u8]) -> io::Result<()> {
        let account = self.account();
        while !bytes.is_empty() {
            let attempt = charge(&account, Direction::Up, bytes.len(), |most| {
                self.stream.try_write(bytes.get(..most).unwrap_or(bytes))
            })?;
            match attempt {
                Attempt::Moved(count) => bytes = bytes.get(count..).unwrap_or_default(),
                Attempt::Pending => within(WRITE_IDLE, self.stream.writable()).await?,
                Attempt::Contended => tokio::task::yield_now().await,
            }
        }
        Ok(())
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

/// For TLS on top of it.
impl AsyncRead for Upstream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let account = self.account();
        loop {
            ready!(self.stream.poll_read_ready(cx))?;
            let attempt = charge(&account, Direction::Down, buffer.remaining(), |most| {
                let room = buffer.initialize_unfilled_to(most);
                let count = self.stream.try_read(room)?;
                buffer.advance(count);
                Ok(count)
            })?;
            match attempt {
                Attempt::Moved(_) => return Poll::Ready(Ok(())),
                Attempt::Pending => {}
                Attempt::Contended => return again(cx),
            }
        }
    }
}

/// For TLS on top of it.
impl AsyncWrite for Upstream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let account = self.account();
        loop {
            ready!(self.stream.poll_write_ready(cx))?;
            let attempt = charge(&account, Direction::Up, bytes.len(), |most| {
                self.stream.try_write(bytes.get(..most).unwrap_or(bytes))
            })?;
            match attempt {
                Attempt::Moved(count) => return Poll::Ready(Ok(count)),
                Attempt::Pending => {}
                Attempt::Contended => return again(cx),
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(shutdown(&self.stream))
    }
}

fn again<T>(cx: &Context<'_>) -> Poll<T> {
    cx.waker().wake_by_ref();
    Poll::Pending
}
