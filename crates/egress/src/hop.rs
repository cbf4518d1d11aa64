//! The proxy of the host's own network, where egress has to go through one: it is asked by CONNECT
//! (RFC 9110 9.3.6) for every connection, plain HTTP included, so that there is one path.
//!
//! The hop gets to know the names of destinations after their verdict, never before. It connects to what
//! it resolves itself, so an address that was found forbidden here could be what it finds there: see
//! [`Resolve`].
//!
//! Not for: which connections go through it (`dial`), nor for reading its configuration.

use std::fmt;
use std::io;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use policy::{Destination, Host, HostPattern};
use tokio::time::timeout;
use vault::SecretValue;
use zeroize::Zeroizing;

use crate::limits::{HOP_HEAD_MAX, HOP_TIMEOUT};
use crate::reason::Cause;
use crate::upstream::{Upstream, is_exhaustion};

/// What root configures of a hop.
#[derive(Debug)]
pub struct HopSpec {
    /// Where it listens. It may have a private address; root says where it is.
    pub server: Destination,
    /// What it is shown.
    pub credentials: Credentials,
    /// Hosts that are dialled without it.
    pub direct: Vec<HostPattern>,
    /// Who resolves names.
    pub resolve: Resolve,
}

/// A configured hop.
#[derive(Debug)]
pub struct Hop {
    spec: HopSpec,
}

/// What a hop is shown.
pub enum Credentials {
    /// Nothing.
    None,
    /// `USER:PASSWORD` for basic authentication (RFC 7617), which goes to the hop alone.
    Basic(SecretValue),
    /// They are configured and can't be had, for this reason: nothing is sent without them.
    Missing(String),
}

/// Who resolves the names of destinations that are behind the hop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolve {
    /// This host first: a name that has no permitted address here never gets to the hop. The hop then
    /// resolves it again, for itself, so a name service that answers the two differently can still lead
    /// it to an address of its own network; the hop's own rules have to forbid those.
    Here,
    /// The hop alone, for hosts without a name service for the internet. Dangerous: nothing is known of
    /// the addresses, so a permitted name may lead to any service that the hop can reach.
    There,
}

/// How a hop failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HopFault {
    /// Its name has no address, or nothing accepts connections there.
    Unreachable,
    /// It closed the connection, or did not answer in time.
    Silent,
    /// Its credentials can't be had.
    Credentials,
    /// It answered with this status.
    Refused(u16),
    /// Its answer is not one to CONNECT.
    Malformed,
}

impl Hop {
    /// A hop as configured.
    #[must_use]
    pub const fn new(spec: HopSpec) -> Self {
        Self { spec }
    }

    /// True when a host is behind it.
    pub(crate) fn leads_to(&self, host: &Host) -> bool {
        !self.spec.direct.iter().any(|pattern| pattern.matches(host))
    }

    pub(crate) const fn server(&self) -> &Destination {
        &self.spec.server
    }

    /// True when names are resolved here before they get to it.
    pub(crate) fn is_checked(&self) -> bool {
        self.spec.resolve == Resolve::Here
    }

    /// Asks for a tunnel on a connection to it. What is said counts like all other bytes up and down.
    pub(crate) async fn ask(
        &self,
        upstream: &Upstream,
        destination: &Destination,
    ) -> Result<(), Cause> {
        let request = self.request(destination)?;
        let exchange = async {
            upstream.write(&request).await?;
            upstream.read_head(HOP_HEAD_MAX).await
        };
        match timeout(HOP_TIMEOUT, exchange).await {
            Ok(Ok(head)) => judge(&head),
            Ok(Err(error)) if is_exhaustion(&error) => Err(Cause::BudgetExceeded),
            Ok(Err(error)) if error.kind() == io::ErrorKind::InvalidData => {
                Err(HopFault::Malformed.into())
            }
            Ok(Err(_)) | Err(_) => Err(HopFault::Silent.into()),
        }
    }

    fn request(&self, destination: &Destination) -> Result<Zeroizing<Vec<u8>>, Cause> {
        let head = format!("CONNECT {destination} HTTP/1.1\r\nHost: {destination}\r\n");
        let mut request = Zeroizing::new(head.into_bytes());
        match &self.spec.credentials {
            Credentials::None => {}
            Credentials::Basic(value) => {
                let coded = Zeroizing::new(STANDARD.encode(value.expose()));
                // Room for all of it at once: a vector that grows leaves copies behind.
                request.reserve_exact(coded.len() + 64);
                request.extend_from_slice(b"Proxy-Authorization: Basic ");
                request.extend_from_slice(coded.as_bytes());
                request.extend_from_slice(b"\r\n");
            }
            Credentials::Missing(reason) => {
                tracing::error!(%reason, "the upstream proxy's credentials can't be had");
                return Err(HopFault::Credentials.into());
            }
        }
        request.extend_from_slice(b"\r\n");
        Ok(request)
    }
}

/// The status of its answer decides; its fields say nothing that matters here.
fn judge(head: &[u8]) -> Result<(), Cause> {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut answer = httparse::Response::new(&mut fields);
    let parsed = answer.parse(head);
    match (parsed, answer.code) {
        (Ok(httparse::Status::Complete(_)), Some(200..=299)) => Ok(()),
        (Ok(httparse::Status::Complete(_)), Some(code)) => Err(HopFault::Refused(code).into()),
        _ => Err(HopFault::Malformed.into()),
    }
}

impl HopFault {
    /// Stable words, for records.
    #[must_use]
    pub fn code(self) -> String {
        match self {
            Self::Unreachable => "hop_unreachable".to_owned(),
            Self::Silent => "hop_silent".to_owned(),
            Self::Credentials => "hop_credentials_missing".to_owned(),
            Self::Refused(status) => format!("hop_status_{status}"),
            Self::Malformed => "hop_malformed".to_owned(),
        }
    }

    /// The same for people; continues "the proxy that egress goes through failed: ".
    #[must_use]
    pub fn text(self) -> String {
        match self {
            Self::Unreachable => "it could not be reached".to_owned(),
            Self::Silent => "it broke off or did not answer in time".to_owned(),
            Self::Credentials => "its credentials can't be had".to_owned(),
            Self::Refused(407) => "it did not take the credentials (status 407)".to_owned(),
            Self::Refused(status) => format!("it answered with status {status}"),
            Self::Malformed => "its answer was not well-formed".to_owned(),
        }
    }
}

impl From<HopFault> for Cause {
    fn from(fault: HopFault) -> Self {
        Self::UpstreamProxy(fault)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Basic(_) => "Basic(..)",
            Self::Missing(_) => "Missing",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hop(credentials: Credentials) -> Hop {
        Hop::new(HopSpec {
            server: Destination::from_authority(b"proxy.test:3128", None).unwrap(),
            credentials,
            direct: vec![HostPattern::parse("**.intern.test").unwrap()],
            resolve: Resolve::Here,
        })
    }

    #[test]
    fn credentials_are_in_the_request_and_nowhere_else() {
        let value = || SecretValue::new(b"Aladdin:open sesame".to_vec()).unwrap();
        let target = Destination::from_authority(b"[2001:db8::1]:443", None).unwrap();
        let with = hop(Credentials::Basic(value()));
        let request = with.request(&target).unwrap();
        let expected = "CONNECT [2001:db8::1]:443 HTTP/1.1\r\nHost: [2001:db8::1]:443\r\n\
            Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n";
        assert_eq!(String::from_utf8_lossy(&request), expected);
        assert!(!format!("{with:?}").contains("Aladdin"), "{with:?}");
        let without = hop(Credentials::None).request(&target).unwrap();
        assert!(!String::from_utf8_lossy(&without).contains("Authorization"));
        let missing = hop(Credentials::Missing("gone".to_owned()));
        assert!(missing.request(&target).is_err());
    }

    #[test]
    fn only_a_success_opens_the_way_and_hosts_without_it_are_known_by_pattern() {
        assert_eq!(judge(b"HTTP/1.0 200 OK\r\n\r\n"), Ok(()));
        for (head, fault) in [
            (
                &b"HTTP/1.1 407 No\r\nA: b\r\n\r\n"[..],
                HopFault::Refused(407),
            ),
            (b"HTTP/1.1 100 Go on\r\n\r\n", HopFault::Refused(100)),
            (b"SSH-2.0-x\r\n\r\n", HopFault::Malformed),
        ] {
            assert_eq!(judge(head), Err(fault.into()));
        }
        let host = |name: &str| Host::parse(name).unwrap();
        let hop = hop(Credentials::None);
        assert!(hop.leads_to(&host("api.test")));
        assert!(!hop.leads_to(&host("git.intern.test")));
    }
}
