//! Fuzzes the search for placeholders in bodies.
//!
//! Not for: what must hold, which `trial` has; `cargo test` runs the same functions.

#![no_main]

extern crate sheriff_policy as policy;

#[allow(dead_code, reason = "each target uses one of its functions")]
#[path = "../../crates/vault/tests/promises/trial.rs"]
mod trial;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    trial::placeholders(input);
});
