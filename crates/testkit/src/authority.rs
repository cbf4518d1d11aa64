//! A certificate authority for tests: its certificate as PEM, and identities that it vouches for.
//!
//! Not for: Sheriff's own authority, which intercepts TLS.

use std::fmt;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// An authority with a key of its own, made anew by each [`Authority::new`].
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// A server's certificate and key as TLS settings.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Settings that present the certificate; ALPN offers `http/1.1` alone.
    pub config: Arc<ServerConfig>,
    /// The certificate, for servers that read files.
    pub certificate_pem: String,
    /// Its key, for the same.
    pub key_pem: String,
}

impl Authority {
    /// Makes an authority.
    #[must_use]
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params
            .distinguished_name
            .push(DnType::CommonName, "Test authority");
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self {
            issuer: Issuer::new(params, key),
            pem,
        }
    }

    /// Its certificate, to be trusted by clients.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// A server certificate for these names (DNS names or addresses), valid now.
    #[must_use]
    pub fn identity(&self, names: &[&str]) -> Identity {
        self.sign(params(names))
    }

    /// The same, but no longer valid since the year 2000.
    #[must_use]
    pub fn expired(&self, names: &[&str]) -> Identity {
        let mut params = params(names);
        params.not_after = rcgen::date_time_ymd(2000, 1, 1);
        self.sign(params)
    }

    fn sign(&self, mut params: CertificateParams) -> Identity {
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Identity::new(&certificate, &key)
    }
}

impl Identity {
    /// A certificate that vouches for itself.
    #[must_use]
    pub fn self_signed(names: &[&str]) -> Self {
        let key = KeyPair::generate().unwrap();
        let certificate = params(names).self_signed(&key).unwrap();
        Self::new(&certificate, &key)
    }

    fn new(certificate: &Certificate, key: &KeyPair) -> Self {
        let (certificate_pem, key_pem) = (certificate.pem(), key.serialize_pem());
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Self {
            config: Arc::new(config),
            certificate_pem,
            key_pem,
        }
    }
}

fn params(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    CertificateParams::new(names).unwrap()
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").finish_non_exhaustive()
    }
}
