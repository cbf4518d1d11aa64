//! Fuzzes the look into a TLS handshake.
//!
//! Not for: what must hold, which `egress::fuzzing` has; `cargo test` runs the same functions.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    sheriff_egress::fuzzing::hello(input);
});
