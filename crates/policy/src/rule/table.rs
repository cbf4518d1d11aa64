//! The table of a rule as policy files write it, and the types that check its values.
//!
//! Not for: checks that need two keys (`rule`).

use std::net::SocketAddr;

use model::{ByteSize, LlmKind};
use serde::{Deserialize, Serialize};

use super::secrets::SecretNames;
use super::{RuleError, cut};
use crate::address::{AddressClass, forbidden};
use crate::destination::Destination;
use crate::glob::PathGlob;
use crate::host::HostPattern;
use crate::listed::Listed;
use crate::rate::Rate;

/// Most ports that one rule names; a rule for more is a rule for anything.
pub const PORTS_MAX: usize = 64;
/// Most methods that one rule names; HTTP has registered about forty.
pub const METHODS_MAX: usize = 32;
/// Most path patterns in one rule; each is tried in turn, so this bounds a verdict.
pub const PATHS_MAX: usize = 256;
/// Longest method; the longest registered one has 17 letters.
pub const METHOD_MAX: usize = 32;

/// A method as rules name it: upper-case letters and hyphens, never CONNECT.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Method(String);

/// A port of a rule, 1 to 65535.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct Port(pub(super) u16);

/// `ADDR:PORT` that a rule dials in place of what the host resolves to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ConnectTo(pub(super) SocketAddr);

/// A rule as its table in a policy file says it. Every value is checked by its own type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleTable {
    /// Exact host, `*.x` or `**.x`.
    pub host: HostPattern,
    /// Left out: 443 in an allow rule, every port in a deny rule.
    pub ports: Option<Listed<Port, PORTS_MAX>>,
    /// Left out: every method.
    pub methods: Option<Listed<Method, METHODS_MAX>>,
    /// Left out: every path.
    pub paths: Option<Listed<PathGlob, PATHS_MAX>>,
    /// Allow rules only.
    pub connect: Option<ConnectTo>,
    /// Secrets that the proxy may put into these requests. Allow rules for names only, over TLS.
    pub secret: Option<SecretNames>,
    /// Most bytes of a request's body, more than 0. Allow rules only.
    pub max_body: Option<ByteSize>,
    /// `false`: no WebSocket. Left out: as `true`, but as `false` beside `max_body` or `llm`, which would
    /// not hold in one. Allow rules only.
    pub websocket: Option<bool>,
    /// How the host's answers tell what they cost. Allow rules only.
    pub llm: Option<LlmKind>,
    /// How often a session may ask. Allow rules only.
    pub rate: Option<Rate>,
}

impl RuleTable {
    /// A rule about a host that names nothing else.
    pub(super) const fn of_host(host: HostPattern) -> Self {
        Self {
            host,
            ports: None,
            methods: None,
            paths: None,
            connect: None,
            secret: None,
            max_body: None,
            websocket: None,
            llm: None,
            rate: None,
        }
    }

    /// The first key that only an allow rule can have.
    pub(super) fn allow_only_key(&self) -> Option<&'static str> {
        let keys = [
            (self.connect.is_some(), "connect"),
            (self.secret.is_some(), "secret"),
            (self.max_body.is_some(), "max_body"),
            (self.websocket.is_some(), "websocket"),
            (self.llm.is_some(), "llm"),
            (self.rate.is_some(), "rate"),
        ];
        let found = keys.into_iter().find(|(present, _)| *present);
        found.map(|(_, key)| key)
    }
}

impl Method {
    /// Reads a method.
    ///
    /// # Errors
    /// Anything but 1 to 32 upper-case letters and hyphens, and `CONNECT`, which is not a request for
    /// a resource: tunnels are ruled by host and port.
    pub fn parse(text: &str) -> Result<Self, RuleError> {
        let letters = text.bytes().all(|b| b.is_ascii_uppercase() || b == b'-');
        if text.is_empty() || text.len() > METHOD_MAX || !letters || text == "CONNECT" {
            return Err(RuleError::Method { given: cut(text) });
        }
        Ok(Self(text.to_owned()))
    }

    /// The method as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl ConnectTo {
    /// Reads `ADDR:PORT`.
    ///
    /// # Errors
    /// A name, an odd spelling, or an address that is unspecified, multicast or broadcast.
    pub fn parse(text: &str) -> Result<Self, RuleError> {
        let error = || RuleError::Connect { given: cut(text) };
        let destination = Destination::from_authority(text.as_bytes(), None)
            .map_err(|_no_destination| error())?;
        let ip = destination.host.ip().ok_or_else(error)?;
        match forbidden(ip) {
            Some(AddressClass::Unspecified | AddressClass::Multicast | AddressClass::Broadcast) => {
                Err(error())
            }
            _ => Ok(Self(SocketAddr::new(ip, destination.port))),
        }
    }
}

macro_rules! text_form {
    ($($name:ident => $text:expr),+) => {$(
        impl TryFrom<String> for $name {
            type Error = RuleError;

            fn try_from(text: String) -> Result<Self, RuleError> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                $text(value)
            }
        }
    )+};
}

text_form!(
    Method => |method: Method| method.0,
    ConnectTo => |connect: ConnectTo| connect.0.to_string()
);

impl TryFrom<i64> for Port {
    type Error = RuleError;

    fn try_from(given: i64) -> Result<Self, RuleError> {
        match u16::try_from(given) {
            Ok(port) if port > 0 => Ok(Self(port)),
            _ => Err(RuleError::Port { given }),
        }
    }
}

impl From<Port> for i64 {
    fn from(port: Port) -> Self {
        Self::from(port.0)
    }
}
