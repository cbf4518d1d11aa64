//! Fuzzes the importer of OCI and Docker policies.
//!
//! Not for: what must hold, which `trial` has; `cargo test` runs the same functions.

#![no_main]

#[allow(dead_code, reason = "each target uses one of its functions")]
#[path = "../../crates/seccomp/tests/entry_points/trial.rs"]
mod trial;

libfuzzer_sys::fuzz_target!(|text: &str| {
    trial::oci(text);
});
