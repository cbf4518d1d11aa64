//! Policies of other projects in and out, and what programs really call: with real input.
//!
//! Not for: the format itself, nor for programs in the kernel.
#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests may fail the test; clippy excuses test functions only"
)]

mod coverage;
mod docker;
mod evaluator;
mod proposal;
mod refusals;
mod round_trip;
mod systemd;

use std::collections::BTreeSet;

use sheriff_seccomp::import::Request;
use sheriff_seccomp::{Arch, Profile};

const DOCKER: &str = include_str!("../data/docker-default.json");

fn request(arch: Arch) -> Request {
    Request::new("imported".parse().unwrap(), arch)
}

fn parsed(text: &str) -> Profile {
    Profile::parse("imported.toml", text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// The value and what lies next to it, also in the bits that a narrower compare would not see.
fn around(value: u64) -> BTreeSet<u64> {
    let near = [
        0,
        u64::MAX,
        value,
        value.wrapping_sub(1),
        value.wrapping_add(1),
        !value,
    ];
    let wider = [value ^ (1 << 31), value ^ (1 << 32), value ^ (1 << 63)];
    let sparse = value & value.wrapping_neg();
    near.into_iter()
        .chain(wider)
        .chain([sparse, value | !0xFFFF_FFFF])
        .collect()
}
