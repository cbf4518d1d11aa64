//! What holds for any input holds for those that are kept for the fuzzer, and for others like them.
//!
//! Not for: finding new ones (`cargo xtask fuzz`).

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what a helper of a test can't do is a failure of the test"
)]

mod trial;

use testkit::kept;

#[test]
fn no_listed_writing_of_a_value_comes_through_however_an_answer_is_divided() {
    kept::check("redactor", trial::redactor);
}

#[test]
fn no_placeholder_leaves_and_nothing_else_changes_however_a_body_is_divided() {
    kept::check("placeholders", trial::placeholders);
}

#[test]
fn frames_are_taken_or_refused_however_they_are_divided() {
    kept::check("frames", trial::frames);
}

#[test]
fn a_coding_yields_the_same_in_small_steps_and_never_a_flood() {
    kept::check("decoder", trial::decoder);
}

#[test]
fn a_signed_request_signs_again_to_the_same_and_never_shows_the_key() {
    kept::check("sigv4", trial::sigv4);
}
