//! `sheriff secret` against a server that gives one prepared answer.

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;
use std::process::{Output, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use sys::command::Interest;

use crate::office::{command, stderr, stdout};

/// Longest wait for a request; reached only when a test fails.
const PATIENCE: Duration = Duration::from_secs(20);
const VALUE: &str = "the value";

/// Runs the command line with this standard input against a server that answers so; its output and
/// the whole request.
fn ask(args: &[&str], input: &str, answer: &Value) -> (Output, String) {
    let folder = tempfile::tempdir().unwrap();
    let listener = UnixListener::bind(folder.path().join("control.sock")).unwrap();
    let mut command = command(folder.path(), args);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let ready = sys::command::wait([(listener.as_fd(), Interest::Input)], Some(PATIENCE)).unwrap();
    assert!(ready[0].input, "nobody connected");
    let (mut stream, _) = listener.accept().unwrap();
    let mut request = Vec::new();
    let is_whole = |request: &[u8]| {
        let text = String::from_utf8_lossy(request).to_lowercase();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            return false;
        };
        let length = head.split("content-length: ").nth(1);
        let length = length.and_then(|rest| rest.lines().next()?.parse::<usize>().ok());
        body.len() >= length.unwrap_or(0)
    };
    while !is_whole(&request) {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        request.push(byte[0]);
    }
    let body = answer.to_string();
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all((head + &body).as_bytes()).unwrap();
    drop(stream);
    (
        child.wait_with_output().unwrap(),
        String::from_utf8(request).unwrap(),
    )
}

fn line() -> Value {
    json!({
        "name": "github",
        "definition": {
            "name": "github", "hosts": ["api.test:443"], "place": { "basic": "x-access-token" },
            "format": null, "env": "GITHUB", "prefix": null, "kind": "static", "source": "vault",
        },
        "version": 3, "created": "2026-01-02T03:04:05.000Z", "last_used": null,
        "problem": null,
    })
}

#[test]
fn set_sends_definition_and_value_apart_and_prints_no_value() {
    let args = [
        "secret",
        "set",
        "github",
        "--host",
        "api.test",
        "--basic",
        "x-access-token",
        "--env",
        "GITHUB",
    ];
    let (output, request) = ask(&args, VALUE, &line());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(
        request.starts_with("PUT /v1/secrets/github HTTP/1.1\r\n"),
        "{request}"
    );
    let (_, body) = request.split_once("\r\n\r\n").unwrap();
    let (head, value) = body.split_once('\n').unwrap();
    assert_eq!(value, VALUE);
    let head: Value = serde_json::from_str(head).unwrap();
    assert_eq!(head["definition"]["hosts"], json!(["api.test"]));
    assert_eq!(
        head["definition"]["place"],
        json!({ "basic": "x-access-token" })
    );
    let text = stdout(&output);
    assert!(
        text.contains("version 3") && text.contains("$GITHUB"),
        "{text}"
    );
    assert!(!text.contains(VALUE), "{text}");
}

#[test]
fn set_without_hosts_changes_the_value_alone_and_takes_it_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("value");
    std::fs::write(&file, VALUE).unwrap();
    let args = [
        "secret",
        "set",
        "github",
        "--from-file",
        file.to_str().unwrap(),
    ];
    let (output, request) = ask(&args, "", &line());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(
        request.ends_with(&format!("{{\"definition\":null}}\n{VALUE}")),
        "{request}"
    );
}

#[test]
fn a_value_is_no_argument_and_options_of_a_definition_want_a_host() {
    let folder = tempfile::tempdir().unwrap();
    for args in [
        &["secret", "set", "github", "value"][..],
        &["secret", "set", "github", "--value", "x"],
        &["secret", "set", "github", "--basic", "x"],
        &["secret", "set", "github", "--host", "*.test"],
        &[
            "secret", "set", "github", "--host", "a.test", "--path", "--body",
        ],
        &["secret", "set", "GitHub", "--host", "a.test"],
        &[
            "secret",
            "set",
            "aws",
            "--host",
            "a.test",
            "--aws-region",
            "eu-central-1",
        ],
    ] {
        let output = command(folder.path(), args).output().unwrap();
        assert_eq!(
            output.status.code(),
            Some(2),
            "{args:?}: {}",
            stderr(&output)
        );
    }
    let missing = ["secret", "set", "github", "--from-file", "/no/such/file"];
    let output = command(folder.path(), &missing).output().unwrap();
    assert!(
        stderr(&output).contains("/no/such/file"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn list_shows_where_secrets_go_and_why_one_does_not() {
    let mut broken = line();
    broken["name"] = json!("broken");
    broken["problem"] = json!("its file\u{1b}[2J is gone");
    let list = json!({ "secrets": [line(), broken] });
    let (output, request) = ask(&["secret", "list"], "", &list);
    assert!(request.starts_with("GET /v1/secrets HTTP/1.1"), "{request}");
    let text = stdout(&output);
    for word in [
        "github",
        "api.test:443",
        "basic, user x-access-token",
        "vault",
        "broken: its file",
    ] {
        assert!(text.contains(word), "{word}: {text}");
    }
    assert!(!text.contains('\u{1b}'), "{text:?}");
    let (output, _) = ask(&["secret", "list", "--json"], "", &list);
    let printed: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(printed, list);
}

#[test]
fn rm_and_uses_ask_for_the_named_secret() {
    let (output, request) = ask(&["secret", "rm", "github"], "", &Value::Null);
    assert!(
        request.starts_with("DELETE /v1/secrets/github HTTP/1.1"),
        "{request}"
    );
    assert_eq!(stdout(&output), "github: removed\n");
    let args = [
        "secret",
        "uses",
        "github",
        "--session",
        "s-0000000000000001",
    ];
    let (_, request) = ask(&args, "", &json!({}));
    let path = "GET /v1/secrets/github/uses?follow=false&session=s-0000000000000001 ";
    assert!(request.starts_with(path), "{request}");
}
