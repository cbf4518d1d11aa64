//! The proxy over real sockets on loopback: what reaches an upstream server, what comes back, and
//! what is recorded. Each attack stands beside the same probe in its permitted form.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that can't go on fails"
)]

mod budget;
mod connect;
mod fetch;
mod forward;
mod framing;
mod listeners;
mod names;
mod origin;
mod records;
mod stand;
mod upgrade;
