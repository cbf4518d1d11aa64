//! The way out of a jail: one pipeline of judging, recording, dialling, relaying and metering.
//!
//! Every request takes the same steps, whichever way it came: parse the destination once, judge it,
//! look at the budget, write the decision to the audit log, resolve, refuse forbidden addresses, dial
//! the very address that was checked, relay within budget, record the close.
//!
//! Not for: rules (`policy`), the log itself (`audit`), jails or the gateway's routes.
#![forbid(unsafe_code)]

mod accept;
mod account;
pub mod addresses;
mod answer;
mod authorize;
mod body;
mod client;
mod clock;
mod connect;
mod content;
mod conversation;
mod dial;
mod dns;
mod errand;
mod event;
mod exchange;
pub mod fault;
pub mod fetch;
mod fields;
mod form;
mod forward;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod head;
mod held;
mod hello;
pub mod hop;
mod http1;
mod http2;
mod intercept;
mod lesson;
pub mod limits;
mod line;
mod lines;
mod message;
mod meter;
mod names;
pub mod noise;
mod pipes;
mod plan;
pub mod proxy;
mod purse;
mod rate;
mod ration;
mod reason;
mod reconcile;
mod record;
pub mod refusal;
mod relay;
mod respond;
mod room;
mod screen;
mod secrets;
pub mod session;
mod sides;
mod spend;
mod text;
mod tls;
mod transparent;
mod tunnel;
mod upstream;
mod usage;

pub use addresses::Addresses;
pub use fault::Fault;
pub use fetch::{FetchError, FetchRequest, FetchResponse};
pub use hop::{Hop, HopFault, HopSpec};
pub use noise::{Admission, Noise};
pub use proxy::{Listeners, Proxy, ProxyParts, ServeError};
pub use reason::Cause;
pub use refusal::Refusal;
pub use session::{Renewal, Session, SessionSpec};
