//! Placeholders in streams: in every writing, across every division, and nothing else touched.
//!
//! Not for: heads (`wallet::tests`).

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use proptest::prelude::*;

use super::*;
use crate::decode::Coding;
use crate::decode::tests::encoded;
use crate::placeholder::Placeholder;
use crate::placeholder::tests::placeholder;
use crate::wallet::tests::secret;

/// A text in every listed form, alone or, for base64, among other bytes at each offset and in lines of
/// this length.
pub(crate) fn writings(text: &[u8], line: usize) -> Vec<Vec<u8>> {
    let each = |write: &dyn Fn(usize, u8) -> String| -> Vec<u8> {
        let bytes = text.iter().enumerate();
        bytes
            .flat_map(|(at, &byte)| write(at, byte).into_bytes())
            .collect()
    };
    let plain = |byte: u8| char::from(byte).to_string();
    let mut all = vec![
        text.to_vec(),
        each(&|_, byte| format!("%{byte:02x}")),
        each(&|at, byte| {
            if at % 2 == 0 {
                format!("%{byte:02X}")
            } else {
                plain(byte)
            }
        }),
        each(&|_, byte| format!("%25{byte:02X}")),
        each(&|_, byte| format!("\\u{byte:04x}")),
        each(&|at, byte| {
            if at % 3 == 2 {
                format!("\\\\u{byte:04X}")
            } else {
                plain(byte)
            }
        }),
        each(&|_, byte| format!("\\x{byte:02x}")),
        each(&|_, byte| format!("&#{byte};")),
        each(&|at, byte| {
            if at % 2 == 1 {
                format!("&#x{byte:x};")
            } else {
                plain(byte)
            }
        }),
        each(&|_, byte| {
            let escape = if byte.is_ascii_punctuation() {
                "\\"
            } else {
                ""
            };
            format!("{escape}{}", char::from(byte))
        }),
        each(&|_, byte| format!("{byte:02x}")),
        each(&|_, byte| format!("{byte:02X}")),
        each(&|_, byte| format!("{byte:02x}:")),
    ];
    all.extend(in_base64(text, line));
    all
}

fn in_base64(text: &[u8], line: usize) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for before in ["", "x", "xy", "user:", "}}", "\u{3ff}~"] {
        for after in ["", "?", "\"}", "end"] {
            let whole = [before.as_bytes(), text, after.as_bytes()].concat();
            let standard = STANDARD.encode(&whole);
            all.push(URL_SAFE_NO_PAD.encode(&whole).into_bytes());
            all.push(standard.replace('/', "\\/").into_bytes());
            all.push(
                standard
                    .replace('+', "%2B")
                    .replace('/', "%2f")
                    .into_bytes(),
            );
            let lines: Vec<&[u8]> = standard.as_bytes().chunks(line).collect();
            all.push(lines.join(&b"\r\n"[..]));
            all.push(lines.join(&b"\\n"[..]));
            all.push(standard.into_bytes());
        }
    }
    all
}

fn scanner(insertions: &[(&Placeholder, &str)]) -> BodyFilter {
    BodyFilter::plain(allowance(insertions))
}

fn allowance(insertions: &[(&Placeholder, &str)]) -> Allowance {
    let own = (
        Arc::new(secret("a", "api.test", |_| {})),
        placeholder("", 0),
    );
    let insertion = |(mark, value): &(&Placeholder, &str)| {
        (
            mark.as_str().to_owned(),
            Zeroizing::new(value.as_bytes().to_vec()),
        )
    };
    Allowance {
        roster: Arc::new(Roster::new(vec![own])),
        misuses: vec![Misuse::WrongPlace],
        insertions: insertions.iter().map(insertion).collect(),
    }
}

/// What goes on of these pieces, and why no more does.
fn feed<'a>(
    mut filter: BodyFilter,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<u8>, Option<Misuse>) {
    let mut out = Vec::new();
    for piece in pieces {
        if let Err(refused) = filter.push(piece, &mut out) {
            return (out, Some(refused.misuse));
        }
    }
    let end = filter.finish(&mut out).err();
    (out, end.map(|refused| refused.misuse))
}

#[test]
fn finds_a_placeholder_in_every_writing_whole_and_byte_by_byte() {
    let own = placeholder("", 0);
    for written in writings(own.as_str().as_bytes(), 76) {
        let text = [b"{\"a\": \"".as_slice(), &written, b"\"}"].concat();
        let shown = String::from_utf8_lossy(&text).into_owned();
        assert_eq!(
            feed(scanner(&[]), [&text[..]]).1,
            Some(Misuse::WrongPlace),
            "{shown}"
        );
        let (out, misuse) = feed(scanner(&[]), text.chunks(1));
        assert_eq!(misuse, Some(Misuse::WrongPlace), "{shown}");
        // Not even its marker has gone, whatever it was divided into.
        assert!(
            out.len() <= 7 + 8,
            "{shown}: {}",
            String::from_utf8_lossy(&out)
        );
    }
}

#[test]
fn what_is_lent_in_between_is_neither_overlooked_nor_said_twice() {
    let own = placeholder("", 0);
    for written in writings(own.as_str().as_bytes(), 76) {
        let (mut filter, mut out) = (scanner(&[]), Vec::new());
        let found = written.chunks(1).any(|piece| {
            let refused = filter.push(piece, &mut out).is_err();
            filter.lend(&mut out);
            refused
        });
        let found = found || filter.finish(&mut out).is_err();
        assert!(found, "{}", String::from_utf8_lossy(&written));
    }
    let text = b"shr shrf0 c2hyZj %73hr 7368 s\\u0068 no more of it";
    for size in 1..9 {
        let (mut filter, mut out) = (scanner(&[]), Vec::new());
        for piece in text.chunks(size) {
            filter.push(piece, &mut out).unwrap();
            filter.lend(&mut out);
            assert!(!filter.is_holding() || text.starts_with(&out));
        }
        filter.finish(&mut out).unwrap();
        assert_eq!(out, text, "{size}");
    }
    // Where a value is to be put in, nothing is let go.
    let (mut filter, mut out) = (scanner(&[(&own, "value")]), Vec::new());
    for piece in own.as_str().as_bytes().chunks(3) {
        filter.push(piece, &mut out).unwrap();
        filter.lend(&mut out);
    }
    filter.finish(&mut out).unwrap();
    assert_eq!(out, b"value");
}

#[test]
fn finds_it_divided_at_any_point_and_lets_no_byte_of_it_go() {
    let own = placeholder("", 0);
    let text = format!("before {own} after");
    for cut in 0..=text.len() {
        let (first, second) = text.as_bytes().split_at(cut);
        let (out, misuse) = feed(scanner(&[]), [first, second]);
        assert_eq!(misuse, Some(Misuse::WrongPlace));
        assert!(b"before ".starts_with(&out[..]), "{cut}");
    }
}

#[test]
fn tells_own_foreign_and_invented_placeholders_apart() {
    let judge = |text: &str| feed(scanner(&[]), [text.as_bytes()]).1;
    let foreign = placeholder("sk-", 50).as_str().to_owned();
    assert_eq!(judge(&format!("x{foreign}y")), Some(Misuse::Foreign));
    let mut guess = foreign.into_bytes();
    let last = guess.len() - 1;
    guess[last] ^= 2;
    let guess = String::from_utf8(guess).unwrap();
    assert_eq!(judge(&guess), Some(Misuse::NearMiss));
    let cut = guess.split_at(30).0;
    assert_eq!(judge(cut), Some(Misuse::NearMiss));
    assert_eq!(judge(&format!("{cut} and more")), Some(Misuse::NearMiss));
    for innocent in [
        "",
        "s",
        "shrf",
        "shrf01",
        "shrf01abcdefgh",
        "shrf01-shrf01",
        "%73%68%72",
    ] {
        assert_eq!(
            feed(scanner(&[]), [innocent.as_bytes()]),
            (innocent.into(), None)
        );
    }
}

#[test]
fn looks_to_the_end_of_a_body_of_any_size() {
    let own = placeholder("", 0);
    let block = vec![b's'; 64 * 1024];
    let blocks = std::iter::repeat_n(block.as_slice(), 64);
    let (out, misuse) = feed(
        scanner(&[]),
        blocks.clone().chain([own.as_str().as_bytes()]),
    );
    assert_eq!(
        (out.len(), misuse),
        (64 * 64 * 1024, Some(Misuse::WrongPlace))
    );
    assert_eq!(feed(scanner(&[]), blocks).1, None);
}

#[test]
fn puts_the_value_in_the_place_of_a_placeholder_with_its_prefix_across_any_division() {
    let mark = placeholder("shr-", 3);
    let text = format!("shr-shr{mark}.{mark}shrf");
    for size in 1..text.len() {
        let (out, misuse) = feed(scanner(&[(&mark, "V%V")]), text.as_bytes().chunks(size));
        assert_eq!(String::from_utf8(out).unwrap(), "shr-shrV%V.V%Vshrf");
        assert_eq!(misuse, None);
    }
    let without_prefix = mark.as_str().split_at(4).1;
    let (_, misuse) = feed(scanner(&[(&mark, "value")]), [without_prefix.as_bytes()]);
    assert_eq!(misuse, Some(Misuse::Foreign));
}

#[test]
fn nothing_waits_that_can_not_become_a_placeholder() {
    let mut filter = scanner(&[]);
    for event in [
        "data: {\"x\": 1}\n\n",
        "GET / HTTP/1.1\r\n",
        "100%\n",
        "shrf02\n",
    ] {
        let mut out = Vec::new();
        filter.push(event.as_bytes(), &mut out).unwrap();
        assert_eq!(out, event.as_bytes());
    }
}

#[test]
fn a_body_in_a_coding_goes_on_as_it_came_or_not_at_all() {
    let own = placeholder("", 0);
    let clean = format!("{}shrf0{}", "abc ".repeat(5000), "%73 ".repeat(5000));
    let dirty = format!("{clean}{own}{clean}");
    for coding in [Coding::Gzip, Coding::Deflate, Coding::Brotli, Coding::Zstd] {
        let filter = || BodyFilter::packed(allowance(&[]), coding);
        for size in [1, 100, 1_000_000] {
            let body = encoded(coding, clean.as_bytes());
            assert_eq!(
                feed(filter(), body.chunks(size)),
                (body.clone(), None),
                "{coding:?}"
            );
            let body = encoded(coding, dirty.as_bytes());
            let (out, misuse) = feed(filter(), body.chunks(size));
            assert_eq!(misuse, Some(Misuse::WrongPlace), "{coding:?}");
            assert!(out.len() < body.len());
        }
        let body = encoded(coding, clean.as_bytes());
        let cut = &body[..body.len() - 3];
        assert_eq!(
            feed(filter(), [cut]).1,
            Some(Misuse::Unreadable),
            "{coding:?}"
        );
        assert_eq!(
            feed(filter(), [&b"no coding"[..]]).1,
            Some(Misuse::Unreadable),
            "{coding:?}"
        );
    }
}

#[test]
fn trailers_are_looked_at_too() {
    let filter = scanner(&[]);
    assert!(filter.check(b"x-checksum").is_ok());
    let refused = filter
        .check(placeholder("", 0).as_str().as_bytes())
        .unwrap_err();
    assert_eq!(
        (refused.misuse, refused.name.unwrap().as_str()),
        (Misuse::WrongPlace, "a")
    );
}

/// Cuts a text into pieces of these lengths, in turn.
pub(crate) fn pieces<'a>(text: &'a [u8], lengths: &[usize]) -> Vec<&'a [u8]> {
    let mut rest = text;
    let mut pieces = Vec::new();
    for &length in lengths.iter().cycle().take(text.len() + 1) {
        let (piece, behind) = rest.split_at(length.min(rest.len()));
        pieces.push(piece);
        rest = behind;
    }
    pieces.push(rest);
    pieces
}

proptest! {
    #[test]
    fn bytes_without_a_placeholder_pass_as_they_are(
        text in proptest::collection::vec(any::<u8>(), 0..3000),
        lengths in proptest::collection::vec(1_usize..500, 1..9),
    ) {
        let (out, misuse) = feed(scanner(&[]), pieces(&text, &lengths));
        prop_assert_eq!((out, misuse), (text, None));
    }

    #[test]
    fn text_made_of_what_placeholders_are_made_of_passes_too(
        text in "(shrf|shrf0|shr|%7|%73|%|\\\\u00|\\\\|&#|&amp;|c2hy|[a-z2-7]{1,9}){0,200}",
        lengths in proptest::collection::vec(1_usize..50, 1..9),
    ) {
        let (out, misuse) = feed(scanner(&[]), pieces(text.as_bytes(), &lengths));
        prop_assert_eq!((out.as_slice(), misuse), (text.as_bytes(), None));
    }

    #[test]
    fn a_placeholder_anywhere_is_found(
        before in proptest::collection::vec(any::<u8>(), 0..300),
        after in proptest::collection::vec(any::<u8>(), 0..300),
        lengths in proptest::collection::vec(1_usize..60, 1..9),
        which in any::<proptest::sample::Index>(),
    ) {
        let all = writings(placeholder("", 0).as_str().as_bytes(), 76);
        let written = &all[which.index(all.len())];
        // A character of base64 right before it would move the offset; a space ends any other text.
        let text = [&before[..], b" ", written, b" ", &after].concat();
        let (_, misuse) = feed(scanner(&[]), pieces(&text, &lengths));
        prop_assert_eq!(misuse, Some(Misuse::WrongPlace));
    }
}

#[test]
fn a_long_run_of_backslashes_costs_no_more_than_other_text() {
    let mark = placeholder("", 3);
    // Were each of them to look at all that follow, this would take hours.
    let run = vec![b'\\'; 8 * 1024 * 1024];
    let text = [&run[..], mark.as_str().as_bytes()].concat();
    let seen = sightings(&Roster::default(), &text);
    assert_eq!(seen.len(), 1);
    assert!(sightings(&Roster::default(), &run).is_empty());
}
