//! The two kinds of certificates: the authority's own and those it issues.
//!
//! Written for the strictest readers (RFC 5280 as OpenSSL's `X509_STRICT`, Go, Java and webpki take
//! it): random serials, both key identifiers, critical constraints, no empty subject.
//!
//! Not for: keeping them (`leaves`).

use std::time::Duration;

use policy::Host;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose,
    SanType, SerialNumber,
};
use rustls_pki_types::CertificateDer;

use crate::moment::{Moment, date};
use crate::scope::Scope;

/// How far a client's clock may be behind the host's, and a certificate valid to it all the same.
pub(crate) const SKEW: Duration = Duration::from_secs(3600);

/// How long an authority is valid. Its key dies with the session; this only bounds what a stolen one
/// could do, and is longer than sessions last.
pub(crate) const AUTHORITY_VALID: Duration = Duration::from_secs(90 * 24 * 3600);

/// How long a leaf is valid from its making; with [`SKEW`] a day in all.
pub(crate) const LEAF_VALID: Duration = Duration::from_secs(23 * 3600);

/// Longest common name (RFC 5280 A.1, `ub-common-name`).
const COMMON_NAME_MAX: usize = 64;

/// Subject of every leaf. With its space it is no host name: readers that take the common name for
/// one, and hold it against the constraints, pass it by.
const LEAF_NAME: &str = "Sheriff interception";

/// What the authority's own certificate says. `label` tells jails apart for people; it is cut to fit.
pub(crate) fn authority(
    label: &str,
    scope: &Scope,
    now: Moment,
) -> Result<CertificateParams, getrandom::Error> {
    let mut params = CertificateParams::default();
    params.serial_number = Some(serial()?);
    let name: String = format!("Sheriff jail {label}")
        .chars()
        .take(COMMON_NAME_MAX)
        .collect();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date(now.unix.saturating_sub(SKEW.as_secs()));
    params.not_after = date(now.unix.saturating_add(AUTHORITY_VALID.as_secs()));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.name_constraints = scope.constraints();
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

/// What a leaf for one host says: that host and no other, never a wildcard. It ends no later than its
/// authority, at `end`.
pub(crate) fn leaf(
    host: SanType,
    now: Moment,
    end: u64,
) -> Result<CertificateParams, getrandom::Error> {
    let mut params = CertificateParams::default();
    params.serial_number = Some(serial()?);
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, LEAF_NAME);
    params.subject_alt_names = vec![host];
    params.not_before = date(now.unix.saturating_sub(SKEW.as_secs()));
    params.not_after = date(now.unix.saturating_add(LEAF_VALID.as_secs()).min(end));
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

/// The host as a certificate names it.
pub(crate) fn alternative_name(host: &Host) -> Result<SanType, rcgen::Error> {
    Ok(match host {
        Host::Name(name) => SanType::DnsName(name.as_str().try_into()?),
        Host::V4(ip) => SanType::IpAddress((*ip).into()),
        Host::V6(ip) => SanType::IpAddress((*ip).into()),
    })
}

/// 127 random bits. rcgen's default is a digest of the key, and all leaves of a jail have one key;
/// NSS refuses two certificates of one issuer with the same serial.
fn serial() -> Result<SerialNumber, getrandom::Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    // Positive, and of the same length always.
    bytes[0] = (bytes[0] & 0x7f) | 0x40;
    Ok(SerialNumber::from_slice(&bytes))
}

/// What an authority must know again of its own certificate.
#[derive(Debug)]
pub(crate) struct Known {
    /// Its hosts.
    pub(crate) scope: Scope,
    /// The second after which it is invalid.
    pub(crate) end: u64,
    /// Its public key, as the certificate has it.
    pub(crate) public_key: Vec<u8>,
}

/// Reads an authority's certificate back. `None` if it is not one of ours.
pub(crate) fn read(certificate: &CertificateDer<'_>) -> Option<Known> {
    let (rest, read) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let scope = match read.name_constraints().ok()? {
        Some(constraints) => constrained(constraints.value)?,
        // Ours always have some, but for those of sessions that learn.
        None => Scope::everything(),
    };
    let known = Known {
        scope,
        end: u64::try_from(read.validity().not_after.timestamp()).ok()?,
        public_key: read.public_key().subject_public_key.data.to_vec(),
    };
    (rest.is_empty() && read.is_ca()).then_some(known)
}

fn constrained(constraints: &x509_parser::extensions::NameConstraints<'_>) -> Option<Scope> {
    let (mut names, mut addresses) = (Default::default(), Default::default());
    for subtree in constraints.permitted_subtrees.as_ref()? {
        permit(&subtree.base, &mut names, &mut addresses)?;
    }
    Some(Scope::permitted(names, addresses))
}

fn permit(
    name: &x509_parser::extensions::GeneralName<'_>,
    names: &mut std::collections::BTreeSet<String>,
    addresses: &mut std::collections::BTreeSet<std::net::IpAddr>,
) -> Option<()> {
    use x509_parser::extensions::GeneralName;
    match name {
        GeneralName::DNSName(name) => names.insert((*name).to_owned()),
        GeneralName::IPAddress(bytes) => {
            let (address, mask) = bytes.split_at_checked(bytes.len() / 2)?;
            if mask.iter().any(|byte| *byte != 0xff) {
                return None;
            }
            let v4 = <[u8; 4]>::try_from(address).map(Into::into);
            let v6 = || <[u8; 16]>::try_from(address).map(Into::into);
            addresses.insert(v4.or_else(|_six| v6()).ok()?)
        }
        _ => return None,
    };
    Some(())
}
