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

/// The operator's entries and, for each name that they leave free, ours.
#[must_use]
pub(crate) fn complete(operators: Vec<Vec<u8>>, session: &SessionId) -> Vec<Vec<u8>> {
    let ours = FIXED
        .into_iter()
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
        let all = complete(operators, &session);
        let count = |prefix: &[u8]| all.iter().filter(|entry| entry.starts_with(prefix)).count();
        assert_eq!(count(b"HTTP_PROXY="), 1);
        assert!(all.contains(&b"HTTP_PROXY=".to_vec()));
        assert_eq!(count(b"NO_PROXY="), 1);
        assert_eq!(count(b"https_proxy=http://10.77.0.1:3128"), 1);
        assert!(all.contains(&format!("SHERIFF_SESSION={session}").into_bytes()));
        assert_eq!(all.len(), 12);
    }
}
