//! Why a rule is refused.
//!
//! Not for: where it stands (`profile`).

use crate::address::AddressClass;
use crate::destination::DestinationError;
use crate::host::PatternError;

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
    /// A deny rule says only what does not pass.
    #[error("a deny rule can't have `{key}`: it says only what does not pass")]
    KeyOnDeny {
        /// The key.
        key: &'static str,
    },
    /// A body limit that would refuse every body reads like a slip of the pen.
    #[error(
        "max_body = 0 is refused: name methods that have no body instead, such as GET and HEAD"
    )]
    EmptyBody,
    /// A WebSocket begins with a GET (RFC 6455 4.1).
    #[error("websocket = true contradicts methods without GET, with which every WebSocket begins")]
    WebsocketWithoutGet,
    /// A secret for something that is not a name.
    #[error(
        "`secret` on the address {host} is refused: secrets are bound to names; give the service one with `connect`"
    )]
    SecretOnAddress {
        /// The host.
        host: String,
    },
    /// A secret on a port of plain HTTP.
    #[error(
        "`secret` with port {port} is refused: secrets leave over TLS only, and that port is plain HTTP's"
    )]
    SecretInPlain {
        /// The port.
        port: u16,
    },
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
