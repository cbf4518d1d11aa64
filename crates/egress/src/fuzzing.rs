//! What must hold for whatever bytes arrive from a jail or a server. The fuzz targets (`fuzz/`) run these
//! functions, and the tests run them over the inputs that are kept for the fuzzer.
//!
//! Not for: production; the module exists in tests and with the feature `fuzzing` only.

mod answer;
mod body;
mod head;
mod hello;

pub use crate::dns::trial::dns;
pub use crate::http2::trial::http2;
pub use answer::answer;
pub use body::body;
pub use head::head;
pub use hello::hello;

pub(crate) use head::carried;

#[cfg(test)]
mod tests;
