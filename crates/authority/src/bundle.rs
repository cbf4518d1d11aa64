//! What a jail trusts: the host's authorities and, after them, its own.
//!
//! Not for: reading the host's list (`office`), nor where the files lie in a jail (`jail`).

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::CertificateDer;

use crate::authority::Authority;
use crate::truststore::Truststore;

/// Most bytes of one file of a bundle. The Web's authorities take about 220 KiB; an operator may add
/// many of their own, and the host's memory pays for each jail's copy.
pub const BUNDLE_BYTES_MAX: usize = 2 << 20;

/// The authorities that all jails of a host trust, encoded once.
#[derive(Clone)]
pub struct Roots {
    count: usize,
    pem: String,
    java: Truststore,
}

/// One jail's three files.
#[derive(Clone)]
pub struct Bundle {
    /// The jail's own authority alone, as PEM.
    pub own: Vec<u8>,
    /// All of them, as PEM.
    pub merged: Vec<u8>,
    /// All of them, as a Java key store with the password [`crate::truststore::PASSWORD`].
    pub java: Vec<u8>,
}

/// The lists are too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the certificate authorities take {bytes} bytes; at most {BUNDLE_BYTES_MAX} are handed to a jail"
)]
pub struct BundleError {
    /// The longer of both forms.
    pub bytes: usize,
}

impl Roots {
    /// Encodes a list.
    #[must_use]
    pub fn new(certificates: &[CertificateDer<'_>]) -> Self {
        let mut pem = String::new();
        for certificate in certificates {
            put_pem(&mut pem, certificate);
        }
        Self {
            count: certificates.len(),
            pem,
            java: Truststore::begin(certificates),
        }
    }
}

impl Bundle {
    /// Merges a jail's authority into the list.
    ///
    /// # Errors
    /// [`BundleError`].
    pub fn new(roots: &Roots, authority: &Authority) -> Result<Self, BundleError> {
        let own = authority.certificate_pem().as_bytes().to_vec();
        let merged = [roots.pem.as_bytes(), &own].concat();
        let java = roots.java.end_with(authority.certificate());
        match merged.len().max(java.len()) {
            bytes if bytes > BUNDLE_BYTES_MAX => Err(BundleError { bytes }),
            _ => Ok(Self { own, merged, java }),
        }
    }
}

impl fmt::Debug for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Roots({} certificates)", self.count)
    }
}

impl fmt::Debug for Bundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bundle({} bytes)", self.merged.len())
    }
}

/// RFC 7468: lines of 64 characters.
pub(crate) fn put_pem(pem: &mut String, certificate: &CertificateDer<'_>) {
    const LINE: usize = 64;
    let text = STANDARD.encode(certificate);
    pem.push_str("-----BEGIN CERTIFICATE-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at_checked(LINE).unwrap_or((rest, ""));
        pem.push_str(line);
        pem.push('\n');
        rest = after;
    }
    pem.push_str("-----END CERTIFICATE-----\n");
}
