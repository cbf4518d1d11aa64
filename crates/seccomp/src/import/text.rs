//! The TOML text of an imported profile.
//!
//! Not for: choosing what it says (`draft`).

use std::fmt::Write as _;

use crate::action::Action;
use crate::condition::{Condition, Test};
use crate::profile::VERSION;

use super::Request;
use super::comparison::Alternatives;
use super::draft::{Form, Group, Plan};

/// Columns of a line of names.
const LINE_COLUMNS: usize = 118;

/// The whole text.
pub(super) fn write(file: &str, plan: &Plan, request: &Request) -> String {
    let description = format!("Imported from {file} for {}.", request.arch);
    let mut text = format!(
        "version = {VERSION}\nname = {}\ndescription = {}\n",
        quoted(&request.name.to_string()),
        quoted(&description)
    );
    if !plan
        .iter()
        .any(|(group, _)| matches!(group.form, Form::Allow { .. }))
    {
        // A profile allows something, or it could not even end a process.
        text += "allow = []\n";
    }
    for (group, calls) in plan {
        text += &table(group, calls);
    }
    text
}

fn table(group: &Group, calls: &[&str]) -> String {
    let head = match group.form {
        Form::Allow { .. } => "allow",
        Form::Deny { .. } => "deny",
    };
    let mut text = format!(
        "\n[[{head}]]\nwhy = {}\n{}",
        quoted(&group.why),
        names(calls)
    );
    match &group.form {
        Form::Allow { log, guard } => {
            if *log {
                text += "log = true\n";
            }
            if let Some((when, otherwise)) = guard {
                text += &format!("{}otherwise = \"{otherwise}\"\n", conditions(when));
            }
        }
        Form::Deny { action, when } => {
            text += &answer(*action);
            if !when.is_empty() {
                text += &conditions(when);
            }
        }
    }
    text
}

fn answer(action: Action) -> String {
    match action {
        Action::Errno(errno) => format!("errno = \"{errno}\"\n"),
        Action::Trap => "trap = true\n".to_owned(),
        _ => "kill = true\n".to_owned(),
    }
}

/// `calls = [...]`, wrapped when it is long.
fn names(calls: &[&str]) -> String {
    let quoted: Vec<String> = calls.iter().map(|call| format!("\"{call}\"")).collect();
    let line = format!("calls = [{}]\n", quoted.join(", "));
    if line.len() <= LINE_COLUMNS {
        return line;
    }
    let mut text = "calls = [\n".to_owned();
    let mut line = " ".to_owned();
    for name in quoted {
        if line.len() + name.len() + 2 > LINE_COLUMNS {
            text += &format!("{line}\n");
            line = " ".to_owned();
        }
        line += &format!(" {name},");
    }
    text + &format!("{line}\n]\n")
}

fn conditions(when: &Alternatives) -> String {
    let alternatives: Vec<String> = when
        .iter()
        .map(|all| {
            let all: Vec<String> = all.iter().map(condition).collect();
            format!("  [{}],\n", all.join(", "))
        })
        .collect();
    format!("when = [\n{}]\n", alternatives.concat())
}

fn condition(condition: &Condition) -> String {
    let mut text = format!(
        "{{ arg = {}, width = {}, ",
        condition.argument(),
        condition.width().bits()
    );
    let masked = condition.mask() != condition.width().ones();
    let short = match condition.test() {
        Test::In(values) if masked && values == &[0] => Some("clear"),
        Test::NotIn(values) if masked && values == &[0] => Some("any_of"),
        _ => None,
    };
    if let Some(key) = short {
        text += &format!("{key} = {:#X} }}", condition.mask());
        return prefixed(&text);
    }
    if masked {
        text += &format!("mask = {:#X}, ", condition.mask());
    }
    text += &match condition.test() {
        Test::In(values) => format!("in = {}", list(values)),
        Test::NotIn(values) => format!("not_in = {}", list(values)),
        Test::Between(low, high) => format!("between = {}", list(&[*low, *high])),
        Test::Outside(low, high) => format!("outside = {}", list(&[*low, *high])),
    };
    prefixed(&(text + " }"))
}

/// TOML wants a small x in hexadecimal numbers.
fn prefixed(text: &str) -> String {
    text.replace("0X", "0x")
}

fn list(values: &[u64]) -> String {
    let each: Vec<String> = values
        .iter()
        .map(|value| match value {
            0..=9 => value.to_string(),
            _ => format!("{value:#X}"),
        })
        .collect();
    format!("[{}]", each.join(", "))
}

/// A basic string of TOML, whatever is in it.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => quoted += "\\\"",
            '\\' => quoted += "\\\\",
            // Writing to a String has no failure to report.
            control if control.is_control() => {
                let _infallible = write!(quoted, "\\u{:04X}", u32::from(control));
            }
            plain => quoted.push(plain),
        }
    }
    quoted + "\""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_from_outside_stay_one_toml_string() {
        for text in [
            "plain",
            "a\"b\\c",
            "new\nline",
            "\u{7f}\u{85}\0",
            "\u{1F980}",
        ] {
            let line = format!("key = {}", quoted(text));
            let table: toml::Table = toml::from_str(&line).unwrap();
            assert_eq!(table["key"].as_str(), Some(text));
        }
    }

    #[test]
    fn long_lists_are_wrapped_and_short_ones_are_not() {
        assert_eq!(names(&["read"]), "calls = [\"read\"]\n");
        let long = names(&["clock_nanosleep"; 20]);
        assert!(long.lines().all(|line| line.len() <= LINE_COLUMNS));
        assert_eq!(long.matches("clock_nanosleep").count(), 20);
    }
}
