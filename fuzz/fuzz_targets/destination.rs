//! Fuzzes authorities and URIs, beside the `url` crate.
//!
//! Not for: what must hold, which `trial` has; `cargo test` runs the same functions.

#![no_main]

#[allow(dead_code, reason = "each target uses one of its functions")]
#[path = "../../crates/policy/tests/promises/trial.rs"]
mod trial;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    trial::destination(input);
});
