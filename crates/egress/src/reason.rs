//! Why the proxy itself, not a rule, refused or ended something: stable codes and their statuses.
//!
//! Not for: the verdicts of policy (`policy::Reason`), nor for the answer's text (`respond`).

use crate::fault::Fault;
use crate::hop::HopFault;
use crate::respond;

/// A cause that policy does not know. The codes are part of the interface: logs, headers, metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The request is not well-formed HTTP/1.1; the code says where.
    Malformed(&'static str),
    /// The `Host` field names another host than the request target.
    HostMismatch,
    /// The `Host` field names another host than the connection is for (RFC 9110 15.5.20).
    Misdirected,
    /// The request's content is longer than a rule lets pass.
    BodyTooLarge,
    /// A rule forbids the WebSocket protocol.
    WebsocketNotAllowed,
    /// The rules can't be kept without opening TLS, and the session has no authority to do so.
    NeedsInterception,
    /// The session's authority gave no certificate for the host.
    CertificateUnavailable,
    /// The client did not take the certificate that the session's authority made.
    ClientTlsFailed,
    /// A secret's placeholder in a request to somebody whom the secret is not for.
    SecretMisdirected,
    /// A secret's placeholder in a request that is not under TLS.
    SecretNeedsTls,
    /// The secret's value can't be had now.
    SecretUnavailable,
    /// The request's content is in a coding that can't be looked into.
    UnreadableBody,
    /// The answer's content is in a coding that can't be undone, or is not what it says it is.
    AnswerUnreadable,
    /// More requests than a rule's rate; another one may come after so many seconds.
    RateLimited(u32),
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
    /// The hop that egress goes through failed or refused.
    UpstreamProxy(HopFault),
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
    TlsFailed(Fault),
    /// The answer is longer than a fetch returns.
    AnswerTooLarge,
}

impl Cause {
    /// Stable machine-readable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Malformed(code) => code,
            Self::HostMismatch | Self::Misdirected => "host_mismatch",
            Self::BodyTooLarge => "body_too_large",
            Self::WebsocketNotAllowed => "websocket_not_allowed",
            Self::NeedsInterception => "needs_interception",
            Self::CertificateUnavailable => "certificate_unavailable",
            Self::ClientTlsFailed => "client_tls_failed",
            Self::SecretMisdirected => "secret_misdirected",
            Self::SecretNeedsTls => "secret_needs_tls",
            Self::SecretUnavailable => "secret_unavailable",
            Self::UnreadableBody => "unreadable_body",
            Self::AnswerUnreadable => "answer_unreadable",
            Self::RateLimited(_) => "rate_limited",
            Self::ForbiddenAddress => "forbidden_address",
            Self::MetadataService => "metadata_service",
            Self::OwnAddress => "own_address",
            Self::OpaqueName => "opaque_name",
            Self::TooManyNames => "too_many_names",
            Self::SniMismatch => "sni_mismatch",
            Self::NotTls => "not_tls",
            Self::UpgradeRefused => "upgrade_refused",
            Self::DnsRefused => "dns_refused",
            Self::BudgetExceeded => "budget_exceeded",
            Self::TooManyConnections => "too_many_connections",
            Self::ResolveFailed => "resolve_failed",
            Self::UpstreamUnreachable => "upstream_unreachable",
            Self::UpstreamProxy(_) => "upstream_proxy",
            Self::UpstreamProtocol => "upstream_protocol",
            Self::UpstreamTimeout => "upstream_timeout",
            Self::NotRecorded => "not_recorded",
            Self::SessionClosed => "session_closed",
            Self::PolicyChanged => "policy_changed",
            Self::IdleTimeout => "idle_timeout",
            Self::ClientAborted => "client_aborted",
            Self::UpstreamAborted => "upstream_aborted",
            Self::TlsFailed(_) => "tls_failed",
            Self::AnswerTooLarge => "answer_too_large",
        }
    }

    /// The same in words.
    pub(crate) fn text(self) -> String {
        let text = respond::text(self.code());
        match self {
            Self::TlsFailed(fault) => format!("{text}: {}", fault.text()),
            Self::UpstreamProxy(fault) => format!("{text}: {}", fault.text()),
            _ => text.to_owned(),
        }
    }

    /// What a record says of it beyond its code.
    pub(crate) fn note(self) -> Option<String> {
        match self {
            Self::TlsFailed(fault) => Some(fault.code().to_owned()),
            Self::UpstreamProxy(fault) => Some(fault.code()),
            _ => None,
        }
    }

    /// Seconds after which it is worth to try again, where that is known.
    pub(crate) const fn retry_after(self) -> Option<u32> {
        match self {
            Self::RateLimited(seconds) => Some(seconds),
            _ => None,
        }
    }

    /// The HTTP status that goes with it where there is still somebody to tell.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Malformed(_)
            | Self::HostMismatch
            | Self::ClientAborted
            | Self::ClientTlsFailed => 400,
            Self::BodyTooLarge => 413,
            Self::Misdirected => 421,
            Self::BudgetExceeded | Self::TooManyNames | Self::RateLimited(_) => 429,
            Self::ResolveFailed
            | Self::UpstreamUnreachable
            | Self::UpstreamProxy(_)
            | Self::UpstreamProtocol
            | Self::UpstreamTimeout
            | Self::UpstreamAborted
            | Self::TlsFailed(_)
            | Self::AnswerTooLarge
            | Self::AnswerUnreadable
            | Self::IdleTimeout => 502,
            Self::NotRecorded
            | Self::SessionClosed
            | Self::TooManyConnections
            | Self::CertificateUnavailable
            | Self::SecretUnavailable => 503,
            Self::WebsocketNotAllowed
            | Self::NeedsInterception
            | Self::SecretMisdirected
            | Self::UnreadableBody
            | Self::SecretNeedsTls
            | Self::ForbiddenAddress
            | Self::MetadataService
            | Self::OwnAddress
            | Self::OpaqueName
            | Self::SniMismatch
            | Self::NotTls
            | Self::UpgradeRefused
            | Self::DnsRefused
            | Self::PolicyChanged => 403,
        }
    }

    /// True when it means that the request was not permitted, false when it merely failed.
    #[must_use]
    pub const fn is_denial(self) -> bool {
        matches!(self.status(), 400 | 403 | 413 | 421 | 429) && !matches!(self, Self::ClientAborted)
            || matches!(
                self,
                Self::NotRecorded
                    | Self::SessionClosed
                    | Self::TooManyConnections
                    | Self::CertificateUnavailable
                    | Self::SecretUnavailable
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
