//! The certificate authorities that the proxy trusts, and tells jails of: the host's, and a file that
//! the operator adds.
//!
//! Not for: authorities of jails (`authority`).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use authority::Roots;
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

/// The same authorities twice.
#[derive(Debug)]
pub(crate) struct Trusted {
    /// For the proxy's own connections.
    pub(crate) store: Arc<RootCertStore>,
    /// For the lists that jails get.
    pub(crate) roots: Roots,
}

/// Loads both.
pub(crate) fn load(extra: Option<&str>) -> Result<Trusted, CertificateError> {
    let host = rustls_native_certs::load_native_certs();
    for error in &host.errors {
        tracing::warn!(%error, "the host's certificates");
    }
    let mut store = RootCertStore::empty();
    let mut all = host.certs;
    let (added, ignored) = store.add_parsable_certificates(all.iter().cloned());
    tracing::debug!(added, ignored, "the host's certificates");
    if let Some(path) = extra {
        all.extend(add_file(&mut store, Path::new(path))?);
    }
    Ok(Trusted {
        store: Arc::new(store),
        roots: Roots::new(&all),
    })
}

fn add_file(
    roots: &mut RootCertStore,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let read = |source| CertificateError::Read {
        path: path.to_owned(),
        source,
    };
    let mut added = Vec::new();
    for certificate in CertificateDer::pem_file_iter(path).map_err(read)? {
        let certificate = certificate.map_err(read)?;
        roots
            .add(certificate.clone())
            .map_err(|source| CertificateError::Unusable {
                path: path.to_owned(),
                source,
            })?;
        added.push(certificate);
    }
    if added.is_empty() {
        return Err(CertificateError::Empty {
            path: path.to_owned(),
        });
    }
    Ok(added)
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
