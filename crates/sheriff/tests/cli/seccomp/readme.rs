//! The walk-through in `profiles/seccomp/README.md`, run command by command in a copy of a checkout.
//!
//! Not for: blocks marked `privileged`, which need root and a daemon, or `host`, which tell of the
//! reader's own host.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use super::ROOT;

/// Stands for whatever was left out: lines on a line of its own, else part of the line.
const LEFT_OUT: &str = "…";

/// Most lines of a command that does not print what it should that are shown.
const SHOWN_MAX: usize = 30;

/// A fenced block.
#[derive(Debug, Default)]
struct Block<'a> {
    /// The words behind the fence.
    kind: &'a str,
    /// Where its text belongs, if a comment above says so.
    file: Option<&'a str>,
    lines: Vec<&'a str>,
    /// Line of its fence, from 1.
    at: usize,
}

fn blocks(text: &str) -> Vec<Block<'_>> {
    let mut blocks: Vec<Block<'_>> = Vec::new();
    let (mut inside, mut file) = (false, None);
    for (at, line) in text.lines().enumerate() {
        if let Some(kind) = line.strip_prefix("```") {
            inside = !inside;
            if inside {
                blocks.push(Block {
                    kind,
                    file: file.take(),
                    at: at + 1,
                    ..Block::default()
                });
            }
        } else if inside {
            blocks.last_mut().unwrap().lines.push(line);
        } else if let Some(name) = line.strip_prefix("<!-- file: ") {
            file = name.strip_suffix(" -->");
        }
    }
    assert!(!inside, "a block has no end");
    blocks
}

/// The commands of a block, each with what it should print.
fn commands<'a>(block: &Block<'a>) -> Vec<(&'a str, Vec<&'a str>)> {
    let mut commands: Vec<(&str, Vec<&str>)> = Vec::new();
    for line in &block.lines {
        match line.strip_prefix("$ ") {
            Some(command) => commands.push((command, Vec::new())),
            None => commands.last_mut().unwrap().1.push(line),
        }
    }
    commands
}

/// What the command prints, on both streams as a terminal would show them.
fn printed(command: &str, folder: &Path) -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_sheriff")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let output = Command::new("sh")
        .args(["-c", &format!("{{ {command}\n}} 2>&1")])
        .current_dir(folder)
        .env("PATH", path)
        .env_remove("SHERIFF_SOCKET_DIR")
        .stdin(Stdio::null())
        .output();
    String::from_utf8(output.unwrap().stdout).unwrap()
}

/// Whether the text is what a pattern says, whose pieces may have anything between them.
fn fits(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once(LEFT_OUT) else {
        return pattern == text;
    };
    let Some(after) = text.strip_prefix(first) else {
        return false;
    };
    let mut ends = after.char_indices().map(|(at, _)| at).chain([after.len()]);
    ends.any(|at| after.get(at..).is_some_and(|end| fits(rest, end)))
}

/// Whether the lines are what the patterns say.
fn fit(patterns: &[&str], lines: &[&str]) -> bool {
    match patterns.split_first() {
        None => lines.is_empty(),
        Some((&LEFT_OUT, rest)) => {
            let mut ends = (0..=lines.len()).filter_map(|at| lines.get(at..));
            ends.any(|end| fit(rest, end))
        }
        Some((first, rest)) => {
            let line = lines.split_first();
            line.is_some_and(|(line, others)| fits(first, line) && fit(rest, others))
        }
    }
}

/// The line of the pattern up to which it fits, for whoever has to mend it.
fn first_misfit<'a>(patterns: &[&'a str], lines: &[&str]) -> &'a str {
    let fits_so_far = |count: &usize| {
        let so_far: Vec<&str> = patterns.iter().take(*count).copied().collect();
        fit(&[&so_far[..], &[LEFT_OUT]].concat(), lines)
    };
    let fitting = (0..=patterns.len()).rev().find(fits_so_far).unwrap_or(0);
    patterns.get(fitting).copied().unwrap_or("(the end)")
}

#[test]
fn every_command_of_the_walk_through_prints_what_it_says() {
    // Examples without an architecture show what the first one answers.
    if seccomp::Arch::native() != Some(seccomp::Arch::X86_64) {
        return;
    }
    let readme = fs::read_to_string(format!("{ROOT}/profiles/seccomp/README.md")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for name in ["crates", "profiles"] {
        symlink(format!("{ROOT}/{name}"), folder.path().join(name)).unwrap();
    }
    let (mut wrong, mut compared) = (Vec::new(), 0);
    for block in blocks(&readme) {
        if let Some(file) = block.file {
            fs::write(folder.path().join(file), block.lines.join("\n") + "\n").unwrap();
        }
        if block.kind != "console" {
            continue;
        }
        for (command, expected) in commands(&block) {
            let printed = printed(command, folder.path());
            let lines: Vec<&str> = printed.lines().collect();
            compared += 1;
            if !fit(&expected, &lines) {
                let misfit = first_misfit(&expected, &lines);
                let printed = lines.iter().take(SHOWN_MAX).copied().collect::<Vec<_>>();
                let printed = printed.join("\n");
                wrong.push(format!(
                    "README.md:{}: $ {command}\n  does not print: {misfit}\n  but:\n{printed}",
                    block.at
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(compared > 20, "only {compared} commands were found");
}

#[test]
fn patterns_leave_out_what_they_mark_and_nothing_else() {
    assert!(fits("sha256 a…", "sha256 abc") && fits("a…c", "abc") && fits("a", "a"));
    assert!(!fits("a…d", "abc") && !fits("a", "ab") && !fits("b…", "ab"));
    let lines = ["a", "b", "c", "d"];
    for good in [
        &["a", "…", "d"][..],
        &["…", "b", "c", "d"],
        &["a", "b", "…"],
        &["…"],
    ] {
        assert!(fit(good, &lines), "{good:?}");
    }
    for bad in [
        &["a", "d"][..],
        &["…", "c"],
        &["b", "…"],
        &["a", "…", "b", "d"],
        &[],
    ] {
        assert!(!fit(bad, &lines), "{bad:?}");
    }
    assert_eq!(first_misfit(&["a", "…", "x"], &lines), "x");
}
