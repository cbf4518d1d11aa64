//! What holds for any input holds for those that are kept for the fuzzer, and for others like them.
//!
//! Not for: finding new ones (`cargo xtask fuzz`).

#![expect(
    clippy::expect_used,
    reason = "what a helper of a test can't do is a failure of the test"
)]

mod trial;

use testkit::kept;

#[test]
fn an_authority_that_is_accepted_has_one_reading() {
    kept::check("destination", trial::destination);
}

#[test]
fn a_path_that_is_accepted_has_one_reading() {
    kept::check("path", trial::path);
}

#[test]
fn a_list_of_rules_is_sound_or_its_fault_has_a_place_and_a_ceiling_only_narrows() {
    kept::check("egress_profile", trial::egress_profile);
}
