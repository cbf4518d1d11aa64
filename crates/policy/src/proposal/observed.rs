//! What a session asked for, gathered from its egress events in bounded memory.
//!
//! Not for: making rules of it (`draft`).

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;

use model::{EgressEvent, EventId, Phase, TlsMode, Verdict, Via};
use serde::Serialize;

use super::Closed;
use crate::address::forbidden;
use crate::destination::{Destination, Host};
use crate::path::CanonicalPath;
use crate::rule::{Method, Rule};

/// Most destinations that are looked at. A rule for more would be no smaller than the internet.
pub const PLACES_MAX: usize = 512;
/// Most different requests that are looked at, over all destinations; with paths of 8 KiB at most this
/// bounds memory.
pub const REQUESTS_MAX: usize = 8192;
/// Most different refusals that are kept apart.
const REFUSED_MAX: usize = 512;
/// Most different requests that no rule can say that are kept apart.
const UNSAID_MAX: usize = 64;
/// Most exchanges whose close is awaited. A session has fewer connections.
const OPEN_MAX: usize = 16_384;

/// The code that an intercepted handshake leaves when its client did not take the certificate.
const CLIENT_TLS_FAILED: &str = "client_tls_failed";
/// The code of an exchange that came to its end.
const ALLOWED: &str = "allowed";

/// How much went to and fro.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Traffic {
    /// Requests, or tunnels.
    pub requests: u64,
    /// Those of them that failed after they were let through: no answer came, or not all of it.
    pub failed: u64,
    /// Bytes sent upstream.
    pub bytes_up: u64,
    /// Bytes received from upstream.
    pub bytes_down: u64,
}

/// Something that was refused while everything else was let through.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Refused {
    /// The method, `CONNECT`, or `DNS`.
    pub method: String,
    /// The host, or an escaped text that is none.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Stable reason code.
    pub reason: String,
    /// How often.
    pub count: u64,
}

/// An event that is no part of what a proposal is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skipped {
    /// One more than [`PLACES_MAX`], [`REQUESTS_MAX`] or another bound admits.
    Beyond,
    /// A rule has no words for its host, method or path.
    Unsaid,
}

/// A session's requests.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    connects: Vec<Rule>,
    places: BTreeMap<Destination, Place>,
    distinct: usize,
    open: HashMap<EventId, (Destination, Option<Asked>)>,
    refused: BTreeMap<Refused, u64>,
    unsaid: BTreeMap<String, u64>,
    requests: u64,
    beyond: u64,
}

/// What one host and port was asked for.
#[derive(Debug, Clone, Default)]
pub(super) struct Place {
    pub(super) requests: BTreeMap<Asked, Traffic>,
    pub(super) tunnels: Traffic,
    pub(super) closed: Option<Closed>,
    pub(super) connect: Option<SocketAddr>,
}

/// One request of HTTP.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Asked {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) tls: bool,
}

impl Observed {
    /// Nothing yet; where one of these rules names an address to connect to, the proposal's will, too.
    #[must_use]
    pub fn under(connects: Vec<Rule>) -> Self {
        Self {
            connects,
            ..Self::default()
        }
    }

    /// Takes in an event, in the order of the log: a close after its decision.
    ///
    /// # Errors
    /// [`Skipped`], if the proposal will say nothing of it but that it was there.
    pub fn take(&mut self, event: &EgressEvent) -> Result<(), Skipped> {
        match (event.phase, event.verdict) {
            (Phase::Close, _) => {
                self.close(event);
                Ok(())
            }
            (Phase::Decision, Verdict::Allow) => self.allow(event),
            (Phase::Decision, Verdict::Deny) if event.reason == CLIENT_TLS_FAILED => {
                self.pin(event)
            }
            (Phase::Decision, Verdict::Deny) => self.refuse(event),
        }
    }

    /// Requests and tunnels that were let through.
    #[must_use]
    pub const fn requests(&self) -> u64 {
        self.requests
    }

    /// Those of them that were too many to be looked at.
    #[must_use]
    pub const fn beyond(&self) -> u64 {
        self.beyond
    }

    /// What was refused, in order.
    #[must_use]
    pub fn refused(&self) -> Vec<Refused> {
        let refused = self.refused.iter();
        let counted = |(refused, count): (&Refused, &u64)| Refused {
            count: *count,
            ..refused.clone()
        };
        refused.map(counted).collect()
    }

    pub(super) fn places(&self) -> impl Iterator<Item = (&Destination, &Place)> {
        self.places.iter()
    }

    pub(super) fn unsaid(&self) -> Vec<String> {
        let all = self.unsaid.iter();
        all.map(|(what, count)| format!("{count} x {what}"))
            .collect()
    }

    fn allow(&mut self, event: &EgressEvent) -> Result<(), Skipped> {
        if event.via == Via::Dns {
            return Ok(());
        }
        self.requests = self.requests.saturating_add(1);
        let Some((destination, asked)) = self.read(event) else {
            return self.leave_unsaid(event);
        };
        let place = self.place(&destination)?;
        match &asked {
            None => {
                place.tunnels.requests += 1;
                place.closed = place.closed.max(Some(Closed::Unread));
            }
            Some(asked) => self.count(&destination, asked)?,
        }
        if self.open.len() < OPEN_MAX {
            self.open.insert(event.id.clone(), (destination, asked));
        }
        Ok(())
    }

    fn count(&mut self, at: &Destination, asked: &Asked) -> Result<(), Skipped> {
        let full = self.distinct >= REQUESTS_MAX;
        let Some(place) = self.places.get_mut(at) else {
            return Ok(());
        };
        if let Some(traffic) = place.requests.get_mut(asked) {
            traffic.requests += 1;
        } else if full {
            self.beyond = self.beyond.saturating_add(1);
            return Err(Skipped::Beyond);
        } else {
            let traffic = place.requests.entry(asked.clone()).or_default();
            traffic.requests += 1;
            self.distinct += 1;
        }
        Ok(())
    }

    /// A tunnel that was to be opened, which its client did not want.
    fn pin(&mut self, event: &EgressEvent) -> Result<(), Skipped> {
        let Some(destination) = self.destination(event) else {
            return self.refuse(event);
        };
        let place = self.place(&destination)?;
        place.tunnels.requests += 1;
        place.tunnels.failed += 1;
        place.closed = Some(Closed::Pinned);
        Ok(())
    }

    /// The request of an event, if rules have words for it; without one for a tunnel.
    fn read(&self, event: &EgressEvent) -> Option<(Destination, Option<Asked>)> {
        let destination = self.destination(event)?;
        if event.method == "CONNECT" {
            return Some((destination, None));
        }
        Method::parse(&event.method).ok()?;
        let path = event.path.as_ref()?;
        CanonicalPath::is_canonical(path).then_some(())?;
        let asked = Asked {
            method: event.method.clone(),
            path: path.clone(),
            tls: event.tls != TlsMode::None,
        };
        Some((destination, Some(asked)))
    }

    /// Where an event went, if a rule can open that.
    fn destination(&self, event: &EgressEvent) -> Option<Destination> {
        let host = Host::parse(&event.host).ok()?;
        let destination = Destination {
            host,
            port: event.port,
        };
        let class = destination.host.ip().and_then(forbidden);
        let open = class.is_none() || self.connect(&destination).is_some();
        (open && event.port > 0).then_some(destination)
    }

    fn connect(&self, to: &Destination) -> Option<SocketAddr> {
        let mut rules = self.connects.iter();
        let own = |rule: &&Rule| rule.host().matches(&to.host) && rule.has_port(to.port);
        rules.find(own)?.connect()
    }

    fn place(&mut self, at: &Destination) -> Result<&mut Place, Skipped> {
        if self.places.len() >= PLACES_MAX && !self.places.contains_key(at) {
            self.beyond = self.beyond.saturating_add(1);
            return Err(Skipped::Beyond);
        }
        let connect = self.connect(at);
        Ok(self.places.entry(at.clone()).or_insert_with(|| Place {
            connect,
            ..Place::default()
        }))
    }

    fn leave_unsaid(&mut self, event: &EgressEvent) -> Result<(), Skipped> {
        let path = event.path.as_deref().unwrap_or_default();
        let what = format!("{} {}:{}{path}", event.method, event.host, event.port);
        if self.unsaid.len() < UNSAID_MAX || self.unsaid.contains_key(&what) {
            *self.unsaid.entry(what).or_default() += 1;
        } else {
            self.beyond = self.beyond.saturating_add(1);
        }
        Err(Skipped::Unsaid)
    }

    fn refuse(&mut self, event: &EgressEvent) -> Result<(), Skipped> {
        let refused = Refused {
            method: event.method.clone(),
            host: event.host.clone(),
            port: event.port,
            reason: event.reason.clone(),
            count: 0,
        };
        if self.refused.len() >= REFUSED_MAX && !self.refused.contains_key(&refused) {
            return Err(Skipped::Beyond);
        }
        *self.refused.entry(refused).or_default() += 1;
        Ok(())
    }

    fn close(&mut self, event: &EgressEvent) {
        let Some((destination, asked)) = self.open.remove(&event.id) else {
            return;
        };
        let Some(place) = self.places.get_mut(&destination) else {
            return;
        };
        let traffic = match &asked {
            None => Some(&mut place.tunnels),
            Some(asked) => place.requests.get_mut(asked),
        };
        if let Some(traffic) = traffic {
            traffic.failed += u64::from(event.reason != ALLOWED);
            traffic.bytes_up = traffic.bytes_up.saturating_add(event.bytes_up);
            traffic.bytes_down = traffic.bytes_down.saturating_add(event.bytes_down);
        }
    }
}

impl Traffic {
    /// Both together.
    pub(super) const fn and(self, other: Self) -> Self {
        Self {
            requests: self.requests.saturating_add(other.requests),
            failed: self.failed.saturating_add(other.failed),
            bytes_up: self.bytes_up.saturating_add(other.bytes_up),
            bytes_down: self.bytes_down.saturating_add(other.bytes_down),
        }
    }
}
