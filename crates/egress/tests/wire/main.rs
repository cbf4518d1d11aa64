//! The proxy over real sockets on loopback: what reaches an upstream server, what comes back, and
//! what is recorded. Each attack stands beside the same probe in its permitted form.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that can't go on fails"
)]

mod bench;
mod budget;
mod certificates;
mod connect;
mod dns;
mod fetch;
mod forward;
mod frames;
mod framing;
mod grpc;
mod hop;
mod hostile;
mod http2;
mod intercept;
mod listeners;
mod names;
mod origin;
mod records;
mod redaction;
mod renewal;
mod secrets;
mod secure;
mod stand;
mod streams;
mod terms;
mod transparent;
mod upgrade;
