//! A cell's sockets in the hub: what a jail can reach, and all that it can.
//!
//! Not for: serving them; the office gets duplicates.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use sys::Errno;
use sys::socket::{datagrams_on, listener_on};

use crate::error::{NetworkError, Step};

/// Connections that may wait for `accept` per listener. Enough for an agent that starts a hundred
/// downloads at once while the office restarts; the memory of more is the jail's to spend.
pub const BACKLOG: u16 = 1024;

/// Further TCP ports that one jail's policy may open; each costs a descriptor in two processes.
pub const EXTRA_PORTS_MAX: usize = 64;

const EXPLICIT: u16 = 3128;
const HTTP: u16 = 80;
const HTTPS: u16 = 443;
const DNS: u16 = 53;

/// The listening sockets of one cell. Each accepts from that cell's interface only, whatever address
/// was called; they outlive the cell but hear nothing after its end.
#[derive(Debug)]
pub struct Listeners {
    /// TCP 3128: CONNECT and absolute-form requests.
    pub explicit: OwnedFd,
    /// TCP 80: transparent HTTP.
    pub http: OwnedFd,
    /// TCP 443: transparent TLS.
    pub https: OwnedFd,
    /// TCP 53: policy DNS.
    pub dns_tcp: OwnedFd,
    /// UDP 53: policy DNS, with `IP_PKTINFO` so that replies come from the address that was asked.
    pub dns_udp: OwnedFd,
    /// Further TCP ports that the jail's policy names.
    pub extra: Vec<(u16, OwnedFd)>,
}

/// What a listener is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Service {
    /// [`Listeners::explicit`].
    Explicit,
    /// [`Listeners::http`].
    Http,
    /// [`Listeners::https`].
    Https,
    /// [`Listeners::dns_tcp`].
    DnsTcp,
    /// [`Listeners::dns_udp`].
    DnsUdp,
    /// One of [`Listeners::extra`], by port.
    Extra(u16),
}

impl Listeners {
    /// Opens the fixed ones on an interface of the calling thread's namespace.
    pub(crate) fn open(interface: u32) -> Result<Self, NetworkError> {
        Ok(Self {
            explicit: tcp(interface, EXPLICIT)?,
            http: tcp(interface, HTTP)?,
            https: tcp(interface, HTTPS)?,
            dns_tcp: tcp(interface, DNS)?,
            dns_udp: datagrams_on(interface, DNS).step("open the DNS port")?,
            extra: Vec::new(),
        })
    }

    /// Opens further TCP ports on an interface of the calling thread's namespace. Ports that are
    /// open already, and repetitions, change nothing.
    pub(crate) fn open_extra(&mut self, interface: u32, ports: &[u16]) -> Result<(), NetworkError> {
        for &port in ports.iter() {
            if self.has(port) {
                continue;
            }
            if port == 0 || self.extra.len() >= EXTRA_PORTS_MAX {
                let object = format!("TCP port {port}");
                return Err(NetworkError::new(
                    "open a further port",
                    object,
                    Errno::EINVAL,
                ));
            }
            self.extra.push((port, tcp(interface, port)?));
        }
        Ok(())
    }

    /// All of them with what they are for.
    pub fn iter(&self) -> impl Iterator<Item = (Service, BorrowedFd<'_>)> {
        let fixed = [
            (Service::Explicit, self.explicit.as_fd()),
            (Service::Http, self.http.as_fd()),
            (Service::Https, self.https.as_fd()),
            (Service::DnsTcp, self.dns_tcp.as_fd()),
            (Service::DnsUdp, self.dns_udp.as_fd()),
        ];
        let extra = self.extra.iter();
        fixed
            .into_iter()
            .chain(extra.map(|(port, fd)| (Service::Extra(*port), fd.as_fd())))
    }

    fn has(&self, port: u16) -> bool {
        [EXPLICIT, HTTP, HTTPS, DNS].contains(&port)
            || self.extra.iter().any(|(known, _)| *known == port)
    }
}

fn tcp(interface: u32, port: u16) -> Result<OwnedFd, NetworkError> {
    listener_on(interface, port, BACKLOG).step("listen in the hub")
}
