//! What a session's jail trusts: an authority of its own, where its rules need TLS to be opened.
//!
//! Sessions whose rules only name hosts and ports have none: their jails see the host's lists, and the
//! copies of them (about 370 KiB of memory a jail) are saved.
//!
//! Not for: speaking TLS (`egress`), nor for keeping the key (`saved`).

use std::os::fd::OwnedFd;
use std::sync::Arc;

use authority::{Authority, AuthorityError, Bundle, BundleError, Roots, Scope, ScopeError};
use model::SessionId;
use policy::{EgressPolicy, Rule};
use sys::SysError;

// What is made here, the warden lets through.
const _: () = assert!(authority::bundle::BUNDLE_BYTES_MAX <= warrant::TRUST_BYTES_MAX);

/// So much of a session's id tells its authority apart for people.
const LABEL_CHARS: usize = 8;

/// An authority and what the jail is to know of it.
#[derive(Debug)]
pub(crate) struct Trust {
    /// It opens the session's TLS.
    pub(crate) authority: Arc<Authority>,
    bundle: Bundle,
}

/// A session can't have the authority that its rules need.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// Its rules are too wide for one.
    #[error(transparent)]
    Scope(#[from] ScopeError),
    /// It could not be made.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// The host trusts too many others.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// Its files could not be made.
    #[error(transparent)]
    File(#[from] SysError),
}

impl Trust {
    /// Makes the authority of a session, if its rules need one.
    ///
    /// # Errors
    /// [`TrustError`].
    pub(crate) fn new(
        session: &SessionId,
        policy: &EgressPolicy,
        roots: &Roots,
    ) -> Result<Option<Self>, TrustError> {
        if !policy.is_learning() && !opens_tls(policy) {
            return Ok(None);
        }
        let scope = match Scope::of(policy) {
            _ if policy.is_learning() => Scope::everything(),
            // Rules that only forbid: there is no connection to open.
            Err(ScopeError::Empty) => return Ok(None),
            scope => scope?,
        };
        let label: String = session.as_str().chars().take(LABEL_CHARS).collect();
        let authority = Authority::new(&label, &scope)?;
        Ok(Some(Self {
            bundle: Bundle::new(roots, &authority)?,
            authority: Arc::new(authority),
        }))
    }

    /// Memory files for the warden to put into the jail, in the order of the protocol.
    ///
    /// # Errors
    /// `memfd_create`'s and `write`'s.
    pub(crate) fn files(&self) -> Result<[OwnedFd; 3], TrustError> {
        let Bundle { own, merged, java } = &self.bundle;
        Ok([
            sys::fds::memory_file(c"sheriff-ca", own)?,
            sys::fds::memory_file(c"sheriff-ca-bundle", merged)?,
            sys::fds::memory_file(c"sheriff-ca-java", java)?,
        ])
    }
}

/// Whether a rule, the ceiling's included, speaks of what only shows inside of TLS.
pub(crate) fn opens_tls(policy: &EgressPolicy) -> bool {
    let own = policy.allow().iter().chain(policy.deny());
    own.into_iter().any(Rule::is_restricted) || policy.ceiling().is_some_and(opens_tls)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use policy::{Effect, EgressRules, Origin};

    use super::*;

    fn policy(table: &str) -> EgressPolicy {
        let table = toml::from_str(table).unwrap();
        let rule = Rule::new(table, Effect::Allow, Origin::cli(0)).unwrap();
        EgressPolicy::new(1, EgressRules { rules: vec![rule] }).unwrap()
    }

    fn trust(policy: &EgressPolicy) -> Option<Trust> {
        let session = SessionId::from_random([7; 8]);
        Trust::new(&session, policy, &Roots::new(&[])).unwrap()
    }

    #[test]
    fn only_rules_about_what_is_inside_of_tls_need_an_authority() {
        assert!(trust(&policy(r#"host = "api.example.com""#)).is_none());
        let made = trust(&policy("host = \"api.example.com\"\nmethods = [\"GET\"]")).unwrap();
        let [own, merged, _java] = made.files().unwrap().map(|fd| {
            let mut bytes = Vec::new();
            std::fs::File::from(fd).read_to_end(&mut bytes).unwrap();
            bytes
        });
        assert_eq!(own, merged, "no other authorities here");
        assert_eq!(own, made.authority.certificate_pem().as_bytes());
    }
}
