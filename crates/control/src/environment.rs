//! The environment that the office adds to a command's own: where the proxy and the gateway are.
//!
//! Not for: the profile's `[environment]`, which the warden applies below these entries.

use model::SessionId;

/// The explicit proxy as a jail sees it: the one address that its default route leads to.
const PROXY_URL: &str = "http://10.77.0.1:3128";
/// Destinations inside the jail that no proxy can reach.
const NO_PROXY: &str = "localhost,127.0.0.1,::1";
/// The gateway's socket as mounted in every jail.
const GATEWAY_PATH: &str = "/run/sheriff/gateway.sock";

/// The jail's own certificate authority, where it has one.
const AUTHORITY: &str = "/run/sheriff/ca.pem";
/// That and the host's.
const AUTHORITIES: &str = "/run/sheriff/ca-bundle.pem";
/// The same for Java, which reads its options from one variable.
const JAVA_OPTIONS: &str = "-Djavax.net.ssl.trustStore=/run/sheriff/ca.jks \
     -Djavax.net.ssl.trustStoreType=JKS -Djavax.net.ssl.trustStorePassword=changeit";

/// Where tools look for certificate authorities. Node.js and Deno add those of the file to their own,
/// all others replace theirs.
const TRUST: [(&str, &str); 12] = [
    ("SSL_CERT_FILE", AUTHORITIES),
    ("CURL_CA_BUNDLE", AUTHORITIES),
    ("REQUESTS_CA_BUNDLE", AUTHORITIES),
    ("GIT_SSL_CAINFO", AUTHORITIES),
    ("PIP_CERT", AUTHORITIES),
    ("CARGO_HTTP_CAINFO", AUTHORITIES),
    ("npm_config_cafile", AUTHORITIES),
    ("AWS_CA_BUNDLE", AUTHORITIES),
    // gRPC's C core and all that wraps it bring a list of their own.
    ("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", AUTHORITIES),
    ("NODE_EXTRA_CA_CERTS", AUTHORITY),
    ("DENO_CERT", AUTHORITY),
    ("JAVA_TOOL_OPTIONS", JAVA_OPTIONS),
];

/// Names that tools look for, in both spellings: curl reads `http_proxy` in lower case only, others
/// the upper-case forms; Node.js heeds either only with `NODE_USE_ENV_PROXY`.
const FIXED: [(&str, &str); 10] = [
    ("HTTP_PROXY", PROXY_URL),
    ("HTTPS_PROXY", PROXY_URL),
    ("ALL_PROXY", PROXY_URL),
    ("http_proxy", PROXY_URL),
    ("https_proxy", PROXY_URL),
    ("all_proxy", PROXY_URL),
    ("NO_PROXY", NO_PROXY),
    ("no_proxy", NO_PROXY),
    ("NODE_USE_ENV_PROXY", "1"),
    ("SHERIFF_GATEWAY", GATEWAY_PATH),
];

/// The operator's entries and, for each name that they leave free, ours; with those of a certificate
/// authority if the jail has one of its own.
#[must_use]
pub(crate) fn complete(
    operators: Vec<Vec<u8>>,
    session: &SessionId,
    own_trust: bool,
) -> Vec<Vec<u8>> {
    let trust = TRUST.into_iter().filter(|_| own_trust);
    let ours = FIXED
        .into_iter()
        .chain(trust)
        .chain([("SHERIFF_SESSION", session.as_str())]);
    let mut entries: Vec<Vec<u8>> = ours
        .filter(|(name, _)| !operators.iter().any(|entry| names(entry, name)))
        .map(|(name, value)| format!("{name}={value}").into_bytes())
        .collect();
    entries.extend(operators);
    entries
}

fn names(entry: &[u8], name: &str) -> bool {
    entry
        .strip_prefix(name.as_bytes())
        .is_some_and(|rest| rest.first() == Some(&b'='))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adds_what_the_operator_left_free_and_nothing_else() {
        let session = SessionId::from_random([3; 8]);
        let operators = vec![b"HTTP_PROXY=".to_vec(), b"NO_PROXY_X=1".to_vec()];
        let all = complete(operators, &session, false);
        let count = |prefix: &[u8]| all.iter().filter(|entry| entry.starts_with(prefix)).count();
        assert_eq!(count(b"HTTP_PROXY="), 1);
        assert!(all.contains(&b"HTTP_PROXY=".to_vec()));
        assert_eq!(count(b"NO_PROXY="), 1);
        assert_eq!(count(b"https_proxy=http://10.77.0.1:3128"), 1);
        assert!(all.contains(&format!("SHERIFF_SESSION={session}").into_bytes()));
        assert_eq!(all.len(), 12);
    }

    #[test]
    fn a_jail_with_an_authority_of_its_own_is_told_where_unless_the_operator_says_otherwise() {
        let session = SessionId::from_random([3; 8]);
        let operators = vec![b"SSL_CERT_FILE=/mine".to_vec()];
        let all = complete(operators.clone(), &session, true);
        let has = |entry: &str| all.iter().any(|own| own == entry.as_bytes());
        assert!(has("SSL_CERT_FILE=/mine") && !has("SSL_CERT_FILE=/run/sheriff/ca-bundle.pem"));
        assert!(has("PIP_CERT=/run/sheriff/ca-bundle.pem") && has("DENO_CERT=/run/sheriff/ca.pem"));
        let without = complete(operators, &session, false);
        assert_eq!(all.len(), without.len() + TRUST.len() - 1);
    }
}
