//! One secret as the proxy needs it: for which destinations, in which place, under which variable. Made
//! from a [`SecretDefinition`], which is checked here, once.
//!
//! Not for: its value.

mod kind;

use model::{SecretDefinition, SecretName, SecretPlace};
use policy::{Destination, DestinationError, Host};

pub use self::kind::{Grant, Kind};

/// Most destinations of one secret; one for each host of a large service is far fewer.
pub const HOSTS_MAX: usize = 32;
/// Longest name of a header field, parameter, user or variable.
pub const WORD_MAX: usize = 128;
/// Longest text around a value.
pub const FORMAT_MAX: usize = 256;
/// Longest prefix: all known token shapes have shorter ones.
pub const PREFIX_MAX: usize = 32;

/// The port of a destination without one.
const HTTPS: u16 = 443;
/// Header fields that frame a message or belong to one hop; a secret in one of them could turn one
/// request into two, or another host's.
const FRAMING: [&str; 12] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "content-encoding",
];

/// A checked definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret {
    /// Its name.
    pub name: SecretName,
    /// The only destinations that it may go to.
    pub hosts: Vec<Destination>,
    /// Where in a request it stands.
    pub place: Place,
    /// Text around the value.
    pub format: Format,
    /// The variable in the jail that holds the placeholder.
    pub env: String,
    /// How the placeholder begins. May be empty.
    pub prefix: String,
    /// What the value is.
    pub kind: Kind,
    /// Where the value is kept.
    pub source: Source,
}

/// Where in a request a secret stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// The value of a header field.
    Header {
        /// Its name in lower case. Never one that frames the message.
        name: String,
    },
    /// The password in `authorization: Basic ...`.
    Basic {
        /// The user that it goes with.
        user: String,
    },
    /// The value of a query parameter.
    Query {
        /// The parameter, as it is spelled in the URL.
        name: String,
    },
    /// A part of the path.
    Path,
    /// The body.
    Body,
}

/// Text around a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Format {
    /// What comes before it.
    pub before: String,
    /// What comes after it.
    pub after: String,
}

/// Where a value is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Sealed in the vault.
    Vault,
    /// In a variable of the daemon's environment.
    Env(String),
    /// In a file of the host.
    File(String),
    /// In a systemd credential of the daemon's unit.
    Credential(String),
}

/// A definition that says something impossible.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DefinitionError {
    /// No destinations, or too many.
    #[error("a secret is bound to 1 to {HOSTS_MAX} hosts, not {0}")]
    Hosts(usize),
    /// A destination that is none. Wildcards are none: a secret goes to hosts that were named.
    #[error("host {given:?}: {source}")]
    Host {
        /// What was written.
        given: String,
        /// What is wrong.
        source: DestinationError,
    },
    /// A word with a character that it can't have, or too long.
    #[error("{what} {given:?} is refused: {rule}")]
    Word {
        /// Which key.
        what: &'static str,
        /// What was written, cut.
        given: String,
        /// What it must be.
        rule: &'static str,
    },
    /// Two keys that exclude each other.
    #[error("{0}")]
    Contradiction(&'static str),
}

impl Secret {
    /// Checks a definition.
    ///
    /// # Errors
    /// [`DefinitionError`], the first thing that is wrong.
    pub fn new(definition: &SecretDefinition) -> Result<Self, DefinitionError> {
        let kind = Kind::new(&definition.kind)?;
        let place = Place::new(definition.place.as_ref())?;
        if matches!(kind, Kind::SigV4(_))
            && (definition.place.is_some() || definition.format.is_some())
        {
            return Err(DefinitionError::Contradiction(
                "a signature has its own place: leave out place and format with aws_sigv4",
            ));
        }
        Ok(Self {
            name: definition.name.clone(),
            hosts: hosts(&definition.hosts)?,
            format: Format::new(definition.format.as_deref(), &place)?,
            env: variable(definition, &kind)?,
            prefix: prefix(definition.prefix.as_deref().unwrap_or_default())?,
            source: Source::parse(definition.source.as_deref())?,
            place,
            kind,
        })
    }

    /// Whether it may go there.
    #[must_use]
    pub fn is_for(&self, host: &Host, port: u16) -> bool {
        let mut hosts = self.hosts.iter();
        hosts.any(|bound| bound.port == port && bound.host == *host)
    }
}

impl Place {
    fn new(place: Option<&SecretPlace>) -> Result<Self, DefinitionError> {
        match place {
            None => Ok(Self::Header {
                name: "authorization".to_owned(),
            }),
            Some(SecretPlace::Header(name)) => header(name),
            Some(SecretPlace::Basic(user)) => Ok(Self::Basic {
                user: word("user", user, "visible characters without a colon", |byte| {
                    matches!(byte, 0x21..=0x7e) && byte != b':'
                })?,
            }),
            Some(SecretPlace::Query(name)) => Ok(Self::Query {
                name: word(
                    "query parameter",
                    name,
                    "letters, digits and -._~",
                    |byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte),
                )?,
            }),
            Some(SecretPlace::Path) => Ok(Self::Path),
            Some(SecretPlace::Body) => Ok(Self::Body),
        }
    }

    /// Whether the text around a value means something here: elsewhere the value stands as it is.
    const fn has_format(&self) -> bool {
        matches!(self, Self::Header { .. })
    }
}

impl Format {
    fn new(text: Option<&str>, place: &Place) -> Result<Self, DefinitionError> {
        let is_authorization = matches!(place, Place::Header { name } if name == "authorization");
        if text.is_some() && !place.has_format() {
            return Err(DefinitionError::Contradiction("format belongs to a header"));
        }
        let text = text.unwrap_or(if is_authorization { "Bearer {}" } else { "{}" });
        let is_plain = text.bytes().all(|byte| matches!(byte, 0x20..=0x7e));
        match text.split_once("{}") {
            Some((before, after))
                if is_plain && !after.contains("{}") && text.len() <= FORMAT_MAX =>
            {
                Ok(Self {
                    before: before.to_owned(),
                    after: after.to_owned(),
                })
            }
            _ => Err(refused("format", text, "visible characters with {} once")),
        }
    }
}

impl Source {
    fn parse(text: Option<&str>) -> Result<Self, DefinitionError> {
        let text = text.unwrap_or("vault");
        let rule = "vault, env:NAME, file:/PATH or credential:NAME";
        let is_word = |name: &str| {
            let mut bytes = name.bytes();
            !name.is_empty()
                && name.len() <= WORD_MAX
                && !name.starts_with('.')
                && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        };
        match text.split_once(':') {
            None if text == "vault" => Ok(Self::Vault),
            Some(("env", name)) if is_variable(name) => Ok(Self::Env(name.to_owned())),
            Some(("file", path)) if path.starts_with('/') => Ok(Self::File(path.to_owned())),
            Some(("credential", name)) if is_word(name) => Ok(Self::Credential(name.to_owned())),
            _ => Err(refused("source", text, rule)),
        }
    }

    /// As it is written in a definition.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Vault => "vault".to_owned(),
            Self::Env(name) => format!("env:{name}"),
            Self::File(path) => format!("file:{path}"),
            Self::Credential(name) => format!("credential:{name}"),
        }
    }
}

fn hosts(given: &[String]) -> Result<Vec<Destination>, DefinitionError> {
    if given.is_empty() || given.len() > HOSTS_MAX {
        return Err(DefinitionError::Hosts(given.len()));
    }
    let mut hosts = given.iter().map(|text| {
        let parsed = Destination::from_authority(text.as_bytes(), Some(HTTPS));
        parsed.map_err(|source| DefinitionError::Host {
            given: cut(text),
            source,
        })
    });
    let mut hosts = hosts.by_ref().collect::<Result<Vec<_>, _>>()?;
    hosts.sort();
    hosts.dedup();
    Ok(hosts)
}

fn header(name: &str) -> Result<Place, DefinitionError> {
    let rule = "the name of a header field that does not frame the message";
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let name = word("header", name, rule, token)?.to_ascii_lowercase();
    if FRAMING.contains(&name.as_str()) {
        return Err(refused("header", &name, rule));
    }
    Ok(Place::Header { name })
}

/// The variable as it was named, or the secret's name in capitals.
fn variable(definition: &SecretDefinition, kind: &Kind) -> Result<String, DefinitionError> {
    let name = match (&definition.env, kind) {
        (Some(name), _) => name.clone(),
        (None, Kind::SigV4(_)) => "AWS_ACCESS_KEY_ID".to_owned(),
        (None, _) => {
            let name = definition.name.as_str().to_ascii_uppercase();
            name.replace(['.', '-'], "_")
        }
    };
    // What programs or the loader obey must not be set by way of a secret.
    let is_ours = name.starts_with("SHERIFF_") || name.starts_with("LD_") || name == "PATH";
    if is_ours || !is_variable(&name) {
        let rule = "letters, digits and underscores, and no variable that steers programs";
        return Err(refused("env", &name, rule));
    }
    Ok(name)
}

fn is_variable(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes
        .next()
        .is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && name.len() <= WORD_MAX
}

fn prefix(text: &str) -> Result<String, DefinitionError> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if text.len() > PREFIX_MAX || !text.bytes().all(is_plain) {
        return Err(refused(
            "prefix",
            text,
            "at most 32 letters, digits, -, _ and .",
        ));
    }
    Ok(text.to_owned())
}

fn word(
    what: &'static str,
    given: &str,
    rule: &'static str,
    is_good: impl Fn(u8) -> bool,
) -> Result<String, DefinitionError> {
    if given.is_empty() || given.len() > WORD_MAX || !given.bytes().all(is_good) {
        return Err(refused(what, given, rule));
    }
    Ok(given.to_owned())
}

fn refused(what: &'static str, given: &str, rule: &'static str) -> DefinitionError {
    DefinitionError::Word {
        what,
        given: cut(given),
        rule,
    }
}

fn cut(text: &str) -> String {
    text.chars().take(64).collect()
}

#[cfg(test)]
mod tests;
