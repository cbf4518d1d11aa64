//! What is wrong with an upstream server's TLS, in fixed words.
//!
//! Not for: TLS towards the jail.

use std::io;

use rustls::{CertificateError, Error};

/// Why a server could not prove who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The certificate is no longer valid.
    Expired,
    /// The certificate is not valid yet.
    NotYetValid,
    /// The certificate is for other names.
    Name,
    /// Nobody who is trusted vouches for the certificate; self-signed ones are among these.
    Issuer,
    /// The certificate was revoked.
    Revoked,
    /// The certificate is unfit in some other way.
    Certificate,
    /// There is no version of TLS, cipher or protocol that both sides take, or the server broke it.
    Protocol,
    /// The server ended the connection in the middle of the handshake.
    Closed,
    /// The server did not finish the handshake in time.
    Silent,
}

impl Fault {
    /// Stable machine-readable word, for records.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Expired => "certificate_expired",
            Self::NotYetValid => "certificate_not_yet_valid",
            Self::Name => "certificate_wrong_name",
            Self::Issuer => "certificate_unknown_issuer",
            Self::Revoked => "certificate_revoked",
            Self::Certificate => "certificate_unfit",
            Self::Protocol => "tls_protocol",
            Self::Closed => "tls_closed",
            Self::Silent => "tls_timeout",
        }
    }

    /// The same for people; continues "the host could not prove who it is: ".
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Expired => "its certificate has expired",
            Self::NotYetValid => "its certificate is not valid yet",
            Self::Name => "its certificate is for another name",
            Self::Issuer => "its certificate was issued by nobody that this machine trusts",
            Self::Revoked => "its certificate was revoked",
            Self::Certificate => "its certificate is unfit for a server",
            Self::Protocol => "no safe version of TLS is spoken there",
            Self::Closed => "it ended the TLS handshake",
            Self::Silent => "it did not finish the TLS handshake in time",
        }
    }

    /// What an error of a handshake means.
    pub(crate) fn of(error: &io::Error) -> Self {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
        match inner {
            Some(Error::InvalidCertificate(error)) => Self::of_certificate(error),
            Some(_) => Self::Protocol,
            None => Self::Closed,
        }
    }

    const fn of_certificate(error: &CertificateError) -> Self {
        match error {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Self::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                Self::NotYetValid
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Self::Name
            }
            // A signature of somebody who only has the name of an issuer that is trusted.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => Self::Issuer,
            CertificateError::Revoked => Self::Revoked,
            _ => Self::Certificate,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(error: Error) -> Fault {
        Fault::of(&io::Error::new(io::ErrorKind::InvalidData, error))
    }

    #[test]
    fn tells_what_is_wrong_with_a_certificate_from_what_is_wrong_with_tls() {
        let certificate = |error| of(Error::InvalidCertificate(error));
        assert_eq!(certificate(CertificateError::Expired), Fault::Expired);
        assert_eq!(certificate(CertificateError::NotValidForName), Fault::Name);
        assert_eq!(certificate(CertificateError::UnknownIssuer), Fault::Issuer);
        assert_eq!(of(Error::DecryptError), Fault::Protocol);
        let reset = io::Error::from(io::ErrorKind::ConnectionReset);
        assert_eq!(Fault::of(&reset), Fault::Closed);
    }
}
