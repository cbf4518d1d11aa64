//! Who vouches for whom while TLS is measured: an authority for the servers, and one for a peer.
//!
//! Not for: our own authorities, which jails have.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use testkit::Authority;

use crate::error::Error;

/// Two authorities, in files.
#[derive(Debug)]
pub(crate) struct Trust {
    servers: PathBuf,
    proxy: Own,
    server: Arc<ServerConfig>,
}

/// The authority that a proxy signs with.
#[derive(Debug)]
pub(crate) struct Own {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Trust {
    /// Makes both for servers of these names.
    pub(crate) fn new(folder: &Path, names: &[&str]) -> Result<Self, Error> {
        let authority = Authority::new();
        let (certificate, key) = own()?;
        let path = |name: &str| folder.join(name);
        let trust = Self {
            servers: path("servers.pem"),
            proxy: Own {
                certificate: path("proxy.pem"),
                key: path("proxy.key"),
            },
            server: authority.identity(names).config,
        };
        write(&trust.servers, authority.pem())?;
        write(&trust.proxy.certificate, &certificate)?;
        write(&trust.proxy.key, &key)?;
        Ok(trust)
    }

    /// Who vouches for the servers.
    pub(crate) fn servers(&self) -> &Path {
        &self.servers
    }

    /// What a proxy signs with.
    pub(crate) const fn proxy(&self) -> &Own {
        &self.proxy
    }

    /// A server's settings; they offer `http/1.1` alone.
    pub(crate) fn server(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.server)
    }
}

fn own() -> Result<(String, String), Error> {
    let unmet = |error: rcgen::Error| Error::Unmet(format!("authority: {error}"));
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let key = KeyPair::generate().map_err(unmet)?;
    let certificate = params.self_signed(&key).map_err(unmet)?;
    Ok((certificate.pem(), key.serialize_pem()))
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    fs::write(path, text).map_err(|source| Error::File {
        what: "write",
        path: path.to_owned(),
        source,
    })
}
