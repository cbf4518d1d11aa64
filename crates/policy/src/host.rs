//! Host patterns of rules: one host, or the names below one.
//!
//! `*.example.com` means one or more labels below and not the apex; `**.example.com` means both. There
//! is no pattern for every host.
//!
//! Not for: parsing what a request names (`destination`).

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::destination::{DestinationError, DomainName, Host};

/// Which hosts a rule speaks of.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum HostPattern {
    /// This host only: a name or an address.
    Exact(Host),
    /// `*.x`: every name with one or more labels below `x`.
    Below(DomainName),
    /// `**.x`: `x` and every name below it.
    ApexAndBelow(DomainName),
}

/// Why a text is not a host pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// `*`, `**`, or an asterisk that is not the whole first label.
    #[error(
        "host pattern {text:?}: an asterisk stands only at the head, as `*.x` (names below x) or `**.x` (x and names below it)"
    )]
    Asterisk {
        /// The pattern, cut.
        text: String,
    },
    /// A wildcard on a suffix under which anybody can register names.
    #[error(
        "host pattern {text:?}: {suffix:?} is a public suffix, under which anybody can register names; name the hosts"
    )]
    PublicSuffix {
        /// The pattern.
        text: String,
        /// The suffix, from the Public Suffix List, its private part included.
        suffix: String,
    },
    /// The host itself is malformed.
    #[error("host pattern {text:?}: {cause}")]
    Host {
        /// The pattern, cut.
        text: String,
        /// What is wrong with it.
        cause: DestinationError,
    },
}

impl HostPattern {
    /// Reads a pattern: a name, a dotted quad, an IPv6 address with or without brackets, `*.x`, `**.x`.
    ///
    /// # Errors
    /// A malformed host, a stray asterisk, or a wildcard directly on a public suffix.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let pattern = if let Some(base) = text.strip_prefix("**.") {
            Self::ApexAndBelow(wildcard_base(text, base)?)
        } else if let Some(base) = text.strip_prefix("*.") {
            Self::Below(wildcard_base(text, base)?)
        } else if text.contains('*') {
            return Err(PatternError::Asterisk { text: cut(text) });
        } else {
            Self::Exact(exact(text)?)
        };
        Ok(pattern)
    }

    /// True when the pattern speaks of this host.
    #[must_use]
    pub fn matches(&self, host: &Host) -> bool {
        match (self, host) {
            (Self::Exact(exact), host) => exact == host,
            (Self::Below(base), Host::Name(name)) => is_below(name, base),
            (Self::ApexAndBelow(base), Host::Name(name)) => name == base || is_below(name, base),
            (Self::Below(_) | Self::ApexAndBelow(_), Host::V4(_) | Host::V6(_)) => false,
        }
    }

    /// How many bytes at the head of a matching name the pattern leaves open, without the dot behind
    /// them; `None` when it leaves none open, or does not match.
    #[must_use]
    pub fn open(&self, host: &Host) -> Option<usize> {
        let (Self::Below(base) | Self::ApexAndBelow(base), Host::Name(name)) = (self, host) else {
            return None;
        };
        is_below(name, base).then(|| name.as_str().len() - base.as_str().len() - 1)
    }

    /// How narrow the pattern is: of two that match one host, the narrower has the higher value.
    pub(crate) fn specificity(&self) -> (usize, u8) {
        match self {
            Self::Exact(_) => (usize::MAX, 2),
            Self::Below(base) => (base.labels(), 1),
            Self::ApexAndBelow(base) => (base.labels(), 0),
        }
    }
}

impl TryFrom<String> for HostPattern {
    type Error = PatternError;

    fn try_from(text: String) -> Result<Self, PatternError> {
        Self::parse(&text)
    }
}

impl From<HostPattern> for String {
    fn from(pattern: HostPattern) -> Self {
        pattern.to_string()
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(host) => host.fmt(f),
            Self::Below(base) => write!(f, "*.{base}"),
            Self::ApexAndBelow(base) => write!(f, "**.{base}"),
        }
    }
}

fn exact(text: &str) -> Result<Host, PatternError> {
    if let Ok(ip) = text.parse() {
        return Ok(Host::V6(ip));
    }
    Host::parse(text).map_err(|cause| PatternError::Host {
        text: cut(text),
        cause,
    })
}

fn wildcard_base(text: &str, base: &str) -> Result<DomainName, PatternError> {
    if base.contains('*') || base.is_empty() {
        return Err(PatternError::Asterisk { text: cut(text) });
    }
    let base = DomainName::parse(base.as_bytes()).map_err(|cause| PatternError::Host {
        text: cut(text),
        cause,
    })?;
    // The list's default rule makes every unknown top-level label a suffix, so `*.internal` is refused too.
    match psl::suffix_str(base.as_str()) {
        Some(suffix) if suffix == base.as_str() => Err(PatternError::PublicSuffix {
            text: cut(text),
            suffix: suffix.to_owned(),
        }),
        _ => Ok(base),
    }
}

fn is_below(name: &DomainName, base: &DomainName) -> bool {
    name.as_str()
        .strip_suffix(base.as_str())
        .is_some_and(|head| head.len() > 1 && head.ends_with('.'))
}

fn cut(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests;
