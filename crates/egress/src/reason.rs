//! Why the proxy itself, not a rule, refused or ended something: stable codes and their statuses.
//!
//! Not for: the verdicts of policy (`policy::Reason`), nor for the answer's text (`respond`).

/// A cause that policy does not know. The codes are part of the interface: logs, headers, metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The request is not well-formed HTTP/1.1; the code says where.
    Malformed(&'static str),
    /// The `Host` field names another host than the request target.
    HostMismatch,
    /// A resolved address is in a class that is never dialled.
    ForbiddenAddress,
    /// A resolved address belongs to a metadata service.
    MetadataService,
    /// A resolved address is one of this host's own.
    OwnAddress,
    /// The part of the name that a wildcard left open is too long, or looks like encoded data.
    OpaqueName,
    /// Too many new names below wildcards within a minute.
    TooManyNames,
    /// The TLS handshake names another host than CONNECT did, or none.
    SniMismatch,
    /// The bytes on a TLS port are no TLS handshake.
    NotTls,
    /// The upgrade is not a WebSocket's.
    UpgradeRefused,
    /// A connection that did not ask for the proxy.
    ExplicitProxyRequired,
    /// A DNS question; names are resolved by the proxy alone.
    DnsRefused,
    /// A byte budget is used up.
    BudgetExceeded,
    /// The session has too many connections.
    TooManyConnections,
    /// The name has no address, or its look-up took too long.
    ResolveFailed,
    /// No address of the host accepted a connection.
    UpstreamUnreachable,
    /// The upstream server broke HTTP/1.1, or ended in the middle of an answer.
    UpstreamProtocol,
    /// The upstream server was silent for too long.
    UpstreamTimeout,
    /// The decision could not be recorded.
    NotRecorded,
    /// The session is being closed.
    SessionClosed,
    /// A newer policy forbids what an older one had allowed.
    PolicyChanged,
    /// Nothing moved for too long.
    IdleTimeout,
    /// The jail's side broke off.
    ClientAborted,
    /// The upstream side broke off.
    UpstreamAborted,
    /// The upstream server could not prove who it is, or speaks no TLS that is safe.
    TlsFailed,
    /// The answer is longer than a fetch returns.
    AnswerTooLarge,
}

impl Cause {
    /// Stable machine-readable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Malformed(code) => code,
            Self::HostMismatch => "host_mismatch",
            Self::ForbiddenAddress => "forbidden_address",
            Self::MetadataService => "metadata_service",
            Self::OwnAddress => "own_address",
            Self::OpaqueName => "opaque_name",
            Self::TooManyNames => "too_many_names",
            Self::SniMismatch => "sni_mismatch",
            Self::NotTls => "not_tls",
            Self::UpgradeRefused => "upgrade_refused",
            Self::ExplicitProxyRequired => "explicit_proxy_required",
            Self::DnsRefused => "dns_refused",
            Self::BudgetExceeded => "budget_exceeded",
            Self::TooManyConnections => "too_many_connections",
            Self::ResolveFailed => "resolve_failed",
            Self::UpstreamUnreachable => "upstream_unreachable",
            Self::UpstreamProtocol => "upstream_protocol",
            Self::UpstreamTimeout => "upstream_timeout",
            Self::NotRecorded => "not_recorded",
            Self::SessionClosed => "session_closed",
            Self::PolicyChanged => "policy_changed",
            Self::IdleTimeout => "idle_timeout",
            Self::ClientAborted => "client_aborted",
            Self::UpstreamAborted => "upstream_aborted",
            Self::TlsFailed => "tls_failed",
            Self::AnswerTooLarge => "answer_too_large",
        }
    }

    /// The HTTP status that goes with it where there is still somebody to tell.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Malformed(_) | Self::HostMismatch | Self::ClientAborted => 400,
            Self::BudgetExceeded | Self::TooManyNames => 429,
            Self::ResolveFailed
            | Self::UpstreamUnreachable
            | Self::UpstreamProtocol
            | Self::UpstreamTimeout
            | Self::UpstreamAborted
            | Self::TlsFailed
            | Self::AnswerTooLarge
            | Self::IdleTimeout => 502,
            Self::NotRecorded | Self::SessionClosed | Self::TooManyConnections => 503,
            Self::ForbiddenAddress
            | Self::MetadataService
            | Self::OwnAddress
            | Self::OpaqueName
            | Self::SniMismatch
            | Self::NotTls
            | Self::UpgradeRefused
            | Self::ExplicitProxyRequired
            | Self::DnsRefused
            | Self::PolicyChanged => 403,
        }
    }

    /// True when it means that the request was not permitted, false when it merely failed.
    #[must_use]
    pub const fn is_denial(self) -> bool {
        matches!(self.status(), 400 | 403 | 429) && !matches!(self, Self::ClientAborted)
            || matches!(
                self,
                Self::NotRecorded | Self::SessionClosed | Self::TooManyConnections
            )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_no_denials_and_denials_are_no_failures() {
        assert!(Cause::SniMismatch.is_denial());
        assert!(Cause::BudgetExceeded.is_denial());
        assert!(!Cause::UpstreamUnreachable.is_denial());
        assert!(!Cause::ClientAborted.is_denial());
    }
}
