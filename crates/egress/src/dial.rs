//! From a permitted destination to a connection: resolve, refuse forbidden addresses, and dial the
//! very address that was checked, or have the configured hop dial it.
//!
//! Not for: verdicts (`authorize`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::sync::{Arc, PoisonError, RwLock};

use policy::{AddressClass, Destination, forbidden};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::authorize::Permit;
use crate::exchange::Exchange;
use crate::hop::{Hop, HopFault};
use crate::limits::{
    CONNECT_TIMEOUT, DIAL_ADDRESSES, DIAL_TIMEOUT, LOOKUP_TIMEOUT, PROCESS_LOOKUPS,
};
use crate::reason::Cause;
use crate::session::Session;
use crate::upstream::{Attempt, Direction, Upstream, charge};

/// Addresses that were checked, or that a rule names.
#[derive(Debug)]
pub(crate) struct Route {
    addresses: Vec<SocketAddr>,
    /// These are the hop's, which is then asked for the destination.
    through: Option<(Arc<Hop>, Destination)>,
}

/// Makes connections; the look-ups of all sessions share it.
#[derive(Debug)]
pub(crate) struct Dialler {
    lookups: Arc<Semaphore>,
    hop: RwLock<Option<Arc<Hop>>>,
}

impl Dialler {
    pub(crate) fn new() -> Self {
        Self {
            lookups: Arc::new(Semaphore::new(PROCESS_LOOKUPS)),
            hop: RwLock::default(),
        }
    }

    /// From now on connections are made through this hop, or without one. What is open stays.
    pub(crate) fn set_hop(&self, hop: Option<Hop>) {
        *self.hop.write().unwrap_or_else(PoisonError::into_inner) = hop.map(Arc::new);
    }

    /// Dials what was permitted.
    pub(crate) async fn dial(
        &self,
        session: &Session,
        permit: &Permit,
        destination: &Destination,
    ) -> Result<Upstream, Cause> {
        let route = self.find(session, permit, destination).await?;
        route.dial(permit).await
    }

    /// Where a permitted destination may be dialled. A rule's own address stands as it is; any other
    /// is checked. Nothing is dialled.
    pub(crate) async fn find(
        &self,
        session: &Session,
        permit: &Permit,
        destination: &Destination,
    ) -> Result<Route, Cause> {
        if let Some(address) = permit.connect {
            return Ok(Route::to(vec![address]));
        }
        if permit.tells {
            pay_for_name(permit, destination).await?;
        }
        let hop = self.hop_for(destination);
        // Addresses are checked in any case: only names may be left to the hop.
        let known = destination.host.ip().is_some();
        if known || hop.as_ref().is_none_or(|hop| hop.is_checked()) {
            let addresses = checked(self.resolve(session, destination).await?)?;
            if hop.is_none() {
                return Ok(Route::to(addresses));
            }
        }
        match hop {
            Some(hop) => self.find_hop(session, hop, destination).await,
            None => Err(Cause::ResolveFailed),
        }
    }

    fn hop_for(&self, destination: &Destination) -> Option<Arc<Hop>> {
        let hop = self.hop.read().unwrap_or_else(PoisonError::into_inner);
        let hop = hop.as_ref();
        hop.filter(|hop| hop.leads_to(&destination.host)).cloned()
    }

    /// The way through a hop. Its own address is not checked: root says where it is.
    async fn find_hop(
        &self,
        session: &Session,
        hop: Arc<Hop>,
        destination: &Destination,
    ) -> Result<Route, Cause> {
        let found = self.resolve(session, hop.server()).await;
        let addresses = found.unwrap_or_default();
        if addresses.is_empty() {
            return Err(HopFault::Unreachable.into());
        }
        Ok(Route {
            addresses,
            through: Some((hop, destination.clone())),
        })
    }

    async fn resolve(
        &self,
        session: &Session,
        destination: &Destination,
    ) -> Result<Vec<SocketAddr>, Cause> {
        if let Some(ip) = destination.host.ip() {
            return Ok(vec![SocketAddr::new(ip, destination.port)]);
        }
        let lookup = self.look_up(session, destination.host.to_string(), destination.port);
        timeout(LOOKUP_TIMEOUT, lookup)
            .await
            .unwrap_or(Err(Cause::ResolveFailed))
    }

    /// Asks the host's resolver on a thread of its own. The permits go with the thread: it may
    /// outlive this wait, and what is bounded is the threads.
    async fn look_up(
        &self,
        session: &Session,
        name: String,
        port: u16,
    ) -> Result<Vec<SocketAddr>, Cause> {
        let own = Arc::clone(&session.lookups).acquire_owned().await;
        let shared = Arc::clone(&self.lookups).acquire_owned().await;
        let permits = (own.map_err(closed)?, shared.map_err(closed)?);
        let work = move || {
            let found = (name.as_str(), port)
                .to_socket_addrs()
                .map(Iterator::collect);
            drop(permits);
            found
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(Ok(addresses)) => Ok(addresses),
            Ok(Err(_)) | Err(_) => Err(Cause::ResolveFailed),
        }
    }
}

impl Route {
    /// Connects to the first of the addresses that answers, and to no other than these.
    pub(crate) async fn dial(&self, permit: &Permit) -> Result<Upstream, Cause> {
        let account = Arc::clone(Exchange::account(&permit.exchange));
        let connected = connect(&self.addresses).await;
        let Some((hop, destination)) = &self.through else {
            return Ok(Upstream::new(connected?, account));
        };
        let stream = connected.map_err(|_cause| HopFault::Unreachable)?;
        let upstream = Upstream::new(stream, account);
        hop.ask(&upstream, destination).await?;
        Ok(upstream)
    }

    const fn to(addresses: Vec<SocketAddr>) -> Self {
        Self {
            addresses,
            through: None,
        }
    }
}

/// Counts a name that the jail chose as bytes that leave, since the host's resolver sends it on.
async fn pay_for_name(permit: &Permit, destination: &Destination) -> Result<(), Cause> {
    let account = permit.exchange.account();
    let mut left = destination.host.to_string().len();
    while left > 0 {
        match charge(account, Direction::Up, left, Ok) {
            Ok(Attempt::Moved(count)) => {
                account.note_told(count);
                left = left.saturating_sub(count);
            }
            Ok(Attempt::Pending | Attempt::Contended) => tokio::task::yield_now().await,
            Err(_exhausted) => return Err(Cause::BudgetExceeded),
        }
    }
    Ok(())
}

/// The addresses that may be dialled: of a name that has some good and some forbidden addresses
/// only the good ones are tried. The host's own are read anew each time, since a host gets and loses
/// addresses while jails run.
fn checked(addresses: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, Cause> {
    let own = sys::interfaces::addresses().map_err(|error| {
        tracing::error!(%error, "the host's own addresses could not be read");
        Cause::UpstreamUnreachable
    })?;
    let mut refused = Cause::ResolveFailed;
    let mut good = addresses;
    good.retain(|address| match obstacle(address.ip(), &own) {
        None => true,
        Some(cause) => {
            refused = cause;
            false
        }
    });
    if good.is_empty() {
        Err(refused)
    } else {
        Ok(good)
    }
}

fn obstacle(ip: IpAddr, own: &[IpAddr]) -> Option<Cause> {
    match forbidden(ip) {
        Some(AddressClass::Metadata) => Some(Cause::MetadataService),
        Some(_) => Some(Cause::ForbiddenAddress),
        None => (own.contains(&ip) || is_delivered_here(ip)).then_some(Cause::OwnAddress),
    }
}

/// Asks the kernel's routes whether packets for the address would stay on this host: beside its
/// interfaces' addresses there are those that a route of type `local` or a new interface brings.
/// Connecting a datagram socket sends nothing; such a route shows by the source address that it gives,
/// which is the destination itself. An address without a route can't be dialled either.
fn is_delivered_here(ip: IpAddr) -> bool {
    let any: IpAddr = match ip {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let source = UdpSocket::bind((any, 0)).and_then(|socket| {
        // Any port: no packet ever carries it.
        socket.connect((ip, 9))?;
        socket.local_addr()
    });
    source.is_ok_and(|source| source.ip() == ip || source.ip().is_loopback())
}

async fn connect(addresses: &[SocketAddr]) -> Result<TcpStream, Cause> {
    let attempts = async {
        for address in addresses.iter().take(DIAL_ADDRESSES) {
            if let Ok(Ok(stream)) = timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await {
                return Ok(stream);
            }
        }
        Err(Cause::UpstreamUnreachable)
    };
    timeout(DIAL_TIMEOUT, attempts)
        .await
        .unwrap_or(Err(Cause::UpstreamUnreachable))
}

/// The semaphores are never closed; were they, nothing could be looked up.
fn closed(_: tokio::sync::AcquireError) -> Cause {
    Cause::ResolveFailed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn keeps_public_addresses_and_drops_the_rest() {
        let mixed = addresses(&["10.0.0.1:443", "1.1.1.1:443", "[::ffff:127.0.0.1]:443"]);
        assert_eq!(checked(mixed), Ok(addresses(&["1.1.1.1:443"])));
    }

    #[test]
    fn refuses_a_name_whose_addresses_are_all_forbidden() {
        let class = |text| checked(addresses(&[text]));
        assert_eq!(class("127.0.0.1:80"), Err(Cause::ForbiddenAddress));
        assert_eq!(class("[64:ff9b::7f00:1]:80"), Err(Cause::ForbiddenAddress));
        assert_eq!(class("169.254.169.254:80"), Err(Cause::MetadataService));
        assert_eq!(checked(Vec::new()), Err(Cause::ResolveFailed));
    }

    #[test]
    fn knows_by_the_kernels_routes_what_stays_on_this_host() {
        for local in ["127.0.0.1", "127.9.9.9", "::1"] {
            assert!(is_delivered_here(local.parse().unwrap()), "{local}");
        }
        for remote in ["1.1.1.1", "2606:4700::1111"] {
            assert!(!is_delivered_here(remote.parse().unwrap()), "{remote}");
        }
    }

    #[test]
    fn refuses_an_address_of_this_host_even_when_it_is_public() {
        let ip = IpAddr::from([1, 1, 1, 1]);
        assert_eq!(obstacle(ip, &[]), None);
        assert_eq!(obstacle(ip, &[ip]), Some(Cause::OwnAddress));
    }
}
