//! A certificate authority for one jail: it vouches, towards that jail alone, for the hosts whose TLS
//! Sheriff intercepts, and merges itself into the list of authorities that the jail trusts.
//!
//! The key never leaves the office. The certificate is bound to the hosts of the session's policy by
//! critical name constraints, so even its key, stolen, would speak for nothing else, and to no other
//! jail.
//!
//! Not for: I/O, async, nor verifying upstream servers (`office`, `egress`).
#![forbid(unsafe_code)]

pub mod authority;
pub mod bundle;
mod certificate;
mod leaves;
mod moment;
pub mod scope;
pub mod truststore;

pub use authority::{Alpn, Authority, AuthorityError, MintError};
pub use bundle::{Bundle, BundleError, Roots};
pub use scope::{SUBTREES_MAX, Scope, ScopeError};
