//! Answers: in no writing, coding or division does a value come through, and all else does.
//!
//! Not for: codings themselves (`decode::tests`).

use std::fmt::{Debug, Display};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;

use super::*;
use crate::decode::tests::encoded;
use crate::placeholder::tests::placeholder;
use crate::scan::tests::{pieces, writings};

/// With characters that every form writes in another way.
const VALUE: &str = "sk/a+B\"%9&\\=~?xQ";
const CODINGS: [Coding; 5] = [
    Coding::Identity,
    Coding::Gzip,
    Coding::Deflate,
    Coding::Brotli,
    Coding::Zstd,
];

fn scrub(values: &[&str]) -> Arc<Scrub> {
    let marks: Vec<_> = (0..values.len())
        .map(|n| placeholder("", u8::try_from(n).unwrap()))
        .collect();
    let pairs = values
        .iter()
        .zip(&marks)
        .map(|(value, mark)| (value.as_bytes(), mark));
    Arc::new(Scrub::new(pairs).unwrap())
}

fn redacted(scrub: &Arc<Scrub>, coding: Coding, pieces: &[&[u8]]) -> Vec<u8> {
    let mut redactor = Redactor::new(Arc::clone(scrub), coding);
    let mut out = Vec::new();
    for piece in pieces {
        let mut rest = *piece;
        loop {
            let step = redactor.push(rest, &mut out).unwrap();
            rest = &rest[step.consumed..];
            if rest.is_empty() && !step.more {
                break;
            }
        }
    }
    redactor.finish(&mut out).unwrap();
    out
}

/// Everything that a text may say: itself, and what it is in base64 from each of four characters on.
fn says(text: &[u8], needle: &[u8]) -> bool {
    let contains = |text: &[u8]| text.windows(needle.len()).any(|part| part == needle);
    let joined: Vec<u8> = String::from_utf8_lossy(text)
        .replace("\\/", "/")
        .replace("%2B", "+")
        .replace("%2f", "/")
        .replace("\\n", "")
        .replace(['\r', '\n'], "")
        .replace('-', "+")
        .replace('_', "/")
        .into_bytes();
    let runs = joined.split(|byte| !byte.is_ascii_alphanumeric() && !b"+/".contains(byte));
    let in_base64 = runs
        .flat_map(|run| (0..4).filter_map(move |from| run.get(from..)))
        .any(|run| {
            let whole = run.get(..run.len() / 4 * 4).unwrap_or_default();
            let rest = run.get(whole.len()..).unwrap_or_default();
            let padded = [run, &b"=="[..(4 - rest.len()) % 4 % 3]].concat();
            STANDARD.decode(whole).is_ok_and(|text| contains(&text))
                || STANDARD.decode(padded).is_ok_and(|text| contains(&text))
        });
    contains(text) || in_base64
}

#[test]
fn a_value_in_every_writing_gives_way_to_the_placeholder() {
    let scrub = scrub(&[VALUE]);
    let mark = placeholder("", 0);
    for written in writings(VALUE.as_bytes(), 8) {
        let text = [b"{\"a\": \"".as_slice(), &written, b"\"}"].concat();
        let shown = String::from_utf8_lossy(&text).into_owned();
        let whole = redacted(&scrub, Coding::Identity, &[&text]);
        assert!(
            !whole.windows(written.len()).any(|part| part == written),
            "{shown}"
        );
        assert!(!says(&whole, VALUE.as_bytes()), "{shown}");
        assert!(!says(&whole, &VALUE.as_bytes()[..5]), "{shown}");
        assert!(
            whole.starts_with(b"{\"a\": \"") && whole.ends_with(b"\"}"),
            "{shown}"
        );
        let by_byte: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!(
            redacted(&scrub, Coding::Identity, &by_byte),
            whole,
            "{shown}"
        );
        assert_eq!(*scrub.redact(&text), *whole, "{shown}");
        let is_hex = written
            .iter()
            .all(|byte| byte.is_ascii_hexdigit() || *byte == b':');
        assert!(is_hex || says(&whole, mark.as_str().as_bytes()), "{shown}");
    }
}

#[test]
fn the_test_sees_values_in_base64_where_they_are() {
    for written in writings(VALUE.as_bytes(), 8).iter().skip(13) {
        let text = [b"{\"a\": \"".as_slice(), written, b"\"}"].concat();
        assert!(
            says(&text, &VALUE.as_bytes()[..5]),
            "{}",
            String::from_utf8_lossy(&text)
        );
    }
}

#[test]
fn what_is_around_a_value_in_base64_stays_readable() {
    let scrub = scrub(&[VALUE]);
    for before in ["", "a", "ab", "user:"] {
        for after in ["", "1", "12", "123", " and the rest"] {
            let text = STANDARD.encode(format!("{before}{VALUE}{after}"));
            let out = scrub.redact(text.as_bytes()).into_owned();
            let out = String::from_utf8(STANDARD.decode(out).unwrap()).unwrap();
            let inner = out
                .strip_prefix(before)
                .unwrap()
                .strip_suffix(after)
                .unwrap();
            assert_eq!(inner.trim_end_matches('0'), placeholder("", 0).as_str());
        }
    }
}

#[test]
fn every_coding_is_undone_and_looked_through() {
    let scrub = scrub(&[VALUE]);
    let noise = "{\"n\": [1, 2, 3]}\n".repeat(3000);
    let content = format!("{noise}{VALUE}{noise}");
    let expected = format!("{noise}{}{noise}", placeholder("", 0));
    for coding in CODINGS {
        let body = encoded(coding, content.as_bytes());
        for size in [1, 333, 1_000_000] {
            let by_size: Vec<&[u8]> = body.chunks(size).collect();
            let out = redacted(&scrub, coding, &by_size);
            assert!(out == expected.as_bytes(), "{coding:?} by {size}");
        }
    }
}

#[test]
fn a_body_that_ends_within_its_coding_is_an_error_and_an_empty_one_is_not() {
    for coding in CODINGS {
        let mut redactor = Redactor::new(scrub(&[VALUE]), coding);
        assert_eq!(redactor.finish(&mut Vec::new()), Ok(()));
        let body = encoded(coding, b"content");
        redactor.push(&body[..1], &mut Vec::new()).unwrap();
        let end = redactor.finish(&mut Vec::new());
        assert_eq!(end.is_ok(), coding == Coding::Identity, "{coding:?}");
    }
}

#[test]
fn of_two_values_the_longer_one_is_found_and_both_are() {
    let long = format!("{VALUE}-and-more");
    let scrub = scrub(&[VALUE, &long]);
    let text = format!("{long} {VALUE} {VALUE}{long}");
    let (short_mark, long_mark) = (placeholder("", 0), placeholder("", 1));
    let expected = format!("{long_mark} {short_mark} {short_mark}{long_mark}");
    for size in 1..text.len() {
        let by_size: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
        assert_eq!(
            redacted(&scrub, Coding::Identity, &by_size),
            expected.as_bytes()
        );
    }
}

#[test]
fn an_event_passes_at_once_unless_it_may_be_the_beginning_of_a_value() {
    let mut redactor = Redactor::new(scrub(&[VALUE]), Coding::Identity);
    let mut pass = |text: &str| {
        let mut out = Vec::new();
        redactor.push(text.as_bytes(), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    for event in [
        "data: {\"token\": 1}\n\n",
        "data: [DONE]\n\n",
        ": keep-alive\n\n",
        "}",
    ] {
        assert_eq!(pass(event), event);
    }
    assert_eq!(pass("data: sk/"), "data: ");
    assert_eq!(pass("b\n\n"), "sk/b\n\n");
}

#[test]
fn a_value_that_is_too_short_is_refused() {
    let mark = placeholder("", 0);
    let new = |value: &[u8]| Scrub::new([(value, &mark)]).err();
    assert_eq!(new(&[b'a'; VALUE_MIN - 1]), Some(ScrubError::TooShort));
    assert_eq!(new(&[b'a'; VALUE_MIN]), None);
}

#[test]
fn a_value_of_escapes_alone_takes_no_time_without_end() {
    let value = "\\%&".repeat(500);
    let scrub = scrub(&[&value]);
    let text = "\\\\%25&amp;".repeat(499);
    assert_eq!(*scrub.redact(text.as_bytes()), *text.as_bytes());
    let text = "\\\\%25&amp;".repeat(500);
    assert_eq!(
        *scrub.redact(text.as_bytes()),
        *placeholder("", 0).as_str().as_bytes()
    );
}

/// Compiles only if the type does not have the trait: else two implementations fit.
macro_rules! lacks {
    ($type:ty: $trait:path) => {{
        trait Unambiguous<A> {
            fn only() {}
        }
        impl<T: ?Sized> Unambiguous<()> for T {}
        struct Second;
        impl<T: ?Sized + $trait> Unambiguous<Second> for T {}
        <$type as Unambiguous<_>>::only();
    }};
}

#[test]
fn nothing_that_holds_a_value_can_be_printed_or_serialised() {
    lacks!(Scrub: Debug);
    lacks!(Scrub: Display);
    lacks!(Redactor: Debug);
    lacks!(crate::BodyFilter: Debug);
    lacks!(crate::FrameFilter: Debug);
    lacks!(crate::Applied: Debug);
    lacks!(crate::Head: Debug);
    lacks!(crate::SecretValue: Display);
    lacks!(crate::SecretValue: serde::Serialize);
    lacks!(crate::SecretValue: Clone);
    lacks!(Scrub: serde::Serialize);
    lacks!(crate::Obtained: serde::Serialize);
    lacks!(crate::Obtained: Clone);
    // That these do print shows nothing but what V1's types print: their names.
    assert_eq!(
        format!("{:?}", crate::Obtained::default())
            .matches("sk")
            .count(),
        0
    );
}

/// One character in one of the ways that keep it by itself.
fn write(byte: u8, way: u8) -> String {
    match way % 8 {
        0 => format!("%{byte:02x}"),
        1 => format!("%{byte:02X}"),
        2 => format!("\\u{byte:04x}"),
        3 => format!("&#{byte};"),
        4 => format!("&#x{byte:X};"),
        5 => format!("%25{byte:02x}"),
        _ => char::from(byte).to_string(),
    }
}

proptest! {
    #[test]
    fn nothing_of_a_value_survives_however_it_is_written_and_divided(
        // Last characters that open an escape may be taken for themselves; its rest stays then.
        value in "[!-~]{6,38}[!-$'-\\[\\]-~]{2}",
        ways in proptest::collection::vec(any::<u8>(), 1..40),
        before in "[a-z{}: \n]{0,80}",
        after in "[a-z{}: \n]{0,80}",
        lengths in proptest::collection::vec(1_usize..30, 1..9),
        coding in 0_usize..5,
    ) {
        let written: String =
            value.bytes().zip(ways.iter().cycle()).map(|(byte, way)| write(byte, *way)).collect();
        let scrub = scrub(&[&value]);
        let body = encoded(CODINGS[coding], format!("{before} {written} {after}").as_bytes());
        let out = redacted(&scrub, CODINGS[coding], &pieces(&body, &lengths));
        let expected = format!("{before} {} {after}", placeholder("", 0));
        prop_assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn nothing_of_a_value_survives_in_base64_or_hexadecimal(
        value in "[!-~]{8,40}",
        which in any::<proptest::sample::Index>(),
        lengths in proptest::collection::vec(1_usize..30, 1..9),
    ) {
        let all = writings(value.as_bytes(), 8);
        let written = &all[which.index(all.len())];
        let text = [b" ", written.as_slice(), b" "].concat();
        let out = redacted(&scrub(&[&value]), Coding::Identity, &pieces(&text, &lengths));
        prop_assert!(!out.windows(written.len()).any(|part| part == written));
        prop_assert!(!says(&out, value.as_bytes()));
    }

    #[test]
    fn an_answer_without_the_value_is_not_changed(
        text in proptest::collection::vec(any::<u8>(), 0..3000),
        lengths in proptest::collection::vec(1_usize..500, 1..9),
        coding in 0_usize..5,
    ) {
        let body = encoded(CODINGS[coding], &text);
        let out = redacted(&scrub(&[VALUE]), CODINGS[coding], &pieces(&body, &lengths));
        prop_assert_eq!(out, text);
    }
}
