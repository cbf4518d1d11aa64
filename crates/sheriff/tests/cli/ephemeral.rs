//! A daemon for one command: started, used, ended. The daemon is a shell script here.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use model::ExitRecord;

use crate::office::{Office, program, stderr};

/// Says where it is, waits for the end of its lifeline, and says that it ended.
const DAEMON: &str = r#"#!/bin/sh
echo "$@" > "$RUNTIME/arguments"
while [ $# -gt 1 ]; do
    case "$1" in
        --ready-fd) ready=$2 ;;
        --lifeline-fd) lifeline=$2 ;;
    esac
    shift
done
echo "$RUNTIME" > /proc/self/fd/$ready
cat /proc/self/fd/$lifeline
echo ended > "$RUNTIME/ended"
"#;

/// Only root gets a daemon of its own. Elsewhere these tests have nothing to look at and say so.
#[expect(clippy::print_stderr, reason = "a skipped test must say so")]
fn is_root() -> bool {
    let root = sys::users::effective() == 0;
    if !root {
        eprintln!("SKIPPED: needs root");
    }
    root
}

/// The command line beside a daemon with this script, in a folder of their own.
fn installed(script: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let (sheriff, source) = (folder.path().join("sheriff"), folder.path().join("source"));
    fs::write(&source, script).unwrap();
    install(Path::new(env!("CARGO_BIN_EXE_sheriff")), &sheriff);
    install(&source, &folder.path().join("sheriffd"));
    (folder, sheriff)
}

/// Copies in another process: a descriptor open for writing here could be inherited by the child of
/// a test beside us, and nothing open for writing can be executed (`ETXTBSY`).
fn install(from: &Path, to: &Path) {
    let done = Command::new("install")
        .args(["-m", "755"])
        .args([from, to])
        .status()
        .unwrap();
    assert!(done.success());
}

#[test]
fn a_daemon_for_one_command_ends_with_the_command() {
    if !is_root() {
        return;
    }
    let (_folder, sheriff) = installed(DAEMON);
    let (office, empty) = (Office::new(), tempfile::tempdir().unwrap());
    let child = program(sheriff, empty.path(), &["run", "--ephemeral", "--", "prog"])
        .env("RUNTIME", office.folder())
        .spawn()
        .unwrap();
    let client = office.meet();
    client.say_started(&[]);
    assert!(!office.folder().join("ended").exists());
    client.say_ended(ExitRecord::exited(4));
    let output = client.leave(child);
    assert_eq!(output.status.code(), Some(4), "{}", stderr(&output));
    assert!(
        office.folder().join("ended").exists(),
        "the daemon was not awaited"
    );
    let arguments = fs::read_to_string(office.folder().join("arguments")).unwrap();
    assert!(
        arguments.starts_with("--ephemeral --log warn --ready-fd "),
        "{arguments}"
    );
}

#[test]
fn a_daemon_that_never_gets_ready_is_125() {
    if !is_root() {
        return;
    }
    let (_folder, sheriff) = installed("#!/bin/sh\necho no cgroups >&2\nexit 9\n");
    let empty = tempfile::tempdir().unwrap();
    let output = program(sheriff, empty.path(), &["run", "--ephemeral", "--", "prog"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(125));
    let words = stderr(&output);
    assert!(
        words.contains("no cgroups") && words.contains("exit status: 9"),
        "{words}"
    );
}

#[test]
fn a_daemon_that_was_named_is_not_replaced_by_another() {
    if !is_root() {
        return;
    }
    let standing = Path::new("/run/sheriff/attach.sock").exists();
    assert!(!standing, "this test needs a host without a running daemon");
    let (_folder, sheriff) = installed(DAEMON);
    let (office, empty) = (Office::new(), tempfile::tempdir().unwrap());
    let output = program(sheriff.clone(), empty.path(), &["run", "--", "prog"])
        .env("RUNTIME", office.folder())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(125));
    let words = stderr(&output);
    assert!(
        words.contains("no daemon at") && words.contains("--socket-dir"),
        "{words}"
    );
    assert!(
        !office.folder().join("arguments").exists(),
        "one was started"
    );
    // The same command without a name for the daemon gets one of its own.
    let child = program(sheriff, empty.path(), &["run", "--", "prog"])
        .env_remove("SHERIFF_SOCKET_DIR")
        .env("RUNTIME", office.folder())
        .spawn()
        .unwrap();
    let client = office.meet();
    client.say_started(&[]);
    client.say_ended(ExitRecord::exited(0));
    assert_eq!(client.leave(child).status.code(), Some(0));
}
