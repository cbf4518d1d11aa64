//! HTTP/2 (RFC 9113) on either side of an exchange. A stream of the jail's is a request like any other:
//! read into a head, judged, recorded and carried out by itself. Streams to a server share a connection.
//!
//! What keeps a peer from making work for nothing: so many streams, so much unread content in each, heads
//! as long as those of HTTP/1.1, and a bound on streams that are given up as soon as they are begun
//! (CVE-2023-44487). Endless heads (CVE-2024-27316) are the codec's part. Extended CONNECT and pushes are
//! not offered.
//!
//! Not for: what becomes of a request (`errand`).

pub(crate) mod connection;
mod content;
mod ending;
mod map;
mod refused;
mod request;
mod resets;
mod stream;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod trial;
pub(crate) mod trunk;

/// The name of the protocol in TLS.
pub(crate) const ALPN: &[u8] = b"h2";
