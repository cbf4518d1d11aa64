//! One allow or deny rule, from a policy file's table or from the command line.
//!
//! Not for: choosing among rules (`egress`) or the files they stand in (`profile`).

mod error;
mod secrets;
mod table;

use std::net::SocketAddr;

use model::{ByteSize, LlmKind, SecretName};
use serde::{Deserialize, Serialize};

use crate::address::{AddressClass, forbidden, is_metadata_name};
use crate::destination::{Destination, DestinationError};
use crate::glob::PathGlob;
use crate::host::HostPattern;
use crate::listed::Listed;
use crate::origin::Origin;
use crate::rate::Rate;

pub use error::RuleError;
pub use secrets::{SECRETS_MAX, SecretNames};
pub use table::{
    ConnectTo, METHOD_MAX, METHODS_MAX, Method, PATHS_MAX, PORTS_MAX, Port, RuleTable,
};

/// The port of an allow rule that names none.
pub const DEFAULT_PORT: u16 = 443;

/// The port of plain HTTP (RFC 9110 4.2.1).
const PLAIN_PORT: u16 = 80;

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

impl Rule {
    /// Makes a rule of a table.
    ///
    /// # Errors
    /// Keys that contradict each other, and hosts that no rule can open.
    pub fn new(table: RuleTable, effect: Effect, origin: Origin) -> Result<Self, RuleError> {
        match effect {
            Effect::Allow => {
                check_reachable(&table)?;
                check_terms(&table)?;
            }
            Effect::Deny => {
                if let Some(key) = table.allow_only_key() {
                    return Err(RuleError::KeyOnDeny { key });
                }
            }
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

    /// The secrets it names, in alphabetical order.
    #[must_use]
    pub fn secrets(&self) -> &[SecretName] {
        self.table
            .secret
            .as_ref()
            .map_or(&[], SecretNames::as_slice)
    }

    /// Most bytes of a request's body; `None`: not limited.
    #[must_use]
    pub const fn max_body(&self) -> Option<ByteSize> {
        self.table.max_body
    }

    /// Whether a connection may become a WebSocket. What is said in one has no body and is not an answer
    /// that could be read for its cost: a rule with `max_body` or `llm` means it only if it says so.
    #[must_use]
    pub const fn websocket(&self) -> bool {
        match self.table.websocket {
            Some(said) => said,
            None => self.table.max_body.is_none() && self.table.llm.is_none(),
        }
    }

    /// How answers tell what they cost.
    #[must_use]
    pub const fn llm(&self) -> Option<LlmKind> {
        self.table.llm
    }

    /// How often a session may ask.
    #[must_use]
    pub const fn rate(&self) -> Option<Rate> {
        self.table.rate
    }

    /// True when the rule can't be judged, or held to, without seeing requests. A rate alone can: in a
    /// tunnel it counts connections.
    #[must_use]
    pub const fn is_restricted(&self) -> bool {
        let table = &self.table;
        table.methods.is_some()
            || table.paths.is_some()
            || table.secret.is_some()
            || table.max_body.is_some()
            || table.llm.is_some()
            || !self.websocket()
    }

    /// True when this deny rule leaves nothing of an allow rule for the same hosts.
    pub(crate) fn shadows(&self, allow: &Self) -> bool {
        let ports = || allow.ports().unwrap_or_default();
        self.effect == Effect::Deny
            && !self.is_restricted()
            && self.table.host == allow.table.host
            && ports().into_iter().all(|port| self.has_port(port))
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

/// Whether an allow rule's terms agree with its host and ports.
fn check_terms(table: &RuleTable) -> Result<(), RuleError> {
    if table.max_body == Some(ByteSize(0)) {
        return Err(RuleError::EmptyBody);
    }
    let without_get = |methods: &[Method]| !methods.iter().any(|method| method.as_str() == "GET");
    let methods = table.methods.as_ref().map(Listed::as_slice);
    if table.websocket == Some(true) && methods.is_some_and(without_get) {
        return Err(RuleError::WebsocketWithoutGet);
    }
    if table.secret.is_none() {
        return Ok(());
    }
    if let HostPattern::Exact(host) = &table.host
        && host.ip().is_some()
    {
        return Err(RuleError::SecretOnAddress {
            host: host.to_string(),
        });
    }
    let plain = Port(PLAIN_PORT);
    match &table.ports {
        Some(ports) if ports.as_slice().contains(&plain) => {
            Err(RuleError::SecretInPlain { port: PLAIN_PORT })
        }
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
        ports: Listed::try_from(vec![port]).ok(),
        ..RuleTable::of_host(HostPattern::parse(host)?)
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
