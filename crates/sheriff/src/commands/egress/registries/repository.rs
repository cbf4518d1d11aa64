//! One registry by its URL: where it is, and which paths belong to it. Credentials in a URL are dropped
//! unread.
//!
//! Not for: where URLs come from.

use std::net::IpAddr;

use policy::{AddressClass, Host, HostPattern, PathGlob, Target, forbidden, is_metadata_name};

/// Which paths belong to a registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// Those below its URL.
    Below,
    /// The URL is that of an index; if its last part has one of the usual names for one, the files are
    /// beside it: those below the part before.
    Index,
}

/// A registry.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Repository {
    pub(super) host: Host,
    pub(super) port: u16,
    /// The pattern of its paths.
    pub(super) paths: String,
}

/// A URL that makes no rule. It is not repeated: it may hold a password.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum RepositoryError {
    #[error("its URL begins with {scheme:?}; only http and https can be ruled")]
    Scheme { scheme: String },
    #[error("its URL is malformed: {reason}")]
    Malformed { reason: String },
    #[error("it is a git repository, which takes more than reading; use its sparse index")]
    Git,
    #[error("its address is one that no rule opens")]
    Unreachable,
}

impl Repository {
    pub(super) fn parse(url: &str, reach: Reach) -> Result<Self, RepositoryError> {
        let url = url.trim();
        let url = url.strip_prefix("sparse+").unwrap_or(url);
        let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
        if !["http", "https"].contains(&scheme.to_ascii_lowercase().as_str()) {
            let scheme = scheme.chars().take(16).collect();
            return Err(RepositoryError::Scheme { scheme });
        }
        let malformed = |reason: String| RepositoryError::Malformed { reason };
        let end = rest.find(['?', '#']).unwrap_or(rest.len());
        let rest = rest.get(..end).unwrap_or_default();
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let authority = authority
            .rsplit_once('@')
            .map_or(authority, |(_, host)| host);
        let target = Target::from_absolute_uri(format!("{scheme}://{authority}{path}").as_bytes());
        let target = target.map_err(|error| malformed(error.to_string()))?;
        let paths = pattern(target.path.as_str(), reach)?;
        let host = target.destination.host;
        HostPattern::parse(&host.to_string()).map_err(|error| malformed(error.to_string()))?;
        let by_address = host.ip().and_then(forbidden) == Some(AddressClass::Metadata);
        if by_address || host.name().is_some_and(is_metadata_name) {
            return Err(RepositoryError::Unreachable);
        }
        Ok(Self {
            host,
            port: target.destination.port,
            paths,
        })
    }

    /// The address that has to be named to be dialled: that of a host within a network of one's own.
    pub(super) fn own_address(&self) -> Option<IpAddr> {
        self.host.ip().filter(|ip| forbidden(*ip).is_some())
    }
}

fn pattern(path: &str, reach: Reach) -> Result<String, RepositoryError> {
    let base = path.trim_end_matches('/');
    let (parent, last) = base.rsplit_once('/').unwrap_or(("", ""));
    let base = match (reach, last) {
        (Reach::Index, last) if last.ends_with(".git") => return Err(RepositoryError::Git),
        (Reach::Index, "simple" | "+simple" | "index") => parent,
        _ => base,
    };
    // In a pattern it would stand for something else.
    if base.contains('*') {
        let reason = "an asterisk in its path".to_owned();
        return Err(RepositoryError::Malformed { reason });
    }
    let pattern = format!("{base}/**");
    match PathGlob::parse(&pattern) {
        Ok(_) => Ok(pattern),
        Err(error) => Err(RepositoryError::Malformed {
            reason: error.to_string(),
        }),
    }
}
