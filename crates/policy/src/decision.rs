//! What the judge says, with a reason that machines can rely on.
//!
//! Not for: HTTP statuses and texts of denials (`egress`), nor records (`audit`).

use std::fmt;
use std::net::SocketAddr;

use model::Verdict;

use crate::address::AddressClass;
use crate::terms::Terms;

/// The verdict on one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Allow or deny.
    pub verdict: Verdict,
    /// Why.
    pub reason: Reason,
    /// The rule that decided, `<profile>:<line>` or `cli:<index>`; the nearest one when none allowed.
    pub rule: Option<String>,
    /// Dial exactly this address, without resolving and without the check of address classes.
    pub connect: Option<SocketAddr>,
    /// How many bytes at the head of the name a wildcard left open to the jail, without the dot behind
    /// them; `None` when the rule spells the host out, and in denials.
    pub open: Option<usize>,
    /// What to do with the bytes of a tunnel that is allowed. Anything else is [`Handling::Tunnel`],
    /// and means nothing.
    pub handling: Handling,
    /// What an allowed request must keep to. A tunnel that is to be opened has none of its own: those of
    /// each request inside count.
    pub terms: Terms,
}

/// Whether a tunnel is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Handling {
    /// Carried unread: no rule about the host and port speaks of requests.
    Tunnel,
    /// Opened; every request inside is judged by itself, and may still be denied.
    Intercept,
}

/// Why a request may or may not leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// A rule allows it and none denies it.
    Allowed,
    /// No rule speaks of the host.
    NotInAllowlist,
    /// A deny rule speaks of it.
    DeniedByRule,
    /// The host is allowed on other ports only.
    PortNotAllowed,
    /// An address where rules are names.
    IpLiteralNotAllowed,
    /// A metadata service, by address or by name; no rule opens it.
    MetadataService,
    /// An address of a class that is out of reach.
    ForbiddenAddress(AddressClass),
    /// The host is allowed with other methods only.
    MethodNotAllowed,
    /// The host is allowed with other paths only.
    PathNotAllowed,
    /// The rules put a secret into such requests, which leave over TLS only, and this one does not.
    SecretNeedsTls,
    /// The session's own rules allow it, and the operator's ceiling does not.
    AboveCeiling,
}

impl Reason {
    /// Stable machine-readable code: a log field, a header value, a metrics label.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::NotInAllowlist => "not_in_allowlist",
            Self::DeniedByRule => "denied_by_rule",
            Self::PortNotAllowed => "port_not_allowed",
            Self::IpLiteralNotAllowed => "ip_literal_not_allowed",
            Self::MetadataService | Self::ForbiddenAddress(AddressClass::Metadata) => {
                "metadata_service"
            }
            Self::ForbiddenAddress(_) => "forbidden_address",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::PathNotAllowed => "path_not_allowed",
            Self::SecretNeedsTls => "secret_needs_tls",
            Self::AboveCeiling => "above_ceiling",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl Decision {
    /// True when the request may leave.
    #[must_use]
    pub const fn is_allowed(&self) -> bool {
        matches!(self.verdict, Verdict::Allow)
    }

    pub(crate) const fn denied(reason: Reason, rule: Option<String>) -> Self {
        Self {
            verdict: Verdict::Deny,
            reason,
            rule,
            connect: None,
            open: None,
            handling: Handling::Tunnel,
            terms: Terms::NONE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metadata_address_has_the_code_of_a_metadata_service() {
        let by_class = Reason::ForbiddenAddress(AddressClass::Metadata);
        assert_eq!(by_class.code(), Reason::MetadataService.code());
        let other = Reason::ForbiddenAddress(AddressClass::Loopback);
        assert_eq!(other.to_string(), "forbidden_address");
    }
}
