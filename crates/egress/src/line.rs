//! A connection to an upstream server for one request after the other, as long as they are for the same
//! server.
//!
//! Not for: connections without HTTP (`tunnel`), nor what is said on it (`http1`).

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::BytesMut;
use policy::{Destination, Scheme};
use rustls::ClientConfig;
use tokio::time::Instant;

use crate::authorize::Permit;
use crate::limits::UPSTREAM_IDLE;
use crate::plan::Plan;
use crate::proxy::Proxy;
use crate::reason::Cause;
use crate::session::Session;
use crate::upstream::Upstream;

/// A connection, and what was read of it beyond the last answer.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) upstream: Upstream,
    /// Empty, with the memory of the answer before.
    pub(crate) rest: BytesMut,
    /// Bytes up and down that it took to agree on TLS.
    pub(crate) handshake: (u64, u64),
    way: Way,
    since: Instant,
}

/// Where a connection leads.
#[derive(Debug, Clone)]
pub(crate) struct Way {
    destination: Destination,
    scheme: Scheme,
    connect: Option<SocketAddr>,
}

impl Way {
    pub(crate) fn of(plan: &Plan, permit: &Permit) -> Self {
        Self {
            destination: plan.asked.destination.clone(),
            scheme: plan.scheme,
            connect: permit.connect,
        }
    }

    /// True when a permitted request goes there.
    pub(crate) fn leads(&self, plan: &Plan, permit: &Permit) -> bool {
        self.destination == plan.asked.destination
            && self.scheme == plan.scheme
            && self.connect == permit.connect
    }
}

impl Line {
    /// Connects to where a permitted request goes; to servers of `https` inside TLS with these settings.
    pub(crate) async fn dial(
        (proxy, session): (&Proxy, &Session),
        tls: &Arc<ClientConfig>,
        plan: &Plan,
        permit: &Permit,
    ) -> Result<Self, Cause> {
        let destination = &plan.asked.destination;
        let upstream = proxy.dialler.dial(session, permit, destination).await?;
        let account = permit.exchange.account();
        let before = account.bytes();
        let upstream = match plan.scheme {
            Scheme::Http => upstream,
            Scheme::Https => upstream.secure(tls, &destination.host).await?,
        };
        Ok(Self {
            upstream,
            rest: BytesMut::new(),
            handshake: since(before, account.bytes()),
            way: Way::of(plan, permit),
            since: Instant::now(),
        })
    }

    /// The same connection for another request, if it leads where that goes and is still good.
    pub(crate) fn reuse(self, plan: &Plan, permit: &Permit) -> Option<Self> {
        if !self.way.leads(plan, permit) || self.since.elapsed() > UPSTREAM_IDLE {
            return None;
        }
        // First, since to listen may take bytes of TLS off the connection, and none goes uncounted.
        self.upstream.assign(permit.exchange.account().clone());
        self.upstream.is_quiet().then_some(self)
    }

    /// The same connection from now on waiting for another request.
    #[must_use]
    pub(crate) fn rested(self) -> Self {
        let since = Instant::now();
        Self { since, ..self }
    }
}

const fn since(before: (u64, u64), now: (u64, u64)) -> (u64, u64) {
    let (up, down) = now;
    (up.saturating_sub(before.0), down.saturating_sub(before.1))
}
