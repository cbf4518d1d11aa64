//! The style rules that a machine can check, one test a rule.
//!
//! Not for: function length, parameters and nesting; clippy checks those (`.clippy.toml`).

use crate::sources::{Source, all};

const PRODUCTION_LINES_MAX: usize = 400;
const IN_FILE_TEST_LINES_MAX: usize = 100;
const NAMELESS: [&str; 6] = [
    "utils.rs",
    "util.rs",
    "common.rs",
    "helpers.rs",
    "misc.rs",
    "manager.rs",
];

/// Fails with every file that a rule finds something in.
fn check(rule: &str, find: impl Fn(&Source) -> Option<String>) {
    let broken: Vec<String> = all()
        .iter()
        .filter_map(|source| find(source).map(|what| format!("{}: {what}", source.path)))
        .collect();
    assert!(broken.is_empty(), "{rule}:\n{}", broken.join("\n"));
}

#[test]
fn production_files_are_at_most_400_lines() {
    check("one noun per file", |source| {
        let lines = source.production.len();
        (!source.is_test_file() && lines > PRODUCTION_LINES_MAX).then(|| format!("{lines} lines"))
    });
}

#[test]
fn in_file_tests_are_at_most_100_lines() {
    check("longer tests go to x/tests.rs", |source| {
        let lines = source.tests.len();
        (lines > IN_FILE_TEST_LINES_MAX).then(|| format!("{lines} lines of tests"))
    });
}

#[test]
fn every_file_opens_with_what_it_is_for() {
    check("the first line is a //! sentence", |source| {
        let first = source
            .production
            .first()
            .map(String::as_str)
            .unwrap_or_default();
        (!first.starts_with("//! ")).then(|| format!("opens with {first:?}"))
    });
}

#[test]
fn every_file_has_a_name_that_says_something() {
    check("name the noun", |source| {
        let parts: Vec<&str> = source.path.rsplit('/').collect();
        let name = parts[0];
        let repeats = parts
            .get(1)
            .is_some_and(|folder| name == format!("{folder}.rs"));
        (NAMELESS.contains(&name) || name == "mod.rs" || repeats).then(|| name.to_owned())
    });
}

#[test]
fn errors_are_types_not_strings() {
    check("no Result<_, String> in production", |source| {
        if source.is_test_file() || source.path == "crates/xtask/src/probe.rs" {
            return None;
        }
        let line = source
            .production
            .iter()
            .position(|line| line.contains(", String>") && line.contains("Result<"))?;
        Some(format!("line {}", line + 1))
    });
}

#[test]
fn unsafe_code_is_in_sys_alone() {
    check("only crates/sys may hold unsafe code", |source| {
        if source.path.starts_with("crates/sys/") || source.path == "tests/src/tidy.rs" {
            return None;
        }
        let root = source.path.ends_with("src/lib.rs") || source.path.ends_with("src/main.rs");
        let forbids = source
            .production
            .iter()
            .any(|line| line == "#![forbid(unsafe_code)]");
        (root && !forbids).then(|| "does not forbid unsafe code".to_owned())
    });
}

#[test]
fn safety_comments_state_facts() {
    check(
        "a SAFETY comment says why, not that all is well",
        |source| {
            let line = source.production.iter().position(|line| {
                line.contains("SAFETY:")
                    && [
                        "parameters are valid",
                        "this is safe",
                        "is valid.",
                        "are valid.",
                    ]
                    .iter()
                    .any(|empty| line.contains(empty))
            })?;
            Some(format!("line {}", line + 1))
        },
    );
}

#[test]
fn nothing_is_left_for_later() {
    let words = ["TO", "FIX", "XX"];
    let words = [
        format!("{}DO", words[0]),
        format!("{}ME", words[1]),
        format!("{}X:", words[2]),
    ];
    check("do it, or file an issue and link it", |source| {
        let line = source
            .production
            .iter()
            .position(|line| words.iter().any(|word| line.contains(word.as_str())))?;
        Some(format!("line {}", line + 1))
    });
}
