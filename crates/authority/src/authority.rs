//! The authority of one jail: it issues a certificate for each intercepted host, on demand.
//!
//! **One key for all leaves of a jail**, another than the authority's own. A key per leaf would
//! separate nothing: all of them would lie in the same memory of the same process, for the same jail.
//! One saves a key generation per host, and what it signs with is shared.
//!
//! Not for: the sockets (`egress`), nor where the key is kept between two offices (`control`).

use std::fmt;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use policy::Host;
use rcgen::{Issuer, KeyPair, PublicKeyData};
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::{Ticketer, default_provider, sign::any_ecdsa_type};
use rustls::server::{NoServerSessionStorage, ProducesTickets};
use rustls::sign::{CertifiedKey, SigningKey, SingleCertAndKey};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use zeroize::{Zeroize, Zeroizing};

use crate::certificate::{self, AUTHORITY_VALID, LEAF_VALID, SKEW};
use crate::leaves::Leaves;
use crate::moment::Moment;
use crate::scope::Scope;

/// A leaf is replaced when so much of its life is left: a client that keeps a connection must not see
/// it end under its eyes, and clocks differ.
const RENEWED_BEFORE_END: Duration = Duration::from_secs(11 * 3600);

/// Both protocol lists are made for each leaf, and the provider is the same for all.
static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| Arc::new(default_provider()));

/// What a server offers in the handshake (RFC 7301).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Alpn {
    /// `http/1.1` alone.
    Http1,
    /// `h2`, else `http/1.1`.
    Http2,
}

/// The authority of one jail. It can't be printed with its keys, and can't be copied.
pub struct Authority {
    issuer: Issuer<'static, SecretKey>,
    certificate: CertificateDer<'static>,
    certificate_pem: String,
    scope: Scope,
    end: u64,
    leaf_key: LeafKey,
    tickets: Arc<dyn ProducesTickets>,
    leaves: Mutex<Leaves>,
}

/// No authority could be made, or made again.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// No randomness.
    #[error("getrandom: {0}")]
    Random(getrandom::Error),
    /// A certificate could not be made.
    #[error("certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// A key can't be used for TLS.
    #[error("key: {0}")]
    Key(#[from] rustls::Error),
    /// A text that is not one certificate of an authority of ours and its key.
    #[error("not the certificate of a jail's authority with its key")]
    Text,
    /// The key is another certificate's.
    #[error("the key does not belong to the certificate")]
    Mismatch,
}

/// No certificate for a host.
#[derive(Debug, thiserror::Error)]
pub enum MintError {
    /// The authority may not vouch for it, and no client would believe it.
    #[error("{host} is outside of what the jail's authority may vouch for")]
    OutsideScope {
        /// The host.
        host: Host,
    },
    /// The jail asks for too many names.
    #[error("too many new host names: another in {} s", retry_after.as_secs() + 1)]
    TooMany {
        /// When to try again.
        retry_after: Duration,
    },
    /// The authority itself is no longer valid.
    #[error("the jail's authority has expired: start the session anew")]
    Expired,
    /// No randomness.
    #[error("getrandom: {0}")]
    Random(getrandom::Error),
    /// The certificate could not be made.
    #[error("certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The settings could not be made.
    #[error("TLS settings: {0}")]
    Settings(#[from] rustls::Error),
}

/// The authority's key; its encoding is wiped when it goes. (What ring computes with is not.)
struct SecretKey(KeyPair);

/// The leaves' key, for rcgen its public half and for rustls the other.
struct LeafKey {
    public: SecretKey,
    signing: Arc<dyn SigningKey>,
}

impl Alpn {
    pub(crate) const COUNT: usize = 2;
    const ALL: [Self; Self::COUNT] = [Self::Http1, Self::Http2];

    pub(crate) const fn index(self) -> usize {
        match self {
            Self::Http1 => 0,
            Self::Http2 => 1,
        }
    }

    fn protocols(self) -> Vec<Vec<u8>> {
        match self {
            Self::Http1 => vec![b"http/1.1".to_vec()],
            Self::Http2 => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        }
    }
}

impl Authority {
    /// Makes an authority for these hosts, with keys of its own. `label` tells it apart for people:
    /// `CN=Sheriff jail <label>`.
    ///
    /// # Errors
    /// No randomness, or what the cryptography says.
    pub fn new(label: &str, scope: &Scope) -> Result<Self, AuthorityError> {
        Self::made(label, scope, Moment::now())
    }

    fn made(label: &str, scope: &Scope, now: Moment) -> Result<Self, AuthorityError> {
        let params = certificate::authority(label, scope, now).map_err(AuthorityError::Random)?;
        let key = SecretKey(KeyPair::generate()?);
        let certificate = params.self_signed(&key)?;
        Self::assemble(
            Issuer::new(params, key),
            (certificate.der().clone(), certificate.pem()),
            (scope.clone(), now.unix + AUTHORITY_VALID.as_secs()),
        )
    }

    /// Makes an authority again from [`Self::to_pem`]: same key, same certificate.
    ///
    /// # Errors
    /// [`AuthorityError::Text`], or [`AuthorityError::Mismatch`]. What is wrong with the text is not
    /// told: it holds a key.
    pub fn from_pem(pem: &str) -> Result<Self, AuthorityError> {
        let text = |_error| AuthorityError::Text;
        let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(text)?;
        let key = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).map_err(text)?;
        let known = certificate::read(&certificate).ok_or(AuthorityError::Text)?;
        let pair = KeyPair::from_pkcs8_der_and_sign_algo(&key, &rcgen::PKCS_ECDSA_P256_SHA256);
        let mut der = key.secret_pkcs8_der().to_vec();
        drop(key);
        der.zeroize();
        let key = SecretKey(pair.map_err(|_not_p256| AuthorityError::Text)?);
        if key.der_bytes() != known.public_key {
            return Err(AuthorityError::Mismatch);
        }
        let issuer = Issuer::from_ca_cert_der(&certificate, key)?;
        let text = certificate_text(pem).ok_or(AuthorityError::Text)?;
        Self::assemble(issuer, (certificate, text), (known.scope, known.end))
    }

    fn assemble(
        issuer: Issuer<'static, SecretKey>,
        (certificate, certificate_pem): (CertificateDer<'static>, String),
        (scope, end): (Scope, u64),
    ) -> Result<Self, AuthorityError> {
        Ok(Self {
            issuer,
            certificate,
            certificate_pem,
            scope,
            end,
            leaf_key: LeafKey::draw()?,
            tickets: Ticketer::new()?,
            leaves: Mutex::default(),
        })
    }

    /// Certificate and key, to be kept where nobody but the office reads.
    #[must_use]
    pub fn to_pem(&self) -> Zeroizing<String> {
        let key = Zeroizing::new(self.issuer.key().0.serialize_pem());
        let mut text = String::with_capacity(self.certificate_pem.len() + key.len());
        text.push_str(&self.certificate_pem);
        text.push_str(&key);
        Zeroizing::new(text)
    }

    /// The certificate alone, which the jail may know.
    #[must_use]
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// The same, as bytes.
    #[must_use]
    pub const fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// The hosts that it may vouch for.
    #[must_use]
    pub const fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Settings to speak as this host towards the jail: TLS 1.2 and 1.3, a certificate of at most a day
    /// for exactly this host, and the authority's behind it. Kept for 256 hosts; at most 50
    /// certificates are made in a minute.
    ///
    /// # Errors
    /// [`MintError`].
    pub fn server_config(&self, host: &Host, alpn: Alpn) -> Result<Arc<ServerConfig>, MintError> {
        self.server_config_at(host, alpn, Moment::now())
    }

    fn server_config_at(
        &self,
        host: &Host,
        alpn: Alpn,
        now: Moment,
    ) -> Result<Arc<ServerConfig>, MintError> {
        // Nothing below can panic half-way through a change of the table.
        let mut leaves = self.leaves.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(config) = leaves.find(host, alpn, now) {
            return Ok(config);
        }
        if !self.scope.covers(host) {
            return Err(MintError::OutsideScope { host: host.clone() });
        }
        if now.unix >= self.end {
            return Err(MintError::Expired);
        }
        leaves
            .count(now)
            .map_err(|retry_after| MintError::TooMany { retry_after })?;
        let configs = self.mint(host, now)?;
        let wanted = Arc::clone(configs.get(alpn.index()).unwrap_or(&configs[0]));
        let fresh = now.unix.saturating_sub(SKEW.as_secs())..self.renewal(now);
        leaves.keep(host, configs.map(Some), fresh);
        Ok(wanted)
    }

    /// When a leaf made now is to be replaced.
    fn renewal(&self, now: Moment) -> u64 {
        let own = now.unix + LEAF_VALID.as_secs() - RENEWED_BEFORE_END.as_secs();
        own.min(self.end)
    }

    fn mint(
        &self,
        host: &Host,
        now: Moment,
    ) -> Result<[Arc<ServerConfig>; Alpn::COUNT], MintError> {
        let name = certificate::alternative_name(host)?;
        let params = certificate::leaf(name, now, self.end).map_err(MintError::Random)?;
        let leaf = params.signed_by(&self.leaf_key.public, &self.issuer)?;
        let chain = vec![leaf.der().clone(), self.certificate.clone()];
        let signing = Arc::clone(&self.leaf_key.signing);
        let certified = Arc::new(CertifiedKey::new(chain, signing));
        let [first, second] = Alpn::ALL.map(|alpn| self.settings(&certified, alpn));
        Ok([first?, second?])
    }

    fn settings(
        &self,
        certified: &Arc<CertifiedKey>,
        alpn: Alpn,
    ) -> Result<Arc<ServerConfig>, MintError> {
        let resolver = SingleCertAndKey::from(Arc::clone(certified));
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&PROVIDER))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(resolver));
        config.alpn_protocols = alpn.protocols();
        // Tickets hold the state at the client; a table in memory would be one for each host. rustls
        // resumes only under the name that the ticket was given for (RFC 6066 3).
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.ticketer = Arc::clone(&self.tickets);
        Ok(Arc::new(config))
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority")
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

impl LeafKey {
    fn draw() -> Result<Self, AuthorityError> {
        let public = SecretKey(KeyPair::generate()?);
        let der = PrivatePkcs8KeyDer::from(public.0.serialized_der());
        let signing = any_ecdsa_type(&PrivateKeyDer::Pkcs8(der))?;
        Ok(Self { public, signing })
    }
}

impl Drop for SecretKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl PublicKeyData for SecretKey {
    fn der_bytes(&self) -> &[u8] {
        self.0.der_bytes()
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        self.0.algorithm()
    }
}

impl rcgen::SigningKey for SecretKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        rcgen::SigningKey::sign(&self.0, message)
    }
}

/// The certificate's part of a text, as it stands there.
fn certificate_text(pem: &str) -> Option<String> {
    const END: &str = "-----END CERTIFICATE-----";
    let start = pem.find("-----BEGIN CERTIFICATE-----")?;
    let end = pem.find(END)? + END.len();
    let text = pem.get(start..end)?;
    Some(format!("{text}\n"))
}

#[cfg(test)]
mod tests;
