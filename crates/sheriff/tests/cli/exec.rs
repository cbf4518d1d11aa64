//! `sheriff exec` as an office sees it.

use api::Problem;
use api::attach::{FromOffice, Hello};
use model::ExitRecord;

use crate::office::{Office, command, stderr};
use crate::samples::SESSION;

#[test]
fn runs_in_the_named_session_and_returns_the_code() {
    let office = Office::new();
    let child = office.start(&["exec", SESSION, "--env", "A=b", "--", "id", "-u"]);
    let client = office.meet();
    let Hello::Exec(exec) = &client.hello else {
        panic!("{:?}", client.hello)
    };
    assert_eq!(exec.session.as_str(), SESSION);
    assert_eq!(exec.argv, [b"id".to_vec(), b"-u".to_vec()]);
    assert_eq!((client.fds.len(), exec.terminal), (3, None));
    client.say_started(&[]);
    client.say(
        &FromOffice::Exited {
            record: ExitRecord::exited(3),
        },
        &[],
    );
    assert_eq!(client.leave(child).status.code(), Some(3));
}

#[test]
fn an_unknown_session_is_125_by_name() {
    let office = Office::new();
    let child = office.start(&["exec", SESSION, "--", "id"]);
    office.meet().say(
        &FromOffice::Refused(Problem {
            code: "session_unknown".to_owned(),
            status: 404,
            title: format!("no session {SESSION}"),
            detail: String::new(),
            remedy: String::new(),
        }),
        &[],
    );
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(125));
    assert!(stderr(&output).contains(SESSION), "{}", stderr(&output));
}

#[test]
fn never_starts_a_daemon_of_its_own() {
    let empty = tempfile::tempdir().unwrap();
    let output = command(empty.path(), &["exec", SESSION, "--", "id"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(125));
    let words = stderr(&output);
    assert!(
        words.contains("no daemon at") && words.contains("remedy: start it"),
        "{words}"
    );
}
