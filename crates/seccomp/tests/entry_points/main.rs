//! Texts that nobody wrote, given to everything that reads text from outside.
//!
//! Not for: what sound texts mean.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "what a helper of a test can't do is a failure of the test"
)]

mod trial;

use proptest::prelude::*;
use sheriff_seccomp::embedded;

const DOCKER: &str = include_str!("../data/docker-default.json");
const SERVICE: &str = "[Service]\nSystemCallFilter=@system-service\nSystemCallFilter=~@privileged keyctl:EPERM\nSystemCallErrorNumber=EPERM\n";
/// Pieces that parsers turn on.
const PIECES: [&str; 26] = [
    "[[allow]]\n",
    "[[deny]]\n",
    "extends = \"agent\"\n",
    "extends = \"strict\"\n",
    "enable = [\"numa\"]\n",
    "keep = [\"read\"]\n",
    "drop = [\"socket\"]\n",
    "drop = [{ why = \"w\", calls = [\"write\"] }]\n",
    "[[drop]]\n",
    "calls = [\"read\", \"socket\"]\n",
    "why = \"w\"\n",
    "errno = \"EPERM\"\n",
    "when = [[{ arg = 6, width = 32, in = [1] }]]\n",
    "when = [[{ arg = 0, width = 64, in = [9223372036854775807] }]]\n",
    "optional = \"debug\"\n",
    "arch = [\"aarch64\"]\n",
    "[",
    "]",
    "{",
    "}",
    "\"",
    "\n",
    "-1",
    "\u{0}",
    "\u{1F980}",
    "@system-service ~",
];

/// A text with some of it cut out and pieces put in.
fn mangled(text: &'static str) -> impl Strategy<Value = String> {
    let cut = (any::<prop::sample::Index>(), 0..400_usize);
    let piece = (
        any::<prop::sample::Index>(),
        prop::sample::select(PIECES.to_vec()),
    );
    (
        prop::collection::vec(cut, 0..3),
        prop::collection::vec(piece, 0..4),
        any::<bool>(),
    )
        .prop_map(move |(cuts, pieces, truncate)| {
            let mut letters: Vec<char> = text.chars().collect();
            for (at, length) in cuts {
                let at = at.index(letters.len().max(1));
                let end = (at + length).min(letters.len());
                letters.drain(at..end);
            }
            for (at, piece) in pieces {
                let at = at.index(letters.len() + 1);
                letters.splice(at..at, piece.chars());
                if truncate {
                    letters.truncate(at + piece.len());
                }
            }
            letters.into_iter().collect()
        })
}

fn shipped() -> impl Strategy<Value = String> {
    let names: Vec<_> = embedded::names().collect();
    let text = |name| embedded::shipped(name).expect("a listed profile exists");
    prop::sample::select(names).prop_flat_map(move |name| mangled(text(name)))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn no_text_gets_past_the_profile_reader_unjudged(text in "\\PC{0,200}") {
        trial::profile(&text);
    }

    #[test]
    fn no_mangled_profile_gets_past_its_reader_unjudged(text in shipped()) {
        trial::profile(&text);
    }

    #[test]
    fn no_mangled_oci_policy_gets_past_the_importer_unjudged(text in mangled(DOCKER)) {
        trial::oci(&text);
    }

    #[test]
    fn no_mangled_systemd_filter_gets_past_the_importer_unjudged(text in mangled(SERVICE)) {
        trial::systemd(&text);
    }
}

#[test]
fn the_texts_that_are_mangled_are_sound_before() {
    for name in embedded::names() {
        let text = embedded::shipped(name).expect("a listed profile exists");
        assert!(trial::profile(text), "{name}");
    }
    assert!(trial::oci(DOCKER));
    assert!(trial::systemd(SERVICE));
}
