//! The way out of a jail: one pipeline of judging, recording, dialling, relaying and metering.
//!
//! Every request takes the same steps, whichever way it came: parse the destination once, judge it,
//! look at the budget, write the decision to the audit log, resolve, refuse forbidden addresses, dial
//! the very address that was checked, relay within budget, record the close.
//!
//! Not for: rules (`policy`), the log itself (`audit`), jails or the gateway's routes.
#![forbid(unsafe_code)]

mod accept;
mod answer;
mod authorize;
mod body;
mod client;
mod clock;
mod connect;
mod dial;
mod dns;
mod exchange;
mod explicit;
pub mod fetch;
mod fields;
mod forward;
mod head;
mod hello;
pub mod limits;
mod message;
mod meter;
mod names;
pub mod noise;
mod pipes;
pub mod proxy;
mod purse;
mod reason;
mod reconcile;
mod record;
pub mod refusal;
mod relay;
mod respond;
pub mod session;
mod text;
mod transparent;
mod upstream;

pub use fetch::{FetchError, FetchRequest, FetchResponse};
pub use noise::{Admission, Noise};
pub use proxy::{Listeners, Proxy, ProxyParts, ServeError};
pub use reason::Cause;
pub use refusal::Refusal;
pub use session::{Session, SessionSpec};
