//! What the pages for users say of commands, rule keys, variables and reasons: all of it exists, and all that
//! exists is there.
//!
//! Not for: what commands print; the walk-through needs a daemon.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

fn text(path: &str) -> String {
    fs::read_to_string(format!("{ROOT}/{path}")).unwrap()
}

/// What stands between a beginning and the next end.
fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let (_, rest) = text.split_once(start).unwrap();
    rest.split_once(end).map_or(rest, |(inside, _)| inside)
}

/// The words that stand as code in the first column of a section's tables.
fn first_column(section: &str) -> BTreeSet<&str> {
    let rows = section
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split(" | ").next());
    rows.flat_map(|cell| cell.split(['`', ',', ' ']))
        .filter(|word| !word.is_empty())
        .collect()
}

/// The quoted words of a function's text.
fn quoted(source: &str) -> BTreeSet<&str> {
    source.split('"').skip(1).step_by(2).collect()
}

/// The fields of a struct.
fn fields<'a>(source: &'a str, name: &str) -> BTreeSet<&'a str> {
    let body = between(source, &format!("struct {name} {{"), "\n}");
    let lines = body.lines().filter_map(|line| line.split_once(": "));
    let fields = lines.filter(|(before, _)| before.trim_start().starts_with("pub"));
    fields
        .filter_map(|(before, _)| before.split(' ').next_back())
        .collect()
}

/// True when the command line knows these words; its required arguments may be missing.
fn is_known(words: &[&str]) -> bool {
    let output = Command::new(env!("CARGO_BIN_EXE_sheriff"))
        .args(words)
        .arg("--help")
        .output();
    output.unwrap().status.success()
}

/// Our commands in consoles, options included, up to what the jailed command or the shell reads.
fn commands(page: &str) -> impl Iterator<Item = Vec<&str>> {
    let lines = page.lines().filter_map(|line| line.strip_prefix("$ "));
    let ours = |line| {
        let own = str::split(line, " -- ").next().unwrap_or_default();
        own.split(" | ").filter_map(|c| c.strip_prefix("sheriff "))
    };
    lines.flat_map(ours).map(|command| {
        let words = command.split_whitespace();
        words.take_while(|word| *word != "<").collect()
    })
}

/// Our commands in running text, up to the first option or stand-in.
fn mentions(page: &str) -> impl Iterator<Item = Vec<&str>> {
    let ours = page.split("`sheriff ").skip(1);
    ours.map(|rest| {
        let words = rest.split('`').next().unwrap_or_default().split(' ');
        words
            .take_while(|word| word.starts_with(|c: char| c.is_ascii_lowercase()))
            .collect()
    })
}

#[test]
fn every_command_of_the_pages_exists_with_its_options() {
    let mut checked = 0;
    for name in ["README.md", "docs/egress.md", "docs/daemon.md"] {
        let page = text(name);
        for words in commands(&page).chain(mentions(&page)) {
            assert!(is_known(&words), "{name}: sheriff {}", words.join(" "));
            checked += 1;
        }
    }
    assert!(checked > 40, "only {checked} commands were found");
    assert!(!is_known(&["egress", "usage", "--hots", "x"]) && !is_known(&["egress", "se"]));
}

#[test]
fn every_reason_is_in_the_table_and_every_one_of_the_table_exists() {
    let page = text("docs/egress.md");
    let told = first_column(between(&page, "\n## Reasons\n", "\n## "));
    let told: BTreeSet<&str> = told.into_iter().filter(|word| word.contains('_')).collect();
    let (proxy, policy) = (
        text("crates/egress/src/reason.rs"),
        text("crates/policy/src/decision.rs"),
    );
    let mut codes = quoted(between(&proxy, "fn code", "\n    }\n"));
    codes.extend(quoted(between(&policy, "fn code", "\n    }\n")));
    codes.remove("allowed");
    assert_eq!(told, codes);
}

#[test]
fn every_key_of_rules_and_budgets_and_every_variable_is_in_its_table() {
    let page = text("docs/egress.md");
    let told = |title: &str| {
        let section = between(&page, &format!("\n## {title}\n"), "\n## ");
        first_column(section)
            .into_iter()
            .map(str::to_owned)
            .collect::<BTreeSet<_>>()
    };
    let owned = |names: BTreeSet<&str>| names.into_iter().map(str::to_owned).collect();
    let rules = text("crates/policy/src/rule/table.rs");
    assert_eq!(told("Rules"), owned(fields(&rules, "RuleTable")));
    let profile = text("crates/policy/src/profile/document.rs");
    assert_eq!(told("Budgets"), owned(fields(&profile, "BudgetTable")));
    let variables = text("crates/control/src/environment.rs");
    let section = between(&page, "\n## The jail's certificate authority\n", "\n## ");
    let table = between(&variables, "const TRUST:", "];");
    let names = quoted(table);
    assert!(names.len() > 10, "{names:?}");
    for name in names {
        assert!(section.contains(&format!("`{name}`")), "{name}");
    }
}
