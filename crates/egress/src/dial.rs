//! From a permitted destination to a connection: resolve, refuse forbidden addresses, and dial the
//! very address that was checked.
//!
//! Not for: verdicts (`authorize`).

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use policy::{AddressClass, Destination, forbidden};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::authorize::Permit;
use crate::exchange::Exchange;
use crate::limits::{
    CONNECT_TIMEOUT, DIAL_ADDRESSES, DIAL_TIMEOUT, LOOKUP_TIMEOUT, PROCESS_LOOKUPS,
};
use crate::reason::Cause;
use crate::session::Session;
use crate::upstream::Upstream;

/// Makes connections; the look-ups of all sessions share it.
#[derive(Debug)]
pub(crate) struct Dialler {
    lookups: Arc<Semaphore>,
}

impl Dialler {
    pub(crate) fn new() -> Self {
        Self {
            lookups: Arc::new(Semaphore::new(PROCESS_LOOKUPS)),
        }
    }

    /// Dials what was permitted. A rule's own address is dialled as it is; any other is checked.
    pub(crate) async fn dial(
        &self,
        session: &Session,
        permit: &Permit,
        destination: &Destination,
    ) -> Result<Upstream, Cause> {
        let addresses = match permit.connect {
            Some(address) => vec![address],
            None => checked(self.resolve(session, destination).await?)?,
        };
        let stream = connect(&addresses).await?;
        Ok(Upstream::new(
            stream,
            Arc::clone(Exchange::account(&permit.exchange)),
        ))
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

/// The addresses that may be dialled: of a name that has some good and some forbidden addresses
/// only the good ones are tried.
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
        None => own.contains(&ip).then_some(Cause::OwnAddress),
    }
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
    fn refuses_an_address_of_this_host_even_when_it_is_public() {
        let ip = IpAddr::from([1, 1, 1, 1]);
        assert_eq!(obstacle(ip, &[]), None);
        assert_eq!(obstacle(ip, &[ip]), Some(Cause::OwnAddress));
    }
}
