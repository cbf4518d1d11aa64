//! Commands that ask the operator's API, against a server that gives one prepared answer.

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;
use std::process::Output;
use std::time::Duration;

use serde_json::{Value, json};
use sys::command::Interest;

use crate::office::{command, stderr, stdout};
use crate::samples::{self, SESSION};

/// Longest wait for a request; reached only when a test fails.
const PATIENCE: Duration = Duration::from_secs(20);
const EVENT: &str = "e-0000000000000001";

/// Runs the command line against a server that answers so; its output and the request's first line.
fn ask(args: &[&str], answer: &str) -> (Output, String) {
    let folder = tempfile::tempdir().unwrap();
    let listener = UnixListener::bind(folder.path().join("control.sock")).unwrap();
    let child = command(folder.path(), args).spawn().unwrap();
    let ready = sys::command::wait([(listener.as_fd(), Interest::Input)], Some(PATIENCE)).unwrap();
    assert!(ready[0].input, "nobody connected");
    let (mut stream, _) = listener.accept().unwrap();
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        request.push(byte[0]);
    }
    stream.write_all(answer.as_bytes()).unwrap();
    drop(stream);
    let request = String::from_utf8(request).unwrap();
    (
        child.wait_with_output().unwrap(),
        request.lines().next().unwrap().to_owned(),
    )
}

fn ok(body: &Value) -> String {
    status("200 OK", &body.to_string())
}

fn status(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Lines in chunks that end in the middle of lines.
fn stream(lines: &[Value]) -> String {
    let body: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let middle = body.len() / 2;
    let (a, b) = body.split_at((middle..).find(|at| body.is_char_boundary(*at)).unwrap());
    let chunk = |part: &str| format!("{:x}\r\n{part}\r\n", part.len());
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    format!("{head}{}{}0\r\n\r\n", chunk(a), chunk(b))
}

#[test]
fn ps_lists_sessions_and_escapes_their_commands() {
    let list = json!({ "sessions": [samples::line("sh\u{1b}[2J\u{9b}31m\nx")] });
    let (output, request) = ask(&["ps"], &ok(&list));
    assert_eq!(
        (output.status.code(), request.as_str()),
        (Some(0), "GET /v1/sessions HTTP/1.1")
    );
    let text = stdout(&output);
    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(
        text.contains("2.0KiB  sh\\u{1b}[2J\\u{9b}31m\\nx"),
        "{text}"
    );

    let (output, _) = ask(&["ps", "--json"], &ok(&list));
    let text = stdout(&output);
    assert!(!text.contains(['\u{1b}', '\u{9b}']), "{text:?}");
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), list);
}

#[test]
fn inspect_shows_layers_limits_and_rules() {
    let mut detail = samples::line("sh");
    let more = json!({
        "operator_uid": 1000, "layers": samples::layers(), "limits": samples::limits(),
        "egress": samples::usage(), "syscalls_denied": 4,
        "allow": ["a.example:443"]
    });
    detail
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    let (output, request) = ask(&["inspect", SESSION], &ok(&detail));
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(request, format!("GET /v1/sessions/{SESSION} HTTP/1.1"));
    for part in [
        "uid 1000",
        "1GiB",
        "fully_enforced",
        "a.example:443",
        "1 denied",
    ] {
        assert!(stdout(&output).contains(part), "{}", stdout(&output));
    }
    let (output, _) = ask(&["inspect", "--json", SESSION], &ok(&detail));
    assert_eq!(
        serde_json::from_str::<Value>(&stdout(&output)).unwrap(),
        detail
    );
}

#[test]
fn each_verb_posts_to_its_route_and_says_nothing() {
    for verb in ["kill", "stop", "pause", "resume"] {
        let (output, request) = ask(&[verb, SESSION], "HTTP/1.1 204 No Content\r\n\r\n");
        assert_eq!(
            request,
            format!("POST /v1/sessions/{SESSION}/{verb} HTTP/1.1")
        );
        assert_eq!(
            (
                output.status.code(),
                output.stdout.len(),
                output.stderr.len()
            ),
            (Some(0), 0, 0)
        );
    }
}

#[test]
fn a_problem_is_1_with_its_words() {
    let problem = json!({
        "code": "session_unknown", "status": 404, "title": "no session \u{1b}[31m", "remedy": "see ps"
    });
    let (output, _) = ask(
        &["kill", SESSION],
        &status("404 Not Found", &problem.to_string()),
    );
    assert_eq!(output.status.code(), Some(1));
    let words = stderr(&output);
    assert!(
        words.contains("no session \\u{1b}[31m (session_unknown)"),
        "{words}"
    );
    assert!(words.contains("remedy: see ps"), "{words}");
    let (output, _) = ask(&["kill", SESSION], &status("500 Oops", "<html>"));
    assert_eq!(
        (output.status.code(), stderr(&output).contains("status 500")),
        (Some(1), true)
    );
}

#[test]
fn egress_tail_shows_one_line_per_event_whatever_the_host_is() {
    let events = [
        samples::event("a.example"),
        samples::event("x\u{1b}]0;t\u{7}\n\u{9b}31mDENY"),
    ];
    let (output, request) = ask(
        &["egress", "tail", "-f", "--session", SESSION],
        &stream(&events),
    );
    assert_eq!(
        request,
        format!("GET /v1/egress/events?follow=true&session={SESSION} HTTP/1.1")
    );
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = stdout(&output);
    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(
        text.contains("DENY  a.example:443 CONNECT - up=0B down=0B no_rule e-"),
        "{text}"
    );
    assert!(
        text.contains("x\\u{1b}]0;t\\u{7}\\n\\u{9b}31mDENY:443"),
        "{text}"
    );

    let (output, request) = ask(&["egress", "tail", "--json"], &stream(&events));
    assert_eq!(request, "GET /v1/egress/events?follow=false HTTP/1.1");
    let lines: Vec<Value> = stdout(&output)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines, events);
    assert!(!stdout(&output).contains('\u{9b}'));
}

#[test]
fn a_stream_that_is_cut_is_1_after_the_lines_that_came() {
    let whole = stream(&[samples::event("a.example"), samples::event("b.example")]);
    let cut = whole.strip_suffix("0\r\n\r\n").unwrap();
    let (output, _) = ask(&["egress", "tail"], cut);
    assert_eq!(
        (output.status.code(), stdout(&output).lines().count()),
        (Some(1), 2)
    );
}

#[test]
fn egress_why_explains() {
    let why = json!({
        "decision": samples::event("a.example"), "close": null,
        "explanation": "no rule allows a.example:443", "next_steps": ["--allow a.example"],
        "place": { "file": "/p/own.toml", "line": 7, "text": "[[egress.deny]]\nhost = \"a.example\"" }
    });
    let (output, request) = ask(&["egress", "why", EVENT], &ok(&why));
    assert_eq!(request, format!("GET /v1/egress/why/{EVENT} HTTP/1.1"));
    let text = stdout(&output);
    assert!(
        text.contains("no rule allows") && text.contains("next: --allow a.example"),
        "{text}"
    );
    assert!(
        text.contains("/p/own.toml:7\n    [[egress.deny]]\n    host = \"a.example\"\n"),
        "{text}"
    );
    let (output, _) = ask(&["egress", "why", "--json", EVENT], &ok(&why));
    assert_eq!(
        serde_json::from_str::<Value>(&stdout(&output)).unwrap(),
        why
    );
}

#[test]
fn logs_show_audit_entries_and_egress_in_one_story() {
    let zeros = "0".repeat(64);
    let entry = |seq: u64, kind: &str, data: Value| {
        json!({
            "seq": seq, "time": "2025-01-01T00:00:00.000Z", "kind": kind, "session": SESSION,
            "run": null, "step": null, "principal": "sheriff", "data": data, "prev": zeros,
            "hash": zeros
        })
    };
    let entries = [
        entry(1, "session.started", json!({ "argv": ["\u{1b}[2J"] })),
        entry(2, "egress.decision", samples::event("a.example")),
    ];
    let (output, request) = ask(&["logs", SESSION], &stream(&entries));
    assert_eq!(
        request,
        format!("GET /v1/audit?session={SESSION}&follow=false HTTP/1.1")
    );
    let text = stdout(&output);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text} {}", stderr(&output));
    assert!(
        lines[0].contains("session.started") && !text.contains('\u{1b}'),
        "{text:?}"
    );
    assert!(lines[1].contains("DENY  a.example:443"), "{text}");
}

#[test]
fn an_answer_of_another_shape_is_an_error_not_a_guess() {
    let (output, _) = ask(&["ps"], &ok(&json!({ "items": [] })));
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("not what this version expects"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn without_a_daemon_every_question_is_1_with_the_remedy() {
    let empty = tempfile::tempdir().unwrap();
    for args in [
        &["ps"][..],
        &["inspect", SESSION],
        &["kill", SESSION],
        &["egress", "tail"],
    ] {
        let output = command(empty.path(), args).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        let words = stderr(&output);
        assert!(
            words.contains("control.sock") && words.contains("remedy: start it"),
            "{words}"
        );
    }
}
