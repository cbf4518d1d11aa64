//! What holds for any input holds for those that are kept for the fuzzer, and for others like them.
//!
//! Not for: finding new ones (`cargo xtask fuzz`).

mod trial;

#[test]
fn an_answer_costs_the_same_however_it_is_divided_and_no_more_than_can_be_recorded() {
    testkit::kept::check("usage", trial::usage);
}
