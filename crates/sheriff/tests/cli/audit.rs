//! `sheriff audit` on the files of a real log.

use std::fs;
use std::path::{Path, PathBuf};

use ::audit::{Event, Kind, Log, Options, Principal, Sync};
use serde_json::{Value, json};

use crate::office::{command, stderr, stdout};
use crate::samples::SESSION;

/// A closed log with an event of the session between two others.
fn log() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let log = Log::open(folder.path(), &Options::new(Sync::Group)).unwrap();
    let event =
        |word: &str| Event::new(Kind::Alert, Principal::Sheriff).data(json!({ "word": word }));
    log.append(&event("first")).unwrap();
    log.append(&event("m\u{9b}iddle").session(SESSION.parse().unwrap()))
        .unwrap();
    log.append(&event("last")).unwrap();
    log.close().unwrap();
    folder
}

fn audit(args: &[&str], dir: &Path) -> std::process::Output {
    let args = [&["audit"], args, &["--dir", dir.to_str().unwrap()]].concat();
    command(Path::new("/nonexistent"), &args).output().unwrap()
}

fn segment(dir: &Path) -> PathBuf {
    let mut files = fs::read_dir(dir).unwrap().map(|file| file.unwrap().path());
    files
        .find(|path| path.extension().is_some_and(|it| it == "jsonl"))
        .unwrap()
}

#[test]
fn verify_tells_a_whole_log_from_an_edited_one() {
    let log = log();
    let key = log.path().join("audit-key.pub");
    let output = audit(&["verify", "--key", key.to_str().unwrap()], log.path());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(
        stdout(&output).starts_with("intact: "),
        "{}",
        stdout(&output)
    );

    let file = segment(log.path());
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("first", "fibst")).unwrap();
    let output = audit(&["verify"], log.path());
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stdout(&output).contains("NOT INTACT"),
        "{}",
        stdout(&output)
    );
    let output = audit(&["verify", "--json"], log.path());
    let report: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(
        (output.status.code(), report["problems"].is_array()),
        (Some(1), true)
    );
}

#[test]
fn verify_with_another_key_fails() {
    let (log, other) = (log(), log());
    let key = other.path().join("audit-key.pub");
    let output = audit(&["verify", "--key", key.to_str().unwrap()], log.path());
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stdout(&output).contains("another key"),
        "{}",
        stdout(&output)
    );
}

#[test]
fn verify_names_a_folder_or_key_that_is_not_there() {
    let log = log();
    let missing = log.path().join("missing");
    let output = audit(&["verify"], &missing);
    assert_eq!(output.status.code(), Some(1));
    assert!(format!("{}{}", stdout(&output), stderr(&output)).contains("missing"));
    let output = audit(&["verify", "--key", missing.to_str().unwrap()], log.path());
    assert_eq!(
        (output.status.code(), stderr(&output).contains("missing")),
        (Some(1), true)
    );
}

#[test]
fn tail_shows_the_last_entries_and_only_the_wanted_session() {
    let log = log();
    let all = audit(&["tail", "-n", "500"], log.path());
    let all = stdout(&all).lines().count();
    assert!(all >= 3);
    let output = audit(&["tail", "-n", "2"], log.path());
    assert_eq!(
        (output.status.code(), stdout(&output).lines().count()),
        (Some(0), 2)
    );
    let output = audit(&["tail", "--session", SESSION], log.path());
    let text = stdout(&output);
    assert!(
        text.lines().count() == 1 && text.contains("m\\u{9b}iddle"),
        "{text:?}"
    );
    let output = audit(&["tail", "--session", SESSION, "--json"], log.path());
    assert!(!stdout(&output).contains('\u{9b}'));
    let entry: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(entry["data"]["word"], "m\u{9b}iddle");
}
