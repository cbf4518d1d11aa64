//! The certificate authorities that fetches trust: the host's, and a file that the operator adds.
//!
//! Not for: certificates of our own; there are none.

use std::path::{Path, PathBuf};

use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

/// The operator's file can't be used. Trouble with the host's own store is only logged: a host
/// without one can still fetch nothing over TLS, which is the safe side.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CertificateError {
    #[error("{}: {source}", path.display())]
    Read {
        path: PathBuf,
        source: rustls_pki_types::pem::Error,
    },
    #[error("{}: {source}", path.display())]
    Unusable {
        path: PathBuf,
        source: rustls::Error,
    },
    #[error("{} holds no certificate", path.display())]
    Empty { path: PathBuf },
}

/// Loads both.
pub(crate) fn load(extra: Option<&str>) -> Result<RootCertStore, CertificateError> {
    let host = rustls_native_certs::load_native_certs();
    for error in &host.errors {
        tracing::warn!(%error, "the host's certificates");
    }
    let mut roots = RootCertStore::empty();
    let (added, ignored) = roots.add_parsable_certificates(host.certs);
    tracing::debug!(added, ignored, "the host's certificates");
    if let Some(path) = extra {
        add_file(&mut roots, Path::new(path))?;
    }
    Ok(roots)
}

fn add_file(roots: &mut RootCertStore, path: &Path) -> Result<(), CertificateError> {
    let read = |source| CertificateError::Read {
        path: path.to_owned(),
        source,
    };
    let before = roots.len();
    for certificate in CertificateDer::pem_file_iter(path).map_err(read)? {
        let certificate = certificate.map_err(read)?;
        roots
            .add(certificate)
            .map_err(|source| CertificateError::Unusable {
                path: path.to_owned(),
                source,
            })?;
    }
    if roots.len() == before {
        return Err(CertificateError::Empty {
            path: path.to_owned(),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_certificate_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        std::fs::write(&path, "nothing").unwrap();
        let mut roots = RootCertStore::empty();
        let empty = add_file(&mut roots, &path);
        assert!(matches!(empty, Err(CertificateError::Empty { .. })));
        let missing = add_file(&mut roots, &folder.path().join("none.pem"));
        assert!(matches!(missing, Err(CertificateError::Read { .. })));
    }
}
