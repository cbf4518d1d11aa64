//! Black-box tests that need no privileges: the command line, and the tree's own tidiness.
//!
//! Not for: anything that builds a jail; that is `integration/`.
#![forbid(unsafe_code)]

mod crates;
mod sources;
mod tidy;
