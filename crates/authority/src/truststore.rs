//! Trusted certificates as Java keeps them: a key store of type `JKS`, which every Java since 1.2 reads.
//!
//! The format holds certificates in clear, and a digest keyed with a password that everybody knows
//! (`changeit`, Java's own default): it finds damage and hides nothing. SHA-1 is the format's choice.
//!
//! Not for: keys; none is ever put in one.

use std::fmt;

use rustls_pki_types::CertificateDer;
use sha1::{Digest, Sha1};

/// The password that Java's own list of authorities has.
pub const PASSWORD: &str = "changeit";

const MAGIC: u32 = 0xfeed_feed;
const VERSION: u32 = 2;
const TRUSTED_CERTIFICATE: u32 = 2;
const KIND: &str = "X.509";
/// What the format mixes into its digest after the password.
const WHITENER: &[u8] = b"Mighty Aphrodite";

/// A key store that lacks its last certificate. What all stores of a host have in common is encoded
/// and digested once.
#[derive(Clone)]
pub struct Truststore {
    encoded: Vec<u8>,
    digest: Sha1,
}

impl Truststore {
    /// Begins a store with these, one place left.
    #[must_use]
    pub fn begin(certificates: &[CertificateDer<'_>]) -> Self {
        let count = u32::try_from(certificates.len()).unwrap_or(u32::MAX);
        let mut encoded = Vec::new();
        for number in [MAGIC, VERSION, count.saturating_add(1)] {
            put_number(&mut encoded, number);
        }
        for (index, certificate) in certificates.iter().enumerate() {
            put_entry(&mut encoded, &format!("host-{index}"), certificate);
        }
        let mut digest = Sha1::new();
        for unit in PASSWORD.encode_utf16() {
            digest.update(unit.to_be_bytes());
        }
        digest.update(WHITENER);
        digest.update(&encoded);
        Self { encoded, digest }
    }

    /// The whole store, with this certificate in the last place.
    #[must_use]
    pub fn end_with(&self, certificate: &CertificateDer<'_>) -> Vec<u8> {
        let mut last = Vec::new();
        put_entry(&mut last, "sheriff", certificate);
        let digest = self.digest.clone().chain_update(&last).finalize();
        let mut store = Vec::with_capacity(self.encoded.len() + last.len() + digest.len());
        store.extend_from_slice(&self.encoded);
        store.append(&mut last);
        store.extend_from_slice(&digest);
        store
    }
}

impl fmt::Debug for Truststore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Truststore({} bytes)", self.encoded.len())
    }
}

/// Entries have no date: the format wants one, nobody reads it.
fn put_entry(store: &mut Vec<u8>, alias: &str, certificate: &CertificateDer<'_>) {
    put_number(store, TRUSTED_CERTIFICATE);
    put_text(store, alias);
    store.extend_from_slice(&[0; 8]);
    put_text(store, KIND);
    put_number(store, u32::try_from(certificate.len()).unwrap_or(u32::MAX));
    store.extend_from_slice(certificate);
}

fn put_number(store: &mut Vec<u8>, number: u32) {
    store.extend_from_slice(&number.to_be_bytes());
}

/// Java's `writeUTF`, for the plain ASCII that is written here.
fn put_text(store: &mut Vec<u8>, text: &str) {
    let length = u16::try_from(text.len()).unwrap_or_default();
    store.extend_from_slice(&length.to_be_bytes());
    store.extend_from_slice(text.as_bytes());
}
