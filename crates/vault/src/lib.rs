//! Secrets: kept sealed, described, and put where they belong, so that no jail ever holds one.
//!
//! Not for: dialling or serving. A token endpoint is asked through [`TokenFetcher`], which the office
//! implements, and the proxy carries the bytes that a session's wallet has worked on.
#![forbid(unsafe_code)]

mod change;
pub mod credential;
mod decode;
mod entry;
mod flight;
pub mod key;
pub mod material;
pub mod oauth;
mod placeholder;
mod record;
mod redact;
mod scan;
pub mod secret;
mod sigv4;
pub mod store;
mod substitute;
mod token;
pub mod value;
pub mod vault;
mod wallet;

pub use change::{ChangeError, Draft};
pub use credential::{
    AwsCredentials, Credential, Present, Presenting, Reason, Unavailable, Values,
};
pub use decode::{Coding, DecodeError, Decoder, Progress};
pub use key::{Key, KeyError};
pub use oauth::{FetchFailed, Fetching, TokenAnswer, TokenFetcher, TokenRequest};
pub use placeholder::{NoRandomness, NotAPlaceholder, Placeholder};
pub use redact::{ACCEPT_ENCODING, Redactor, Scrub, ScrubError};
pub use scan::{BodyFilter, FrameError, FrameFilter};
pub use secret::{DefinitionError, Format, Kind, Place, Secret, Source};
pub use sigv4::{Payload, SignError};
pub use substitute::{Applied, ApplyError, Signing};
pub use value::SecretValue;
pub use vault::{Configured, Listed, Vault, VaultParts};
pub use wallet::{Aim, Head, Misdirected, Misuse, Obtained, Plan, Spot, Wallet};

#[cfg(test)]
mod tests;
