//! Canonical text against the vectors of RFC 8785 and a second implementation.

use serde_json::json;

use super::*;

fn text(value: &Value) -> Result<String, CanonicalError> {
    let mut out = Vec::new();
    write(&mut out, value)?;
    Ok(String::from_utf8(out).unwrap())
}

fn check(input: &str, expected: &str) {
    let value: Value = serde_json::from_str(input).unwrap();
    assert_eq!(text(&value).unwrap(), expected);
}

/// The sample of RFC 8785 section 3.2.2, without its doubles, and its result in section 3.2.4.
#[test]
fn writes_the_sample_of_the_rfc_without_its_doubles() {
    check(
        r#"{ "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
             "literals": [null, true, false] }"#,
        "{\"literals\":[null,true,false],\"string\":\"€$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}",
    );
}

/// RFC 8785 section 3.2.3: the emoji sorts before the Hebrew letter, by UTF-16 code units.
#[test]
fn sorts_the_keys_of_the_rfc_by_utf16_units() {
    check(
        r#"{ "\u20ac": "Euro Sign", "\r": "Carriage Return",
             "\ufb33": "Hebrew Letter Dalet With Dagesh", "1": "One",
             "\ud83d\ude00": "Emoji: Grinning Face", "\u0080": "Control",
             "\u00f6": "Latin Small Letter O With Diaeresis" }"#,
        "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\u{80}\":\"Control\",\
         \"ö\":\"Latin Small Letter O With Diaeresis\",\"€\":\"Euro Sign\",\
         \"😀\":\"Emoji: Grinning Face\",\
         \"\u{fb33}\":\"Hebrew Letter Dalet With Dagesh\"}",
    );
}

/// Structures of the test suite that accompanies the RFC (`arrays.json`, `structures.json`).
#[test]
fn writes_nested_and_empty_structures() {
    check(
        r#"{"1":{"f":{"f":"hi","F":5},"\n":56},"10":{},"":"empty","a":{},"111":[{"e":"yes","E":"no"}],"A":{}}"#,
        "{\"\":\"empty\",\"1\":{\"\\n\":56,\"f\":{\"F\":5,\"f\":\"hi\"}},\"10\":{},\
         \"111\":[{\"E\":\"no\",\"e\":\"yes\"}],\"A\":{},\"a\":{}}",
    );
    check(
        r#"[56,{"d":true,"10":null,"1":[]}]"#,
        r#"[56,{"1":[],"10":null,"d":true}]"#,
    );
}

#[test]
fn escapes_every_control_below_space_and_nothing_above() {
    for code in 0..0x20u8 {
        let json = text(&Value::String(char::from(code).to_string())).unwrap();
        assert!(json.bytes().all(|b| b >= 0x20), "{code:#x}: {json}");
    }
    let printable = "\u{7f}\u{9b}\u{2028}\u{202e}/<é";
    assert_eq!(text(&json!(printable)).unwrap(), format!("\"{printable}\""));
}

#[test]
fn refuses_numbers_that_readers_may_round() {
    let max = i64::try_from(INTEGER_MAX).unwrap();
    for good in [0, 1, -1, max, -max] {
        assert_eq!(text(&json!(good)).unwrap(), good.to_string());
    }
    for big in [
        json!(max + 1),
        json!(-max - 1),
        json!(u64::MAX),
        json!(i64::MIN),
    ] {
        assert!(
            matches!(text(&big), Err(CanonicalError::TooBig { .. })),
            "{big}"
        );
    }
    for fraction in [json!(1.5), json!(1.0), json!(-0.0), json!(1e300)] {
        let refused = text(&json!({ "n": [fraction] }));
        assert!(
            matches!(refused, Err(CanonicalError::Fraction { .. })),
            "{fraction}"
        );
    }
}

#[test]
fn tames_what_it_would_refuse_and_nothing_else() {
    let wild = json!({ "a": [1.5, u64::MAX, 7], "b": "x" });
    assert!(text(&wild).is_err());
    assert_eq!(
        text(&tame(wild)).unwrap(),
        r#"{"a":["1.5","18446744073709551615",7],"b":"x"}"#
    );
}

#[test]
fn refuses_nesting_that_its_own_reader_could_not_read_back() {
    let nested = |levels| (0..levels).fold(json!(0), |inner, _| json!([inner]));
    assert!(text(&nested(DEPTH_MAX)).is_ok());
    assert_eq!(text(&nested(DEPTH_MAX + 1)), Err(CanonicalError::TooDeep));
}

/// A second implementation (a crate of its own) gives the same bytes for random values.
#[test]
fn agrees_with_another_implementation_on_random_values() {
    let mut seed = 0x9e37_79b9_7f4a_7c15;
    for _ in 0..3000 {
        let value = random_value(&mut seed, 4);
        let theirs = serde_json_canonicalizer::to_string(&value).unwrap();
        assert_eq!(text(&value).unwrap(), theirs);
    }
}

fn random(seed: &mut u64, below: u64) -> u64 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    *seed % below
}

fn random_string(seed: &mut u64) -> String {
    let ranges = [0x20, 0x80, 0x800, 0x1_0000, 0x11_0000];
    (0..random(seed, 6))
        .filter_map(|_| {
            let top = ranges[usize::try_from(random(seed, 5)).unwrap()];
            char::from_u32(u32::try_from(random(seed, top)).unwrap())
        })
        .collect()
}

fn random_value(seed: &mut u64, depth: u64) -> Value {
    match random(seed, if depth == 0 { 4 } else { 6 }) {
        0 => Value::Null,
        1 => Value::Bool(random(seed, 2) == 0),
        2 => json!(random(seed, INTEGER_MAX + 1)),
        3 => Value::String(random_string(seed)),
        4 => (0..random(seed, 5))
            .map(|_| random_value(seed, depth - 1))
            .collect(),
        _ => (0..random(seed, 5))
            .map(|_| (random_string(seed), random_value(seed, depth - 1)))
            .collect::<Map<_, _>>()
            .into(),
    }
}
