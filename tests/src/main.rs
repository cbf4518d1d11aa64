//! Black-box tests that need no privileges: the command line, and the tree's own tidiness.
//!
//! Not for: anything that builds a jail; that is `integration/`.
#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "helpers of tests may fail the test; clippy excuses test functions only"
)]

mod crates;
mod sources;
mod tidy;
