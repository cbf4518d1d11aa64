//! The one parser of destinations: CONNECT authorities, Host headers, SNI and DNS names.
//!
//! What comes out is canonical, so two spellings of one host are equal and a rule can't be missed by
//! spelling it otherwise. Whatever has more than one reading is an error.
//!
//! Not for: whole URIs (`target`), patterns (`host`), or deciding anything.

use std::borrow::Borrow;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Longest name in octets of text, without the trailing dot (RFC 1035 2.3.4, RFC 1123 2.1).
pub const NAME_MAX: usize = 253;
/// Longest label (RFC 1035 2.3.4).
pub const LABEL_MAX: usize = 63;
/// Longest authority that can be well-formed: a name, its dot, a colon and five digits.
pub const AUTHORITY_MAX: usize = NAME_MAX + 1 + 1 + 5;

/// A host name in canonical form: lower-case ASCII, no trailing dot, never an address.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DomainName(String);

/// Where a request wants to go, without its port.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Host {
    /// A name that still has to be resolved.
    Name(DomainName),
    /// A dotted quad.
    V4(Ipv4Addr),
    /// What stood between brackets.
    V6(Ipv6Addr),
}

/// A host and a port. Its text form parses back to an equal value.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Destination {
    /// The canonical host.
    pub host: Host,
    /// 1 to 65535.
    pub port: u16,
}

/// Why a text is not a destination. None of them carries the hostile text itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DestinationError {
    /// Nothing there.
    #[error("the host is empty")]
    Empty,
    /// Longer than any well-formed destination.
    #[error("the host is longer than {NAME_MAX} characters")]
    TooLong,
    /// NUL, CR, LF, space, `%`, non-ASCII or anything else that no host has.
    #[error("byte 0x{byte:02x} at offset {offset} can't be part of a host")]
    BadByte {
        /// Where, from 0.
        offset: usize,
        /// What.
        byte: u8,
    },
    /// `user@host`.
    #[error("user information (`@`) is not accepted")]
    UserInfo,
    /// Two dots in a row, a leading dot, or more than one trailing dot.
    #[error("a label of the host is empty")]
    EmptyLabel,
    /// More than 63 characters between two dots.
    #[error("a label of the host is longer than {LABEL_MAX} characters")]
    LabelTooLong,
    /// A label begins or ends with a hyphen (RFC 1123 2.1).
    #[error("a label of the host begins or ends with a hyphen")]
    Hyphen,
    /// The last label is a number, yet the whole is not a plain dotted quad (WHATWG URL 3.5).
    #[error("an address must be written as four decimal numbers, such as 192.0.2.1")]
    OddIpv4,
    /// Brackets around something else than an IPv6 address, or brackets out of place.
    #[error("brackets must enclose an IPv6 address without a zone")]
    BadIpv6,
    /// No port, and the form has no default.
    #[error("the port is missing")]
    MissingPort,
    /// Not 1 to 65535 in plain decimal digits.
    #[error("the port must be 1 to 65535, in digits without sign or leading zeros")]
    BadPort,
}

impl DestinationError {
    /// Stable machine-readable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Empty => "host_empty",
            Self::TooLong => "host_too_long",
            Self::BadByte { .. } => "host_bad_byte",
            Self::UserInfo => "userinfo_refused",
            Self::EmptyLabel => "label_empty",
            Self::LabelTooLong => "label_too_long",
            Self::Hyphen => "label_hyphen",
            Self::OddIpv4 => "odd_ipv4",
            Self::BadIpv6 => "bad_ipv6",
            Self::MissingPort => "port_missing",
            Self::BadPort => "bad_port",
        }
    }
}

impl Destination {
    /// Reads `HOST:PORT` (CONNECT) or `HOST[:PORT]` (Host header, with the scheme's default port).
    ///
    /// # Errors
    /// Anything but one canonical reading; see [`DestinationError`].
    pub fn from_authority(
        text: &[u8],
        default_port: Option<u16>,
    ) -> Result<Self, DestinationError> {
        let text = plain(text, AUTHORITY_MAX)?;
        let (host, port) = split_port(text)?;
        let port = match port {
            Some(digits) => parse_port(digits)?,
            None => default_port.ok_or(DestinationError::MissingPort)?,
        };
        if port == 0 {
            return Err(DestinationError::BadPort);
        }
        Ok(Self {
            host: Host::parse(host)?,
            port,
        })
    }
}

impl Host {
    /// Reads a name, a dotted quad or a bracketed IPv6 address, without a port.
    ///
    /// # Errors
    /// Anything but one canonical reading; see [`DestinationError`].
    pub fn parse(text: &str) -> Result<Self, DestinationError> {
        let text = plain(text.as_bytes(), AUTHORITY_MAX)?;
        if text.contains(['[', ']']) {
            return bracketed(text).map(Self::V6);
        }
        if text.contains(':') {
            return Err(DestinationError::BadIpv6);
        }
        if !ends_in_number(text) {
            return DomainName::parse(text.as_bytes()).map(Self::Name);
        }
        text.parse()
            .map(Self::V4)
            .map_err(|_not_a_plain_quad| DestinationError::OddIpv4)
    }

    /// The address, when the host is one.
    #[must_use]
    pub const fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Name(_) => None,
            Self::V4(ip) => Some(IpAddr::V4(*ip)),
            Self::V6(ip) => Some(IpAddr::V6(*ip)),
        }
    }

    /// The name, when the host is one.
    #[must_use]
    pub const fn name(&self) -> Option<&DomainName> {
        match self {
            Self::Name(name) => Some(name),
            Self::V4(_) | Self::V6(_) => None,
        }
    }
}

impl DomainName {
    /// Reads a name in any case, with or without its trailing dot. `xn--` labels pass as they are.
    ///
    /// # Errors
    /// Anything but letters, digits, hyphens and underscores in labels of 1 to 63, and whatever ends
    /// in a number; see [`DestinationError`].
    pub fn parse(text: &[u8]) -> Result<Self, DestinationError> {
        let text = plain(text, NAME_MAX + 1)?;
        if let Some(offset) = text.find([':', '[', ']']) {
            let byte = text.as_bytes().get(offset).copied().unwrap_or_default();
            return Err(DestinationError::BadByte { offset, byte });
        }
        if ends_in_number(text) {
            return Err(DestinationError::OddIpv4);
        }
        let text = text.strip_suffix('.').unwrap_or(text);
        if text.len() > NAME_MAX {
            return Err(DestinationError::TooLong);
        }
        text.split('.').try_for_each(check_label)?;
        Ok(Self(text.to_ascii_lowercase()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name itself, then each of its parents, the shortest (one label) last.
    pub fn suffixes(&self) -> impl Iterator<Item = &str> {
        std::iter::successors(Some(self.as_str()), |name| {
            name.split_once('.').map(|(_, parent)| parent)
        })
    }

    /// How many labels it has, 1 to 127.
    #[must_use]
    pub fn labels(&self) -> usize {
        self.0.split('.').count()
    }
}

impl Borrow<str> for DomainName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl FromStr for Host {
    type Err = DestinationError;

    fn from_str(text: &str) -> Result<Self, DestinationError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Host {
    type Error = DestinationError;

    fn try_from(text: String) -> Result<Self, DestinationError> {
        Self::parse(&text)
    }
}

impl From<Host> for String {
    fn from(host: Host) -> Self {
        host.to_string()
    }
}

impl fmt::Display for DomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => name.fmt(f),
            Self::V4(ip) => write!(f, "{ip}"),
            Self::V6(ip) => write!(f, "[{ip}]"),
        }
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// The text, once its length and each of its bytes could belong to some host and port.
fn plain(text: &[u8], longest: usize) -> Result<&str, DestinationError> {
    if text.is_empty() {
        return Err(DestinationError::Empty);
    }
    if text.len() > longest {
        return Err(DestinationError::TooLong);
    }
    let odd = |byte: &u8| {
        !byte.is_ascii_alphanumeric() && !matches!(byte, b'-' | b'.' | b'_' | b':' | b'[' | b']')
    };
    match text.iter().copied().enumerate().find(|(_, byte)| odd(byte)) {
        Some((_, b'@')) => Err(DestinationError::UserInfo),
        Some((offset, byte)) => Err(DestinationError::BadByte { offset, byte }),
        None => std::str::from_utf8(text).map_err(|fault| DestinationError::BadByte {
            offset: fault.valid_up_to(),
            byte: 0,
        }),
    }
}

/// Parts an authority into host (brackets kept) and the digits after its colon.
fn split_port(text: &str) -> Result<(&str, Option<&str>), DestinationError> {
    if !text.starts_with('[') {
        let Some((host, port)) = text.split_once(':') else {
            return Ok((text, None));
        };
        // A second colon is an IPv6 address without its brackets: it has two readings.
        return if port.contains(':') {
            Err(DestinationError::BadIpv6)
        } else {
            Ok((host, Some(port)))
        };
    }
    let end = text.find(']').ok_or(DestinationError::BadIpv6)?;
    let (host, rest) = text.split_at(end + 1);
    match rest.strip_prefix(':') {
        Some(port) => Ok((host, Some(port))),
        None if rest.is_empty() => Ok((host, None)),
        None => Err(DestinationError::BadIpv6),
    }
}

fn parse_port(digits: &str) -> Result<u16, DestinationError> {
    if digits.starts_with('0') || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(DestinationError::BadPort);
    }
    digits.parse().map_err(|_not_u16| DestinationError::BadPort)
}

fn bracketed(text: &str) -> Result<Ipv6Addr, DestinationError> {
    text.strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .and_then(|inner| inner.parse().ok())
        .ok_or(DestinationError::BadIpv6)
}

/// WHATWG URL, "ends in a number": resolvers read such a text as an address, whatever its form.
fn ends_in_number(text: &str) -> bool {
    let text = text.strip_suffix('.').unwrap_or(text);
    let last = text.rsplit('.').next().unwrap_or(text);
    let digits = !last.is_empty() && last.bytes().all(|b| b.is_ascii_digit());
    digits || last.starts_with("0x") || last.starts_with("0X")
}

fn check_label(label: &str) -> Result<(), DestinationError> {
    if label.is_empty() {
        return Err(DestinationError::EmptyLabel);
    }
    if label.len() > LABEL_MAX {
        return Err(DestinationError::LabelTooLong);
    }
    if label.starts_with('-') || label.ends_with('-') {
        return Err(DestinationError::Hyphen);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
