//! A comparison in a few lines, to be kept in a file and cited.
//!
//! Not for: reasons, which `diff` itself prints.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use sheriff_seccomp::Profile;
use sheriff_seccomp::diff::{Case, Direction, diff};

/// Widest line of lists.
const WIDTH: usize = 120;

/// Calls by the second profile's answer, and by the arguments where there is a condition.
type Groups<'a> = BTreeMap<(&'a [String], String), Vec<&'a str>>;

/// What the second profile refuses, allows and answers otherwise than the first.
pub(crate) fn summary(theirs: &Profile, ours: &Profile) -> String {
    let found = diff(theirs, ours).unwrap();
    let (left, right) = (&found.left, &found.right);
    let titles = [
        (
            Direction::Narrower,
            format!("{right} refuses what {left} allows"),
        ),
        (
            Direction::Wider,
            format!("{right} allows what {left} refuses"),
        ),
        (
            Direction::Otherwise,
            format!("{right} refuses with another answer than {left}"),
        ),
    ];
    let mut text = String::new();
    for (direction, title) in titles {
        let mut groups = Groups::new();
        for change in &found.changes {
            let cases = change.cases.iter();
            for case in cases.filter(|case| case.direction == direction) {
                let group = groups.entry((&*case.when, told(case))).or_default();
                group.push(&change.call);
            }
        }
        if !groups.is_empty() {
            section(&mut text, &title, &groups);
        }
    }
    text
}

fn told(case: &Case) -> String {
    match case.direction {
        Direction::Narrower => format!("{}:", case.right.action),
        Direction::Wider => "allowed:".to_owned(),
        Direction::Otherwise => format!("{} for {}:", case.right.action, case.left.action),
        // Whether a refusal is an event is a matter of our own that no other format knows.
        Direction::Quieter | Direction::Louder => format!("{}:", case.right.action),
    }
}

fn section(text: &mut String, title: &str, groups: &Groups<'_>) {
    let lead = if text.is_empty() { "" } else { "\n" };
    // Writing to a String has no failure to report.
    let _infallible = writeln!(text, "{lead}== {title} ==");
    // What holds for all arguments first, then by the calls' names.
    let mut sorted: Vec<_> = groups.iter().collect();
    sorted.sort_by_key(|((when, _), calls)| (!when.is_empty(), calls.first().copied()));
    for ((when, told), calls) in sorted {
        wrapped(text, &format!("{told} {}", calls.join(", ")));
        for (index, one) in when.iter().enumerate() {
            let word = if index == 0 { "when" } else { "or when" };
            let _infallible = writeln!(text, "    {word} {one}");
        }
    }
}

fn wrapped(text: &mut String, list: &str) {
    let mut line = String::new();
    for word in list.split(' ') {
        if !line.is_empty() && line.len() + 1 + word.len() > WIDTH {
            text.push_str(&line);
            text.push('\n');
            line = "   ".to_owned();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    text.push_str(&line);
    text.push('\n');
}

/// Fails with the new text when the file is no longer what the profiles say.
#[track_caller]
pub(crate) fn hold(theirs: &Profile, file: &str, kept: &str) {
    let now = summary(theirs, &crate::agent());
    assert_eq!(
        now, kept,
        "crates/seccomp/tests/data/{file} should read:\n{now}"
    );
}
