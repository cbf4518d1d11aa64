//! `sheriff run` as an office sees it, and its exit codes.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use api::Problem;
use api::attach::{FromClient, FromOffice, Hello};
use model::{ExitReason, ExitRecord};

use crate::office::{Office, command, send_signal, stderr, stdout};

/// Runs a command that ends as told; exit code and standard error.
fn end(record: ExitRecord) -> (Option<i32>, String) {
    let office = Office::new();
    let child = office.start(&["run", "--", "prog"]);
    let client = office.meet();
    client.say_started(&[]);
    client.say_ended(record);
    let output = client.leave(child);
    (output.status.code(), stderr(&output))
}

#[test]
fn passes_the_whole_request() {
    let office = Office::new();
    let options = [
        ["--profile", "coder"],
        ["--allow", "a.example.com:8443"],
        ["--connect", "b.example.com=127.0.0.1:80"],
        ["--env", "K=v=w"],
        ["--limit", "pids=64"],
        ["--timeout", "5s"],
    ];
    let command = ["--", "prog", "-x", "--allow"];
    let child = office.start(&[&["run"], options.as_flattened(), &command].concat());
    let client = office.meet();
    let Hello::Run(run) = &client.hello else {
        panic!("{:?}", client.hello)
    };
    assert_eq!(run.profile.as_str(), "coder");
    assert_eq!(run.argv, ["prog", "-x", "--allow"].map(Vec::from));
    assert_eq!(run.env, ["K=v=w"].map(Vec::from));
    assert_eq!(run.allow, ["a.example.com:8443"]);
    assert_eq!(run.connect, ["b.example.com=127.0.0.1:80"]);
    assert_eq!(run.limits, ["pids=64"]);
    assert_eq!(run.timeout.unwrap().to_string(), "5s");
    assert_eq!(
        (run.workspace, run.terminal, client.fds.len()),
        (false, None, 3)
    );
    client.say_started(&[]);
    client.say_ended(ExitRecord::exited(0));
    assert_eq!(client.leave(child).status.code(), Some(0));
}

#[test]
fn a_daemon_that_does_not_answer_is_waited_for_with_a_word() {
    let office = Office::new();
    let child = office.start(&["run", "--", "prog"]);
    let client = office.meet();
    // The client's own patience is the event that is awaited here, and nothing announces it.
    std::thread::sleep(Duration::from_millis(3300));
    client.say_started(&[]);
    client.say_ended(ExitRecord::exited(0));
    let output = client.leave(child);
    assert_eq!(output.status.code(), Some(0));
    let words = stderr(&output);
    assert_eq!(words.matches("has not answered yet").count(), 1, "{words}");
    let (_, words) = end(ExitRecord::exited(0));
    assert_eq!(words, "", "a daemon that answers at once");
}

#[test]
fn passes_streams_and_workspace_as_descriptors() {
    let office = Office::new();
    let workspace = tempfile::tempdir().unwrap();
    let place = workspace.path().to_str().unwrap();
    let child = office.start(&["run", "--workspace", place, "--", "prog"]);
    let client = office.meet();
    let files: Vec<File> = client
        .fds
        .iter()
        .map(|fd| fd.try_clone().unwrap().into())
        .collect();
    let [_stdin, mut stdout_file, mut stderr_file, folder] = files.try_into().unwrap();
    stdout_file.write_all(b"out of the jail").unwrap();
    stderr_file.write_all(b"errors of the jail").unwrap();
    let found = folder.metadata().unwrap().ino();
    assert_eq!(found, workspace.path().metadata().unwrap().ino());
    drop((stdout_file, stderr_file));
    client.say_started(&[]);
    client.say_ended(ExitRecord::exited(7));
    let output = client.leave(child);
    assert_eq!(output.status.code(), Some(7));
    assert_eq!(stdout(&output), "out of the jail");
    assert_eq!(stderr(&output), "errors of the jail");
}

#[test]
fn the_report_is_json_that_keeps_hostile_values_but_not_their_effect() {
    let office = Office::new();
    let path = office.folder().join("report.json");
    fs::write(&path, "something older and longer".repeat(1000)).unwrap();
    let child = office.start(&["run", "--report", path.to_str().unwrap(), "--", "prog"]);
    let client = office.meet();
    client.say_started(&[]);
    client.say_ended(ExitRecord::exited(7));
    assert_eq!(client.leave(child).status.code(), Some(7));
    let text = fs::read_to_string(&path).unwrap();
    assert!(!text.contains('\u{9b}'), "{text:?}");
    let report: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(report["exit"]["code"], 7);
    assert_eq!(report["denials"][0]["host"], "x\u{9b}31m");
}

#[test]
fn every_forced_end_has_its_code_and_its_reason_in_words() {
    for (record, code, word) in [
        (ExitRecord::ended(ExitReason::Memory), 137, "out of memory"),
        (ExitRecord::ended(ExitReason::Killed), 137, "operator"),
        (ExitRecord::ended(ExitReason::Budget), 137, "budget"),
        (ExitRecord::ended(ExitReason::Timeout), 124, "time"),
        (
            ExitRecord::ended(ExitReason::StartFailed),
            125,
            "not started",
        ),
        (
            ExitRecord::ended(ExitReason::NotExecutable),
            126,
            "not executable",
        ),
        (ExitRecord::ended(ExitReason::NotFound), 127, "not found"),
        (ExitRecord::signalled(15), 143, "signal 15"),
    ] {
        let (got, words) = end(record);
        assert_eq!(got, Some(code), "{words}");
        assert!(words.contains(word), "{words}");
    }
}

#[test]
fn a_command_that_ends_by_itself_is_not_commented_on() {
    for code in [0, 1, 124, 125, 137, 255] {
        assert_eq!(
            end(ExitRecord::exited(code)),
            (Some(i32::from(code)), String::new())
        );
    }
}

#[test]
fn a_refusal_is_125_with_cause_and_remedy_made_harmless() {
    let office = Office::new();
    let child = office.start(&["run", "--", "prog"]);
    office.meet().say(
        &FromOffice::Refused(Problem {
            code: "profile_unknown".to_owned(),
            status: 404,
            title: "no profile \"x\u{1b}[2J\nsheriff: fine\"".to_owned(),
            detail: "looked in /etc".to_owned(),
            remedy: "see sheriff profile list".to_owned(),
        }),
        &[],
    );
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(125));
    let words = stderr(&output);
    for part in [
        "no profile \"x\\u{1b}[2J\\nsheriff",
        "looked in /etc",
        "remedy: see sheriff",
    ] {
        assert!(words.contains(part), "{words}");
    }
    assert_eq!(words.lines().count(), 2, "{words}");
}

#[test]
fn a_lost_daemon_is_125_before_the_start_and_137_after_it() {
    for (started, code, word) in [
        (false, 125, "before the command started"),
        (true, 137, "goes on without this client"),
    ] {
        let office = Office::new();
        let child = office.start(&["run", "--", "prog"]);
        let client = office.meet();
        if started {
            client.say_started(&[]);
        }
        let output = client.leave(child);
        assert_eq!(output.status.code(), Some(code));
        assert!(stderr(&output).contains(word), "{}", stderr(&output));
    }
}

#[test]
fn signals_are_the_commands() {
    let office = Office::new();
    let child = office.start(&["run", "--", "prog"]);
    let client = office.meet();
    client.say_started(&[]);
    for (name, number) in [
        ("-INT", 2),
        ("-TERM", 15),
        ("-HUP", 1),
        ("-QUIT", 3),
        ("-USR1", 10),
        ("-USR2", 12),
    ] {
        send_signal(&child, name);
        assert_eq!(client.hear(), Some(FromClient::Signal(number)));
    }
    client.say_ended(ExitRecord::signalled(2));
    assert_eq!(client.leave(child).status.code(), Some(130));
}

#[test]
fn a_second_interrupt_in_a_row_closes_the_connection() {
    let office = Office::new();
    let child = office.start(&["run", "--", "prog"]);
    let client = office.meet();
    client.say_started(&[]);
    send_signal(&child, "-INT");
    assert_eq!(client.hear(), Some(FromClient::Signal(2)));
    send_signal(&child, "-INT");
    assert_eq!(client.hear(), None);
    let output = client.leave(child);
    assert_eq!(output.status.code(), Some(130));
    assert!(stderr(&output).contains("twice"), "{}", stderr(&output));
}

#[test]
fn a_second_signal_before_the_start_calls_it_off() {
    let office = Office::new();
    let child = office.start(&["run", "--", "prog"]);
    let client = office.meet();
    send_signal(&child, "-TERM");
    assert_eq!(client.hear(), Some(FromClient::Signal(15)));
    send_signal(&child, "-TERM");
    assert_eq!(client.hear(), None);
    assert_eq!(client.leave(child).status.code(), Some(143));
}

#[test]
fn what_fails_on_our_side_fails_before_anything_is_asked_for() {
    let office = Office::new();
    let long = "x".repeat(100_000);
    for (args, word) in [
        (
            vec!["run", "--report", "/nonexistent/r.json", "--", "prog"],
            "/nonexistent/r.json",
        ),
        (
            vec!["run", "--workspace", "/nonexistent/w", "--", "prog"],
            "/nonexistent/w",
        ),
        (
            vec!["run", "--workspace", "/dev/null", "--", "prog"],
            "/dev/null",
        ),
    ] {
        let output = office.start(&args).wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(125), "{args:?}");
        assert!(stderr(&output).contains(word), "{}", stderr(&output));
        assert!(!office.has_visitor(Duration::ZERO), "{args:?}");
    }
    let output = office
        .start(&["run", "--", "prog", &long, &long])
        .wait_with_output()
        .unwrap();
    assert_eq!(output.status.code(), Some(125));
    assert!(stderr(&output).contains("too long"), "{}", stderr(&output));
}

#[test]
fn a_wrong_command_line_is_refused_and_asks_for_nothing() {
    let office = Office::new();
    // Where the command's own code is returned, a mistake of ours has one of its own.
    for (args, code) in [
        (&["run"][..], 125),
        (&["run", "prog"], 125),
        (&["run", "--limit", "x", "--", "prog"], 125),
        (&["dance"], 2),
    ] {
        let output = command(office.folder(), args).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{args:?}");
        assert!(!stderr(&output).is_empty() && output.stdout.is_empty());
    }
    assert!(!office.has_visitor(Duration::ZERO));
}
