//! Servers for tests: small, in the test's own process, on 127.0.0.1 with a free port, gone on drop.
//!
//! [`Server::on`] and [`Resolver::on`] take a socket made elsewhere, such as [`inside`] the network
//! namespace of another process.
//!
//! All are plain threads and blocking sockets, and each knows what it saw: requests, and bytes as
//! they crossed the socket, so that a meter can be compared with the far end's own count.
//!
//! | module | serves |
//! | --- | --- |
//! | [`http`] | HTTP/1.1 with a handler closure, plain or TLS: keep-alive, chunked, huge, truncated, upgraded |
//! | [`http2`] | HTTP/2 with an async handler for each stream, and a gRPC echo |
//! | [`authority`] | certificates of a test authority, as PEM and as server settings |
//! | [`git`] | repositories over smart HTTP, clone and push |
//! | [`index`] | a Python package index, an npm registry and an index of crates with one tiny package each |
//! | [`websocket`] | an RFC 6455 echo |
//! | [`events`] | an event stream that pauses between events |
//! | [`hop`] | CONNECT of a network's own proxy, with credentials |
//! | [`resolver`] | name service that answers otherwise each time |
//! | [`raw`] | scripted misbehaviour: garbage, half-close, reset, silence |
//!
//! [`kept`] is no server: it gives the fuzzer's inputs to ordinary tests.
//!
//! Not for: production code, which may not depend on this crate.
#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a server that can't do its part is a failed test, and says so at the place"
)]

pub mod archive;
pub mod authority;
pub mod events;
pub mod git;
pub mod hop;
pub mod http;
pub mod http2;
pub mod index;
pub mod kept;
pub mod namespace;
pub mod raw;
pub mod resolver;
pub mod server;
pub mod websocket;

pub use self::http::{Body, Http, Request, Response};
pub use authority::{Authority, Identity};
pub use hop::Hop;
pub use namespace::inside;
pub use raw::{Raw, Step};
pub use resolver::Resolver;
pub use server::{Channel, Server, Traffic};
