//! Fuzzes heads of HTTP/2 streams and what is sent on for them.
//!
//! Not for: what must hold, which `egress::fuzzing` has; `cargo test` runs the same functions.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    sheriff_egress::fuzzing::http2(input);
});
