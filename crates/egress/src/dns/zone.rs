//! All the names that exist for one jail: those that its rules allow, and what leads back to them.
//!
//! Not for: messages (`question`, `reply`).

use std::net::Ipv4Addr;

use policy::{Destination, DomainName, EgressPolicy, Host, Request, RequestKind};

use super::question::Question;
use super::reply::{A, Answer, IN, PTR};
use crate::addresses::Addresses;
use crate::names::Names;
use crate::reason::Cause;

/// What one jail's names follow from.
pub(super) struct Zone<'a> {
    pub(super) policy: &'a EgressPolicy,
    pub(super) names: &'a Names,
    pub(super) addresses: &'a Addresses,
}

impl Zone<'_> {
    /// What there is of a name, or why it is as if there were nothing.
    pub(super) fn find(&self, question: &Question<'_>) -> Result<Answer, Cause> {
        if question.class != IN || question.ambiguous {
            return Err(Cause::DnsRefused);
        }
        let name = DomainName::parse(&question.name).map_err(|_no_host| Cause::DnsRefused)?;
        if is_loopback(&name) {
            return Ok(match question.kind {
                A => Answer::Address(Ipv4Addr::LOCALHOST),
                _ => Answer::Nothing,
            });
        }
        if let Some(address) = reversed(&name) {
            let owner = self.owner(address)?;
            return Ok(match question.kind {
                PTR => Answer::Name(owner),
                _ => Answer::Nothing,
            });
        }
        self.permit(&name)?;
        Ok(match question.kind {
            A => Answer::Address(self.addresses.assign(&name)),
            _ => Answer::Nothing,
        })
    }

    /// Judges a name by the rules, and by how much a jail says with it where they leave that open.
    fn permit(&self, name: &DomainName) -> Result<(), Cause> {
        let destination = Destination {
            host: Host::Name(name.clone()),
            // Of no account for a name.
            port: 53,
        };
        let request = Request {
            destination: &destination,
            kind: RequestKind::Name,
            method: None,
            path: None,
            tls: false,
        };
        let decision = self.policy.judge(&request);
        if !decision.is_allowed() {
            return Err(Cause::DnsRefused);
        }
        let objection = self.names.objection(name.as_str(), decision.open);
        objection.map_or(Ok(()), Err)
    }

    /// The name of an address, as far as it was given one here.
    fn owner(&self, address: Ipv4Addr) -> Result<DomainName, Cause> {
        let known = if address == Ipv4Addr::LOCALHOST {
            DomainName::parse(b"localhost").ok()
        } else {
            self.addresses.lookup(address)
        };
        known.ok_or(Cause::DnsRefused)
    }
}

/// `localhost` and the names below it (RFC 6761 6.3).
fn is_loopback(name: &DomainName) -> bool {
    let rest = name.as_str().strip_suffix("localhost");
    rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// The address that a name asks about (RFC 1035 3.5).
fn reversed(name: &DomainName) -> Option<Ipv4Addr> {
    let quad = name.as_str().strip_suffix(".in-addr.arpa")?;
    let [a, b, c, d] = quad.parse::<Ipv4Addr>().ok()?.octets();
    Some(Ipv4Addr::new(d, c, b, a))
}

#[cfg(test)]
mod tests;
