//! The scanner against documents that are odd, hostile or cut.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn scan(text: &[u8]) -> (Stated, bool) {
    let (mut scanner, mut stated) = (Scanner::new(), Stated::default());
    for byte in text {
        scanner.push(*byte, &mut stated);
    }
    (stated, scanner.is_done())
}

fn input(text: &str) -> Option<u64> {
    scan(text.as_bytes()).0.input
}

#[test]
fn finds_counts_at_their_place_and_nowhere_else() {
    assert_eq!(input(r#"{"usage":{"input_tokens":7}}"#), Some(7));
    assert_eq!(
        input(r#"{ "us\u0061ge" : { "input_tokens" : 7 } }"#),
        Some(7)
    );
    for elsewhere in [
        r#"{"usage":[{"input_tokens":7}]}"#,
        r#"[{"usage":{"input_tokens":7}}]"#,
        r#"{"x":{"usage":{"input_tokens":7}}}"#,
        r#"{"content":"\"usage\":{\"input_tokens\":7}"}"#,
        r#"{"content":"{\"usage\":{\"input_tokens\":7}}"}"#,
        r#"{"usage":{"x":{"input_tokens":7}}}"#,
        r#"{"usage":{"input_tokens":null}}"#,
        r#"{"usage":{"input_tokens":"7"}}"#,
        r#"{"usage":{"input_tokens":-7}}"#,
        r#"{"usage":{"input_tokens":7e2}}"#,
        r#"{"usage":null,"input_tokens":7}"#,
    ] {
        assert_eq!(input(elsewhere), None, "{elsewhere}");
    }
}

#[test]
fn a_repeated_key_cannot_lower_a_count_and_huge_numbers_are_cut() {
    let twice = r#"{"usage":{"input_tokens":70},"usage":{"input_tokens":1}}"#;
    assert_eq!(input(twice), Some(70));
    let huge = format!(r#"{{"usage":{{"input_tokens":{}}}}}"#, "9".repeat(10_000));
    assert_eq!(input(&huge), Some(model::llm::TOKENS_MAX));
}

#[test]
fn nesting_and_texts_without_end_take_no_memory() {
    let (mut scanner, mut stated) = (Scanner::new(), Stated::default());
    for byte in std::iter::repeat_n(b'[', 1 << 20) {
        scanner.push(byte, &mut stated);
    }
    assert!(scanner.open.len() <= DEPTH_MAX && scanner.state == State::Failed);
    scanner.restart();
    for byte in br#"{""#.iter().copied().chain(std::iter::repeat_n(b'a', 1 << 20)) {
        scanner.push(byte, &mut stated);
    }
    assert!(scanner.text.bytes.capacity() <= 2 * TEXT_MAX);
    assert!(!scanner.is_done());
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::hash_map(any::<String>(), inner, 0..8)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_content_beside_the_usage_leaves_it_alone(content in any_json(), count in 0_u64..1 << 53) {
        let document = json!({ "choices": content, "usage": { "input_tokens": count } });
        let (stated, is_done) = scan(document.to_string().as_bytes());
        // A document of one scalar has no end of its own; an object has.
        prop_assert!(is_done);
        prop_assert_eq!(stated.input, Some(count));
    }

    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..2048)) {
        let (stated, _) = scan(&bytes);
        prop_assert!(stated.input.unwrap_or_default() <= model::llm::TOKENS_MAX);
    }
}
