//! One allow or deny rule, from a policy file's table or from the command line.
//!
//! Not for: choosing among rules (`egress`) or the files they stand in (`profile`).

mod table;

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::address::{AddressClass, forbidden, is_metadata_name};
use crate::destination::{Destination, DestinationError};
use crate::glob::PathGlob;
use crate::host::{HostPattern, PatternError};
use crate::listed::Listed;
use crate::origin::Origin;

pub use table::{
    ConnectTo, METHOD_MAX, METHODS_MAX, Method, PATHS_MAX, PORTS_MAX, Port, RuleTable,
};

/// The port of an allow rule that names none.
pub const DEFAULT_PORT: u16 = 443;

/// What a rule does. Deny beats allow wherever both apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// What it matches may leave.
    Allow,
    /// What it matches may not.
    Deny,
}

/// A checked rule with its effect and where it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RuleRecord", into = "RuleRecord")]
pub struct Rule {
    origin: Origin,
    effect: Effect,
    table: RuleTable,
}

/// The form in which a rule travels between processes; reading it checks it again.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct RuleRecord {
    origin: Origin,
    effect: Effect,
    table: RuleTable,
}

/// Why a rule is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// The host pattern is malformed.
    #[error(transparent)]
    Host(#[from] PatternError),
    /// A port is out of range.
    #[error("port {given} is refused: 1 to 65535")]
    Port {
        /// What was given.
        given: i64,
    },
    /// A port on the command line is malformed.
    #[error("{given:?}: {cause}")]
    PortText {
        /// The option's value, cut.
        given: String,
        /// What is wrong with it.
        cause: DestinationError,
    },
    /// A method is malformed.
    #[error("method {given:?} is refused: upper-case letters and hyphens, and not CONNECT")]
    Method {
        /// What was given, cut.
        given: String,
    },
    /// An address to connect to is malformed, or nothing can be dialled there.
    #[error(
        "connect address {given:?} is refused: write ADDR:PORT with a unicast IP address, such as 127.0.0.1:8080 or [::1]:8080"
    )]
    Connect {
        /// What was given, cut.
        given: String,
    },
    /// `--connect` without its `=`.
    #[error(
        "{given:?} is refused: write HOST[:PORT]=ADDR:PORT, such as api.internal=127.0.0.1:8080"
    )]
    ConnectForm {
        /// What was given, cut.
        given: String,
    },
    /// A deny rule dials nothing.
    #[error("a deny rule can't have `connect`")]
    ConnectOnDeny,
    /// An allow rule that could never take effect.
    #[error("{host} is a metadata service: no rule opens it")]
    Metadata {
        /// The host.
        host: String,
    },
    /// An allow rule for an address that is out of reach.
    #[error("{host} is in a class that is never dialled ({}): name the service with `connect = \"ADDR:PORT\"` if it is meant", .class.code())]
    Forbidden {
        /// The host.
        host: String,
        /// Its class.
        class: AddressClass,
    },
}

impl Rule {
    /// Makes a rule of a table.
    ///
    /// # Errors
    /// Keys that contradict each other, and hosts that no rule can open.
    pub fn new(table: RuleTable, effect: Effect, origin: Origin) -> Result<Self, RuleError> {
        match effect {
            Effect::Allow => check_reachable(&table)?,
            Effect::Deny if table.connect.is_some() => return Err(RuleError::ConnectOnDeny),
            Effect::Deny => {}
        }
        Ok(Self {
            origin,
            effect,
            table,
        })
    }

    /// Reads the value of `--allow`: `HOST[:PORT]`, where HOST may be a pattern and PORT defaults to 443.
    ///
    /// # Errors
    /// A malformed host or port, or a host that no rule can open.
    pub fn from_cli_allow(text: &str, index: u32) -> Result<Self, RuleError> {
        let table = cli_table(text)?;
        Self::new(table, Effect::Allow, Origin::cli(index))
    }

    /// Reads the value of `--connect`: `HOST[:PORT]=ADDR:PORT`. It allows HOST on PORT (443 unless
    /// given) and dials exactly ADDR:PORT, whatever class that address has.
    ///
    /// # Errors
    /// A malformed host, port or address.
    pub fn from_cli_connect(text: &str, index: u32) -> Result<Self, RuleError> {
        let (host, address) = text
            .split_once('=')
            .ok_or_else(|| RuleError::ConnectForm { given: cut(text) })?;
        let mut table = cli_table(host)?;
        table.connect = Some(ConnectTo::parse(address)?);
        Self::new(table, Effect::Allow, Origin::cli(index))
    }

    /// Where the rule was written.
    #[must_use]
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Allow or deny.
    #[must_use]
    pub const fn effect(&self) -> Effect {
        self.effect
    }

    /// The hosts it speaks of.
    #[must_use]
    pub const fn host(&self) -> &HostPattern {
        &self.table.host
    }

    /// The ports it names, 443 for an allow rule that names none; `None`: every port (deny rules).
    #[must_use]
    pub fn ports(&self) -> Option<Vec<u16>> {
        match (&self.table.ports, self.effect) {
            (Some(ports), _) => Some(ports.as_slice().iter().map(|port| port.0).collect()),
            (None, Effect::Allow) => Some(vec![DEFAULT_PORT]),
            (None, Effect::Deny) => None,
        }
    }

    /// The methods it names; `None`: every method.
    #[must_use]
    pub fn methods(&self) -> Option<&[Method]> {
        self.table.methods.as_ref().map(Listed::as_slice)
    }

    /// The path patterns it names; `None`: every path.
    #[must_use]
    pub fn paths(&self) -> Option<&[PathGlob]> {
        self.table.paths.as_ref().map(Listed::as_slice)
    }

    /// The address to dial in place of the resolved one.
    #[must_use]
    pub fn connect(&self) -> Option<SocketAddr> {
        self.table.connect.map(|connect| connect.0)
    }

    /// True when the rule can't be judged without seeing requests.
    #[must_use]
    pub const fn is_restricted(&self) -> bool {
        self.table.methods.is_some() || self.table.paths.is_some()
    }

    /// True when the rule speaks of every port.
    pub(crate) const fn any_port(&self) -> bool {
        self.table.ports.is_none() && matches!(self.effect, Effect::Deny)
    }

    /// True when the rule speaks of this port.
    pub(crate) fn has_port(&self, port: u16) -> bool {
        match &self.table.ports {
            Some(ports) => ports.as_slice().contains(&Port(port)),
            None => self.any_port() || port == DEFAULT_PORT,
        }
    }
}

impl TryFrom<RuleRecord> for Rule {
    type Error = RuleError;

    fn try_from(record: RuleRecord) -> Result<Self, RuleError> {
        Self::new(record.table, record.effect, record.origin)
    }
}

impl From<Rule> for RuleRecord {
    fn from(rule: Rule) -> Self {
        Self {
            origin: rule.origin,
            effect: rule.effect,
            table: rule.table,
        }
    }
}

fn check_reachable(table: &RuleTable) -> Result<(), RuleError> {
    let HostPattern::Exact(host) = &table.host else {
        return Ok(());
    };
    let class = host.ip().and_then(forbidden);
    let metadata =
        class == Some(AddressClass::Metadata) || host.name().is_some_and(is_metadata_name);
    match class {
        _ if metadata => Err(RuleError::Metadata {
            host: host.to_string(),
        }),
        Some(class) if table.connect.is_none() => Err(RuleError::Forbidden {
            host: host.to_string(),
            class,
        }),
        _ => Ok(()),
    }
}

/// Reads `HOST[:PORT]` with HOST a pattern; IPv6 addresses stand in brackets.
fn cli_table(text: &str) -> Result<RuleTable, RuleError> {
    let port_at = text
        .rfind(':')
        .filter(|at| text.rfind(']').is_none_or(|end| end < *at));
    let (host, port) = match port_at {
        Some(at) => {
            let (host, port) = text.split_at(at);
            (host, cli_port(text, port)?)
        }
        None => (text, Port(DEFAULT_PORT)),
    };
    if host.contains(':') && !host.starts_with('[') {
        // `2001:db8::5:1` would be an address, or an address and a port.
        return Err(RuleError::PortText {
            given: cut(text),
            cause: DestinationError::BadIpv6,
        });
    }
    Ok(RuleTable {
        host: HostPattern::parse(host)?,
        ports: Listed::try_from(vec![port]).ok(),
        methods: None,
        paths: None,
        connect: None,
    })
}

/// Reads `:PORT` by the parser of destinations, so that ports have one grammar.
fn cli_port(given: &str, port: &str) -> Result<Port, RuleError> {
    let parsed = Destination::from_authority(format!("h{port}").as_bytes(), None);
    let fault = |cause| RuleError::PortText {
        given: cut(given),
        cause,
    };
    parsed.map(|d| Port(d.port)).map_err(fault)
}

fn cut(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests;
