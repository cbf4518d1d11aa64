//! Reads the server name out of a TLS ClientHello (RFC 8446 4.1.2, RFC 6066 3), strictly.
//!
//! With Encrypted ClientHello the name seen here is the outer one; the inner one can't be checked
//! without opening TLS. The outer name must equal the CONNECT host all the same, so a rule for one
//! site of a provider that offers ECH trusts that provider; the record of such a tunnel says so.
//!
//! Not for: anything else of TLS; the bytes go on unchanged.

use policy::{DomainName, Host};

use crate::limits::HELLO_MAX;
use crate::reason::Cause;

/// First byte of every TLS handshake record.
pub(crate) const HANDSHAKE: u8 = 22;
/// A record's content is at most 2^14 bytes (RFC 8446 5.1).
const RECORD_MAX: usize = 1 << 14;
const CLIENT_HELLO: u8 = 1;
const SERVER_NAME: u16 = 0;
const HOST_NAME: u8 = 0;
/// `encrypted_client_hello` (RFC 9849 5).
const ENCRYPTED_HELLO: u16 = 0xfe0d;

/// What a ClientHello says about its destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hello {
    /// The name in its text form, as it came.
    server_name: Option<Vec<u8>>,
    /// There may be another ClientHello inside.
    encrypted: bool,
}

/// Why bytes are no ClientHello.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HelloError {
    /// Not a TLS handshake at all.
    #[error("not a TLS handshake")]
    NotTls,
    /// A handshake whose structure is broken, or one that is too long.
    #[error("malformed ClientHello")]
    Malformed,
}

impl Hello {
    /// Reads a ClientHello from the first bytes of a connection, which may be spread over several
    /// records. `None`: more bytes are needed.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Option<Self>, HelloError> {
        let Some(message) = assemble(bytes)? else {
            return Ok(None);
        };
        read_message(&message)
            .map(Some)
            .ok_or(HelloError::Malformed)
    }

    /// True when the handshake may carry another name than the one that can be read here.
    pub(crate) const fn is_encrypted(&self) -> bool {
        self.encrypted
    }

    /// The name in the handshake, `None` when there is none. What is no name of a host stays as it came.
    pub(crate) fn server_name(&self) -> Option<Result<DomainName, &[u8]>> {
        let given = self.server_name.as_deref()?;
        // RFC 6066: no trailing dot. The parser of names would take one off.
        let dotted = given.ends_with(b".");
        Some(match DomainName::parse(given) {
            Ok(name) if !dotted => Ok(name),
            _ => Err(given),
        })
    }

    /// True when the handshake names exactly this host; for an address, when it names none.
    pub(crate) fn names(&self, host: &Host) -> bool {
        match (host, self.server_name()) {
            (Host::Name(wanted), Some(given)) => given.is_ok_and(|given| given == *wanted),
            (Host::V4(_) | Host::V6(_), None) => true,
            (Host::Name(_), None) | (Host::V4(_) | Host::V6(_), Some(_)) => false,
        }
    }
}

impl From<HelloError> for Cause {
    fn from(error: HelloError) -> Self {
        match error {
            HelloError::NotTls | HelloError::Malformed => Self::NotTls,
        }
    }
}

/// A fatal `internal_error` alert (RFC 8446 6.2): nothing that the client did is wrong.
pub(crate) const INTERNAL_ERROR: [u8; 7] = [21, 3, 3, 0, 2, 2, 80];

/// A fatal `access_denied` alert (RFC 8446 6.2), in the record version that every client reads.
pub(crate) const ACCESS_DENIED: [u8; 7] = [21, 3, 3, 0, 2, 2, 49];

/// The handshake message, put together from its records.
fn assemble(bytes: &[u8]) -> Result<Option<Vec<u8>>, HelloError> {
    let mut message = Vec::new();
    let mut rest = bytes;
    loop {
        if let Some(length) = message_length(&message)?
            && message.len() >= length
        {
            // Whatever follows the ClientHello in its record would be another message.
            message.truncate(length);
            return Ok(Some(message));
        }
        let Some((content, after)) = next_record(rest)? else {
            return if bytes.len() > HELLO_MAX {
                Err(HelloError::Malformed)
            } else {
                Ok(None)
            };
        };
        message.extend_from_slice(content);
        rest = after;
    }
}

/// Length of the message with its header, once the header is there.
fn message_length(message: &[u8]) -> Result<Option<usize>, HelloError> {
    match message {
        [] => Ok(None),
        [kind, ..] if *kind != CLIENT_HELLO => Err(HelloError::NotTls),
        [_, high, mid, low, ..] => {
            let body = usize::from(*high) << 16 | usize::from(*mid) << 8 | usize::from(*low);
            if body > HELLO_MAX {
                Err(HelloError::Malformed)
            } else {
                Ok(Some(body + 4))
            }
        }
        _ => Ok(None),
    }
}

/// A record's content and the bytes behind it.
type Split<'a> = (&'a [u8], &'a [u8]);

/// The content of the next record and what follows it; `None` when it is not complete yet.
fn next_record(bytes: &[u8]) -> Result<Option<Split<'_>>, HelloError> {
    let plausible = match bytes {
        [] => true,
        [kind] => *kind == HANDSHAKE,
        [kind, major, ..] => *kind == HANDSHAKE && *major == 3,
    };
    if !plausible {
        return Err(HelloError::NotTls);
    }
    let Some(([_, _, _, high, low], rest)) = bytes.split_first_chunk::<5>() else {
        return Ok(None);
    };
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    if length == 0 || length > RECORD_MAX {
        return Err(HelloError::Malformed);
    }
    Ok(rest.split_at_checked(length))
}

fn read_message(message: &[u8]) -> Option<Hello> {
    let mut hello = Reader(message);
    hello.take(4)?; // type and length
    hello.take(2 + 32)?; // legacy_version, random
    hello.short_vector()?; // legacy_session_id
    hello.vector()?; // cipher_suites
    hello.short_vector()?; // legacy_compression_methods
    if hello.is_empty() {
        return Some(Hello {
            server_name: None,
            encrypted: false,
        });
    }
    let mut extensions = Reader(hello.vector()?);
    if !hello.is_empty() {
        return None;
    }
    let mut server_name = None;
    let mut encrypted = false;
    while !extensions.is_empty() {
        let kind = extensions.number()?;
        let content = extensions.vector()?;
        encrypted |= kind == ENCRYPTED_HELLO;
        // RFC 8446 4.2: no extension twice. Servers differ in which of two names they take.
        if kind == SERVER_NAME && server_name.replace(host_name(content)?).is_some() {
            return None;
        }
    }
    Some(Hello {
        server_name,
        encrypted,
    })
}

/// The one name of a `server_name` extension; RFC 6066 allows no second of its type.
fn host_name(content: &[u8]) -> Option<Vec<u8>> {
    let mut content = Reader(content);
    let mut list = Reader(content.vector()?);
    let kind = list.byte()?;
    let name = list.vector()?;
    let sole = kind == HOST_NAME && !name.is_empty() && list.is_empty() && content.is_empty();
    sole.then(|| name.to_vec())
}

/// Takes parts off the front of a slice.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn number(&mut self) -> Option<u16> {
        let bytes = self.take(2)?.try_into().ok()?;
        Some(u16::from_be_bytes(bytes))
    }

    /// A vector with one byte of length.
    fn short_vector(&mut self) -> Option<&'a [u8]> {
        let length = self.byte()?;
        self.take(usize::from(length))
    }

    /// A vector with two bytes of length.
    fn vector(&mut self) -> Option<&'a [u8]> {
        let length = self.number()?;
        self.take(usize::from(length))
    }
}

#[cfg(test)]
mod tests;
