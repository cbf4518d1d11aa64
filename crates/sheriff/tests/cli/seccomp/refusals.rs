//! Bad input: what each command says, with file and line, and that it leaves nothing behind.
//!
//! Not for: profiles that are sound and bad (`answers`).

use std::fs;

use super::{ROOT, folder, seccomp, told};
use crate::office::{stderr, stdout};

#[test]
fn questions_that_make_no_sense_are_answered_with_what_would() {
    let folder = folder();
    for (line, code, words) in [
        (
            "explain agent sockt",
            1,
            "\"sockt\" is neither a known name nor a number",
        ),
        (
            "explain agent open --arch aarch64",
            1,
            "aarch64 has no system call open",
        ),
        ("explain agent socket 0x", 1, "argument \"0x\" is no number"),
        (
            "explain agent socket 1 2 3 4 5 6 7",
            1,
            "7 arguments were given",
        ),
        ("explain agent --arch mips", 2, "write x86_64 or aarch64"),
        ("explain agent --cves --since 24", 2, "a year such as 2024"),
        ("explain agent --since 2024", 2, "--cves"),
        ("explain nowhere", 1, "no seccomp profile nowhere"),
        ("explain ./nowhere.toml", 1, "nowhere.toml"),
        ("explain BAD", 1, "profile BAD"),
        ("explain broken", 1, "broken.toml:5: drop: "),
        ("show agent --json -o x", 2, "cannot be used with"),
        ("simulate agent", 2, "CALL"),
        ("simulate agent socket x", 1, "argument \"x\""),
        ("simulate agent --file ./nowhere", 1, "nowhere"),
        ("simulate agent socket --purpose x", 2, "record"),
        ("diff agent nowhere", 2, "no seccomp profile nowhere"),
        ("lint nowhere", 2, "no seccomp profile nowhere"),
        (
            "export agent --format bpf --arch x86_64 --arch aarch64",
            1,
            "--arch once",
        ),
        ("export agent --format elf", 2, "docker"),
        ("import --format oci --name x ./nowhere", 1, "nowhere"),
        ("import --format oci --name BAD ./nowhere", 2, "BAD"),
        ("coverage agent", 2, "--strace"),
        ("coverage agent --strace ./nowhere", 1, "nowhere"),
        ("coverage agent --audit ./nowhere", 1, "nowhere"),
        ("attach 0", 2, "a process number of this host"),
        ("attach nobody", 2, "a process number of this host"),
        ("attach 1 --expect nowhere", 2, "no seccomp profile nowhere"),
        ("attach s-0000000000000001", 2, "no daemon at"),
        ("matrix agent nowhere", 1, "no seccomp profile nowhere"),
    ] {
        let words_of_line: Vec<&str> = line.split(' ').collect();
        let output = seccomp(folder.path(), &words_of_line);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(code), "{line}: {said}");
        assert!(said.contains(words), "{line}: {said}");
        assert_eq!(stdout(&output), "", "{line}");
    }
}

/// A comparison of a register that no call has.
const INDEX: &str = r#"{ "defaultAction": "SCMP_ACT_ERRNO",
"syscalls": [{ "names": ["read"], "action": "SCMP_ACT_ALLOW",
"args": [{ "index": 6, "value": 0, "op": "SCMP_CMP_EQ" }] }] }"#;
/// A rule without calls.
const EMPTY_RULE: &str = "version = 1\nname = \"x\"\ndescription = \"d\"\n\
                          extends = \"agent\"\n[[deny]]\nwhy = \"For no reason at all.\"\n";

/// A file's text, the command that takes it, and what its error names behind the file.
fn defects() -> Vec<(String, &'static str, String)> {
    let docker = format!("{ROOT}/crates/seccomp/tests/data/docker-default.json");
    let docker = fs::read_to_string(docker).unwrap();
    let cut: String = docker.chars().take(docker.len() / 2).collect();
    let line = cut.lines().count();
    let garbage = "the quick brown fox\n".repeat(50);
    let one = |text: &str, command, place: &str| (text.to_owned(), command, place.to_owned());
    vec![
        (
            cut,
            "import --name x -o OUT --format docker FILE",
            format!(":{line}:"),
        ),
        one(
            INDEX,
            "import --name x -o OUT --format oci FILE",
            ":2: argument 6",
        ),
        one(
            "SystemCallFilter=@nowhere\n",
            "import --name x -o OUT --format systemd FILE",
            ":1: ",
        ),
        one(
            &garbage,
            "coverage agent --propose x -o OUT --strace FILE",
            "",
        ),
        one(
            "read 0\nsocket 38\nsockt 2\n",
            "simulate agent --file FILE",
            ":3: ",
        ),
        one(
            "read 0\nread 9x\n",
            "simulate agent --file FILE",
            ":2: argument \"9x\"",
        ),
        one(EMPTY_RULE, "show FILE -o OUT", ":5: "),
        one(EMPTY_RULE, "export FILE --format c -o OUT", ":5: "),
        one(EMPTY_RULE, "matrix agent FILE --html -o OUT", ":5: "),
    ]
}

#[test]
fn files_with_defects_are_refused_by_file_and_line_and_nothing_is_written() {
    let folder = folder();
    for (text, command, place) in defects() {
        let (file, out) = (folder.path().join("x.toml"), folder.path().join("out"));
        fs::write(&file, text).unwrap();
        let (file, out) = (file.to_str().unwrap(), out.to_str().unwrap());
        let words = command.split(' ').map(|word| match word {
            "FILE" => file,
            "OUT" => out,
            word => word,
        });
        let words: Vec<&str> = words.collect();
        let output = seccomp(folder.path(), &words);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{command}: {said}");
        assert!(
            said.contains(&format!("{file}{place}")),
            "{command}: {said}"
        );
        assert!(!fs::exists(out).unwrap(), "{command}");
        assert_eq!(stdout(&output), "", "{command}");
    }
}

#[test]
fn an_output_that_can_not_be_written_leaves_what_was_there() {
    let folder = folder();
    let there = folder.path().join("there");
    fs::create_dir(&there).unwrap();
    let old = there.join("old.toml");
    fs::write(&old, "old").unwrap();
    let bad = |to: &str| {
        let output = seccomp(folder.path(), &["show", "agent", "-o", to]);
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains(to), "{}", stderr(&output));
    };
    bad(there.to_str().unwrap());
    bad("/dev/null");
    bad(folder.path().join("none/new.toml").to_str().unwrap());
    assert_eq!(fs::read_dir(&there).unwrap().count(), 1);
    // And one that can be written replaces the old file as a whole.
    told(
        folder.path(),
        &["show", "agent", "-o", old.to_str().unwrap()],
    );
    assert!(
        fs::read_to_string(&old)
            .unwrap()
            .contains("name = \"agent\"")
    );
    assert_eq!(fs::read_dir(&there).unwrap().count(), 1);
}

#[test]
fn hostile_text_in_a_profile_steers_no_terminal() {
    let folder = folder();
    let hostile = super::NARROW
        .replace("Without queues.", "\\u001B[2J\\u009B31m\\u202Ex")
        .replace("narrow", "hostile");
    let path = folder.path().join("seccomp/hostile.toml");
    fs::write(path, hostile).unwrap();
    fs::remove_file(folder.path().join("seccomp/broken.toml")).unwrap();
    for line in [
        "list",
        "list --json",
        "explain hostile",
        "explain hostile --json",
        "show hostile",
        "matrix --json",
    ] {
        let words: Vec<&str> = line.split(' ').collect();
        let text = told(folder.path(), &words);
        assert!(text.contains("31m"), "{line}");
        assert!(!text.contains(['\u{1b}', '\u{9b}', '\u{202e}']), "{line}");
    }
}
