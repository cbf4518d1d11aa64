//! What holds for any input holds for those that are kept for the fuzzer, and for others like them.
//!
//! Not for: finding new ones (`cargo xtask fuzz`).

use testkit::kept;

use super::*;

#[test]
fn a_request_that_is_accepted_goes_on_as_one_that_is_read_the_same() {
    kept::check("head", head);
}

#[test]
fn a_content_is_the_same_however_it_is_divided() {
    kept::check("body", body);
}

#[test]
fn an_answer_that_is_accepted_goes_on_as_one_that_is_read_the_same() {
    kept::check("answer", answer);
}

#[test]
fn a_handshake_names_what_a_tls_server_reads_however_it_is_divided() {
    kept::check("hello", hello);
}

#[test]
fn a_question_is_answered_in_few_bytes_by_what_is_no_question() {
    kept::check("dns", dns);
}

#[test]
fn a_stream_that_is_accepted_goes_on_as_a_request_that_is_read_the_same() {
    kept::check("http2", http2);
}
