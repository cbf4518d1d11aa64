//! A tunnel's bytes, both ways: metered, within budget, ended when nothing moves. They go by splice(2),
//! unless one side is inside TLS of ours; then they have to be copied.
//!
//! Not for: deciding whether there may be a tunnel (`connect`).

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::BytesMut;
use sys::splice::Pipe;
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::time::Instant;
use vault::{FrameError, FrameFilter};

use crate::client::{Client, shutdown, within};
use crate::http1::{End, cause};
use crate::limits::{HALF_OPEN_IDLE, TUNNEL_IDLE, WRITE_IDLE};
use crate::meter::Account;
use crate::pipes::Pipes;
use crate::reason::Cause;
use crate::secrets::{self, Found};
use crate::upstream::{Attempt, Direction, Upstream, charge, is_exhaustion, pay};

/// What the frames of a WebSocket pass through on their way.
#[derive(Default)]
pub(crate) struct Filters {
    pub(crate) up: Option<Filter>,
    pub(crate) down: Option<Filter>,
}

/// A filter of one direction, and where it tells of what it found.
pub(crate) struct Filter {
    frames: FrameFilter,
    found: Found,
}

impl Filter {
    pub(crate) fn new(frames: FrameFilter, found: &Found) -> Self {
        let found = Arc::clone(found);
        Self { frames, found }
    }

    fn pass<S: End>(&mut self, frames: &[u8]) -> Result<Vec<u8>, Cause> {
        let mut out = Vec::with_capacity(frames.len());
        match self.frames.push(frames, &mut out) {
            Ok(()) => Ok(out),
            Err(FrameError::Misdirected(misdirected)) => {
                Err(secrets::tell(&self.found, misdirected))
            }
            Err(_) => Err(S::broken("websocket_malformed")),
        }
    }
}

impl Filters {
    /// What becomes of frames that the client sent with its request.
    pub(crate) fn up(&mut self, frames: &[u8]) -> Result<Vec<u8>, Cause> {
        let filter = self.up.as_mut();
        filter.map_or_else(|| Ok(frames.to_vec()), |up| up.pass::<Client>(frames))
    }

    /// What becomes of frames that the server sent with its answer.
    pub(crate) fn down(&mut self, frames: &[u8]) -> Result<Vec<u8>, Cause> {
        let filter = self.down.as_mut();
        filter.map_or_else(|| Ok(frames.to_vec()), |down| down.pass::<Upstream>(frames))
    }
}

/// Relays until both sides are done. An error names what ended the tunnel before that.
pub(crate) async fn relay(
    client: &Client,
    upstream: &Upstream,
    pipes: &Pipes,
    filters: Filters,
) -> Result<(), Cause> {
    let activity = Activity::new();
    let streams = client.clear().zip(upstream.clear());
    let unread = filters.up.is_none() && filters.down.is_none();
    let Some(streams) = streams.filter(|_| unread) else {
        let up = copy(client, upstream, filters.up, &activity);
        let down = copy(upstream, client, filters.down, &activity);
        return tokio::select! {
            ended = async { tokio::try_join!(up, down) } => ended.map(drop),
            () = activity.idle() => Err(Cause::IdleTimeout),
        };
    };
    let account = upstream.account();
    let flow = |direction| Flow {
        direction,
        client,
        streams,
        account: &account,
        pipes,
        activity: &activity,
    };
    let (up, down) = (flow(Direction::Up), flow(Direction::Down));
    tokio::select! {
        ended = async { tokio::try_join!(up.run(), down.run()) } => ended.map(drop),
        () = activity.idle() => Err(Cause::IdleTimeout),
    }
}

/// Moves content until the source announces its end, then says so to the sink.
async fn copy<S: End, T: End>(
    source: &S,
    sink: &T,
    mut filter: Option<Filter>,
    activity: &Activity,
) -> Result<(), Cause> {
    let mut buffer = BytesMut::new();
    loop {
        let read = source.read(&mut buffer).await;
        if read.map_err(|error| cause::<S>(&error))? == 0 {
            // The sink may be gone by now; its own direction notices that.
            drop(sink.end());
            activity.half_open();
            return Ok(());
        }
        let written = match &mut filter {
            Some(filter) => sink.write(&filter.pass::<S>(&buffer)?).await,
            None => sink.write(&buffer).await,
        };
        written.map_err(|error| cause::<T>(&error))?;
        buffer.clear();
        activity.touch();
    }
}

/// One direction of a tunnel.
struct Flow<'a> {
    direction: Direction,
    client: &'a Client,
    /// The client's and the upstream server's connection.
    streams: (&'a TcpStream, &'a TcpStream),
    account: &'a Account,
    pipes: &'a Pipes,
    activity: &'a Activity,
}

/// A lent pipe; what is left in it when the tunnel ends was paid for and never left.
struct Lent<'a> {
    flow: &'a Flow<'a>,
    pipe: Option<Pipe>,
}

impl Flow<'_> {
    /// Moves bytes until the source ends, then says so to the sink.
    async fn run(&self) -> Result<(), Cause> {
        let (from, to) = self.streams();
        loop {
            from.readable()
                .await
                .map_err(|error| self.source_failed(&error))?;
            if self.move_what_is_there().await? == Source::Ended {
                // The sink may be gone by now; its own direction notices that.
                drop(shutdown(to));
                self.activity.half_open();
                return Ok(());
            }
        }
    }

    /// Moves bytes until the source has none for now. A pipe is held for that long only.
    async fn move_what_is_there(&self) -> Result<Source, Cause> {
        let pipe = self.pipes.lend().map_err(|error| {
            tracing::warn!(%error, "no pipe for a tunnel");
            Cause::UpstreamAborted
        })?;
        let mut lent = Lent {
            flow: self,
            pipe: Some(pipe),
        };
        loop {
            let Some(pipe) = lent.pipe.as_mut() else {
                return Ok(Source::Idle);
            };
            match self
                .fill(pipe)
                .map_err(|error| self.source_failed(&error))?
            {
                Attempt::Moved(0) => return Ok(Source::Ended),
                Attempt::Moved(_) => self.drain(pipe).await?,
                Attempt::Pending => return Ok(Source::Idle),
                Attempt::Contended => tokio::task::yield_now().await,
            }
            tokio::task::consume_budget().await;
        }
    }

    fn fill(&self, pipe: &mut Pipe) -> io::Result<Attempt> {
        let (from, _) = self.streams();
        let size = pipe.capacity();
        let splice = |most| from.try_io(Interest::READABLE, || pipe.fill(from.as_fd(), most));
        if self.direction == Direction::Down {
            return charge(self.account, Direction::Down, size, splice);
        }
        // Upward, bytes are paid for here and counted when they have left.
        let attempt = pay(self.account, Direction::Up, size, splice)?;
        if let Attempt::Moved(count) = attempt {
            self.client.add_read(count);
        }
        Ok(attempt)
    }

    async fn drain(&self, pipe: &mut Pipe) -> Result<(), Cause> {
        let (_, to) = self.streams();
        while pipe.held() > 0 {
            match to.try_io(Interest::WRITABLE, || pipe.drain(to.as_fd())) {
                Ok(count) => self.moved(count),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let waiting = within(WRITE_IDLE, to.writable()).await;
                    waiting.map_err(|error| self.sink_failed(&error))?;
                }
                Err(error) => return Err(self.sink_failed(&error)),
            }
        }
        Ok(())
    }

    fn moved(&self, count: usize) {
        self.activity.touch();
        match self.direction {
            Direction::Up => self.account.add_up(count),
            Direction::Down => self.client.add_written(count),
        }
    }

    fn streams(&self) -> (&TcpStream, &TcpStream) {
        let (client, upstream) = self.streams;
        match self.direction {
            Direction::Up => (client, upstream),
            Direction::Down => (upstream, client),
        }
    }

    fn source_failed(&self, error: &io::Error) -> Cause {
        if is_exhaustion(error) {
            return Cause::BudgetExceeded;
        }
        match self.direction {
            Direction::Up => Cause::ClientAborted,
            Direction::Down => Cause::UpstreamAborted,
        }
    }

    fn sink_failed(&self, error: &io::Error) -> Cause {
        if error.kind() == io::ErrorKind::TimedOut {
            return Cause::IdleTimeout;
        }
        match self.direction {
            Direction::Up => Cause::UpstreamAborted,
            Direction::Down => Cause::ClientAborted,
        }
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        let Some(pipe) = self.pipe.take() else { return };
        if self.flow.direction == Direction::Up {
            self.flow.account.meter().up.refund(pipe.held() as u64);
        }
        self.flow.pipes.give_back(pipe);
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Source {
    Idle,
    Ended,
}

/// When something last moved.
struct Activity {
    start: Instant,
    /// Milliseconds after `start`.
    last: AtomicU64,
    half_open: AtomicBool,
}

impl Activity {
    fn new() -> Self {
        Self {
            start: Instant::now(),
            last: AtomicU64::new(0),
            half_open: AtomicBool::new(false),
        }
    }

    fn touch(&self) {
        let now = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(now, Ordering::Relaxed);
    }

    fn half_open(&self) {
        self.half_open.store(true, Ordering::Relaxed);
        self.touch();
    }

    /// Resolves once nothing has moved for the time that the tunnel's state allows. Looks at least
    /// once per [`HALF_OPEN_IDLE`], since a tunnel may become half open while this sleeps.
    async fn idle(&self) {
        loop {
            let half_open = self.half_open.load(Ordering::Relaxed);
            let limit = if half_open {
                HALF_OPEN_IDLE
            } else {
                TUNNEL_IDLE
            };
            let last = self.start + Duration::from_millis(self.last.load(Ordering::Relaxed));
            let due = last + limit;
            let now = Instant::now();
            if now >= due {
                return;
            }
            tokio::time::sleep_until(due.min(now + HALF_OPEN_IDLE)).await;
        }
    }
}
