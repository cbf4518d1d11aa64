//! `agent` beside the filters that most containers and services run under: Docker's default profile
//! and systemd's `@system-service`.
//!
//! Not for: whether the import is right (`exchange`), nor for programs in the kernel.
#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests may fail the test; clippy excuses test functions only"
)]

mod docker;
mod summary;
mod systemd;

use sheriff_seccomp::import::Request;
use sheriff_seccomp::{Arch, Data, Profile, shipped, syscalls, verdict};

/// Every rule of the two sources holds for x86-64, so that is what they are imported for.
const ARCH: Arch = Arch::X86_64;

/// A call with its first arguments.
type Call = (&'static str, &'static [u64]);

fn agent() -> Profile {
    Profile::parse("agent", shipped("agent").unwrap()).unwrap()
}

fn request(name: &str) -> Request {
    Request::new(name.parse().unwrap(), ARCH)
}

fn answer(profile: &Profile, (call, given): Call) -> String {
    let number = syscalls::number(ARCH, call).unwrap_or_else(|| panic!("{call}"));
    let mut arguments = [0; 6];
    for (argument, value) in arguments.iter_mut().zip(given) {
        *argument = *value;
    }
    verdict(profile, ARCH, &Data::new(ARCH, number, arguments)).to_string()
}

/// Holds each call's two answers, theirs first, against those that are expected.
#[track_caller]
fn hold(theirs: &Profile, calls: &[(Call, &str, &str)]) {
    let ours = agent();
    for (call, theirs_expected, ours_expected) in calls {
        assert_eq!(answer(theirs, *call), *theirs_expected, "{call:x?}: theirs");
        assert_eq!(answer(&ours, *call), *ours_expected, "{call:x?}: ours");
    }
}
