//! `egress learn` as an office sees it: what it asks for, and what it makes of the record.

use std::fs;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;
use std::process::Output;
use std::time::Duration;

use api::attach::Hello;
use model::ExitRecord;
use serde_json::{Value, json};
use sys::command::Interest;

use crate::office::{Office, stderr, stdout};
use crate::samples;

const PATIENCE: Duration = Duration::from_secs(20);

fn event(method: &str, path: &str) -> Value {
    let mut event = samples::event("api.example.com");
    let more = json!({
        "phase": "decision", "method": method, "path": path, "tls": "intercept", "via": "explicit",
        "verdict": "allow", "reason": "allowed", "rule": "learning", "port": 443
    });
    let fields = event.as_object_mut().unwrap();
    fields.extend(more.as_object().unwrap().clone());
    event
}

/// Learns from a command that ends so, of which the office has these lines.
fn learn(options: &[&str], code: u8, record: &[Value]) -> Output {
    let office = Office::new();
    let control = UnixListener::bind(office.folder().join("control.sock")).unwrap();
    let child = office.start(&[&["egress", "learn"], options, &["--", "prog"]].concat());
    let client = office.meet();
    let asked = matches!(&client.hello, Hello::Run(run) if run.learn && !run.record);
    assert!(asked, "{:?}", client.hello);
    client.say_started(&[]);
    client.say_ended(ExitRecord::exited(code));
    let ready = sys::command::wait([(control.as_fd(), Interest::Input)], Some(PATIENCE)).unwrap();
    assert!(ready[0].input, "nobody asked for the record");
    let (mut stream, _) = control.accept().unwrap();
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        request.push(byte[0]);
    }
    assert!(request.starts_with(b"GET /v1/audit?session=s-"));
    let body: String = record.iter().map(|line| format!("{line}\n")).collect();
    let length = body.len();
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}");
    stream.write_all(answer.as_bytes()).unwrap();
    drop(stream);
    client.leave(child)
}

#[test]
fn the_record_becomes_a_list_and_the_exit_code_is_the_commands() {
    let record = [event("GET", "/v1/models"), event("POST", "/v1/chat")];
    let output = learn(&["--name", "mine"], 3, &record);
    assert_eq!(output.status.code(), Some(3));
    let text = stdout(&output);
    assert!(
        text.contains("name = \"mine\"") && text.contains("\"/v1/chat\""),
        "{text}"
    );
    let words = stderr(&output);
    for word in [
        "to any host",
        "2 requests were let through; 2 rules",
        "ended with 3",
    ] {
        assert!(words.contains(word), "{words}");
    }
}

#[test]
fn a_file_gets_the_list_and_json_has_the_rules_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("list.toml");
    let record = [event("GET", "/v1/models")];
    let output = learn(&["-o", file.to_str().unwrap()], 0, &record);
    assert_eq!(
        (output.status.code(), stdout(&output).as_str()),
        (Some(0), "")
    );
    let text = fs::read_to_string(&file).unwrap();
    let output = learn(&["--json"], 0, &record);
    let proposal: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(proposal["text"], text);
    assert_eq!(proposal["rules"][0]["paths"][0]["glob"], "/v1/models");
}

#[test]
fn a_record_that_can_not_be_read_proposes_nothing() {
    let output = learn(&[], 0, &[json!({"odd": 1})]);
    assert_eq!(
        (output.status.code(), stdout(&output).as_str()),
        (Some(125), "")
    );
    let words = stderr(&output);
    assert!(words.contains("the daemon's record"), "{words}");
}
