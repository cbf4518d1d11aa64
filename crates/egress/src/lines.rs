//! The connections to servers that one client's connection uses: a shared one where the server speaks
//! HTTP/2, and one for each request where it speaks HTTP/1.1, a few of which wait for the next.
//!
//! Not for: what is said on them (`http1`, `http2`).

use std::sync::{Mutex, MutexGuard, PoisonError};

use policy::Scheme;
use tokio::time::Instant;

use crate::answer::Answer;
use crate::authorize::Permit;
use crate::content::{Piece, Sink, Source};
use crate::fields::{Fields, Framing};
use crate::http2::trunk::{Branch, Trunk};
use crate::limits::{LINES_KEPT, UPSTREAM_IDLE};
use crate::line::{Line, Way};
use crate::message::{Outcome, Progress, Then};
use crate::plan::Plan;
use crate::proxy::Proxy;
use crate::reason::Cause;
use crate::session::Session;
use crate::sides::{Answers, Server};

/// The connections of one client's.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    pool: Mutex<Pool>,
    /// Held by whoever finds out what the server speaks; when that failed last, and how.
    finding_out: tokio::sync::Mutex<Option<(Instant, Cause)>>,
    /// HTTP/2 is not offered.
    plain: bool,
}

#[derive(Debug, Default)]
struct Pool {
    idle: Vec<Line>,
    trunk: Option<Shared>,
    /// The server chose HTTP/1.1 where it could have chosen.
    declined: bool,
}

/// A shared connection, where it leads, and when it was last used.
#[derive(Debug, Clone)]
struct Shared {
    trunk: Trunk,
    way: Way,
    since: Instant,
}

/// A connection, or a part in one, for one request.
#[derive(Debug)]
pub(crate) enum Connection {
    Http1(Line),
    Http2(Branch),
}

impl Lines {
    /// For a single request, over HTTP/1.1, so that all bytes of its connection are its own.
    pub(crate) fn for_one() -> Self {
        Self {
            plain: true,
            ..Self::default()
        }
    }

    /// A connection that is there already.
    pub(crate) async fn kept(&self, plan: &Plan, permit: &Permit) -> Option<Connection> {
        if let Some(branch) = self.branch(plan, permit).await {
            return Some(Connection::Http2(branch));
        }
        loop {
            let line = self.pool().idle.pop()?;
            if let Some(line) = line.reuse(plan, permit) {
                return Some(Connection::Http1(line));
            }
        }
    }

    /// A new connection; or a part in one that somebody else has made meanwhile. As long as it is not known
    /// what the server speaks, one request finds out and the others wait: they may share what it gets, and
    /// share its failure.
    pub(crate) async fn dial(
        &self,
        (proxy, session): (&Proxy, &Session),
        plan: &Plan,
        permit: &Permit,
    ) -> Result<Connection, Cause> {
        let plain = |known: &Self| {
            plan.websocket || known.plain || plan.scheme == Scheme::Http || known.pool().declined
        };
        let parts = (proxy, session);
        let asked = Instant::now();
        if plain(self) {
            let line = Line::dial(parts, &proxy.tls, plan, permit).await?;
            return Ok(Connection::Http1(line));
        }
        let mut failed = self.finding_out.lock().await;
        if plain(self) {
            drop(failed);
            let line = Line::dial(parts, &proxy.tls, plan, permit).await?;
            return Ok(Connection::Http1(line));
        }
        if let Some(branch) = self.branch(plan, permit).await {
            return Ok(Connection::Http2(branch));
        }
        if let Some((_, cause)) = failed.filter(|(at, _)| *at > asked) {
            return Err(cause);
        }
        let found = self.find_out(parts, plan, permit).await;
        *failed = found.as_ref().err().map(|cause| (Instant::now(), *cause));
        found
    }

    /// Keeps a connection for another request, if it is good for one.
    pub(crate) fn rest(&self, connection: Connection, outcome: &Result<Outcome, Cause>) {
        let reusable = matches!(
            outcome,
            Ok(Outcome {
                then: Then::Http { upstream: true, .. },
                ..
            })
        );
        let mut pool = self.pool();
        match connection {
            Connection::Http1(line) if reusable && pool.idle.len() < LINES_KEPT => {
                pool.idle.push(line.rested());
            }
            Connection::Http1(_) => {}
            Connection::Http2(_) => {
                if let Some(shared) = &mut pool.trunk {
                    shared.since = Instant::now();
                }
            }
        }
    }

    /// Lets go of a connection that turned out to be dead.
    pub(crate) fn forget(&self, connection: &Connection) {
        if let Connection::Http2(branch) = connection {
            self.let_go(branch.trunk());
        }
    }

    async fn find_out(
        &self,
        (proxy, session): (&Proxy, &Session),
        plan: &Plan,
        permit: &Permit,
    ) -> Result<Connection, Cause> {
        let line = Line::dial((proxy, session), &proxy.tls_any, plan, permit).await?;
        if !line.upstream.speaks_http2() {
            self.pool().declined = true;
            return Ok(Connection::Http1(line));
        }
        permit.exchange.account().disown(line.handshake);
        let trunk = Trunk::begin(line.upstream, session).await?;
        self.pool().trunk = Some(Shared {
            trunk: trunk.clone(),
            way: Way::of(plan, permit),
            since: Instant::now(),
        });
        let branch = trunk.branch(permit.exchange.account()).await;
        branch.map(Connection::Http2).ok_or(Cause::UpstreamAborted)
    }

    /// A part in the shared connection, if there is one and it is good.
    async fn branch(&self, plan: &Plan, permit: &Permit) -> Option<Branch> {
        if plan.websocket {
            return None;
        }
        let Shared { trunk, way, since } = self.pool().trunk.clone()?;
        let fresh = trunk.is_busy() || since.elapsed() <= UPSTREAM_IDLE;
        if way.leads(plan, permit) && fresh {
            let branch = trunk.branch(permit.exchange.account()).await;
            if branch.is_some() {
                return branch;
            }
        }
        self.let_go(&trunk);
        None
    }

    fn let_go(&self, trunk: &Trunk) {
        let mut pool = self.pool();
        let same = pool
            .trunk
            .as_ref()
            .is_some_and(|shared| shared.trunk.is(trunk));
        if same {
            pool.trunk = None;
        }
    }

    fn pool(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connection {
    /// The connection, where it belongs to one request alone.
    pub(crate) const fn line(&self) -> Option<&Line> {
        match self {
            Self::Http1(line) => Some(line),
            Self::Http2(_) => None,
        }
    }
}

impl Server for Connection {
    fn sides<'s>(
        &'s mut self,
        plan: &'s Plan,
        progress: &'s Progress,
    ) -> (impl Sink, impl Answers) {
        match self {
            Self::Http1(line) => {
                let (sink, answers) = line.sides(plan, progress);
                (Either::Http1(sink), Either::Http1(answers))
            }
            Self::Http2(branch) => {
                let (sink, answers) = branch.sides(plan, progress);
                (Either::Http2(sink), Either::Http2(answers))
            }
        }
    }
}

/// What one of two protocols makes of it.
enum Either<A, B> {
    Http1(A),
    Http2(B),
}

impl<A: Sink, B: Sink> Sink for Either<A, B> {
    fn put(&mut self, data: &[u8]) {
        match self {
            Self::Http1(sink) => sink.put(data),
            Self::Http2(sink) => sink.put(data),
        }
    }

    fn end(&mut self, trailers: &Fields) {
        match self {
            Self::Http1(sink) => sink.end(trailers),
            Self::Http2(sink) => sink.end(trailers),
        }
    }

    async fn flush(&mut self) -> Result<(), Cause> {
        match self {
            Self::Http1(sink) => sink.flush().await,
            Self::Http2(sink) => sink.flush().await,
        }
    }
}

impl<A: Source, B: Source> Source for Either<A, B> {
    fn take(&mut self) -> Result<Option<Piece<'_>>, Cause> {
        match self {
            Self::Http1(source) => source.take(),
            Self::Http2(source) => source.take(),
        }
    }

    async fn wait(&mut self) -> Result<(), Cause> {
        match self {
            Self::Http1(source) => source.wait().await,
            Self::Http2(source) => source.wait().await,
        }
    }
}

impl<A: Answers, B: Answers> Answers for Either<A, B> {
    async fn head(&mut self) -> Result<Answer, Cause> {
        match self {
            Self::Http1(answers) => answers.head().await,
            Self::Http2(answers) => answers.head().await,
        }
    }

    fn begin(&mut self, answer: &Answer, method: &str) -> Result<Framing, Cause> {
        match self {
            Self::Http1(answers) => answers.begin(answer, method),
            Self::Http2(answers) => answers.begin(answer, method),
        }
    }

    fn is_reusable(&self, answer: &Answer) -> bool {
        match self {
            Self::Http1(answers) => answers.is_reusable(answer),
            Self::Http2(answers) => answers.is_reusable(answer),
        }
    }
}
