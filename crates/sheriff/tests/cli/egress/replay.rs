//! Records of several forms, judged anew.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Output, Stdio};

use audit::{Event, Kind, Log, Options, Principal, Sync};
use model::EgressEvent;
use serde_json::{Value, json};

use crate::office::{command, stderr, stdout};
use crate::samples;

const RULES: &str =
    "version = 1\nname = \"learned\"\n[[allow]]\nhost = \"a.example\"\nmethods = [\"GET\"]\n";

struct Desk {
    folder: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("learned.toml"), RULES).unwrap();
        fs::write(folder.path().join("none.toml"), "").unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn replay(&self, options: &[&str], log: &str, input: &[u8]) -> Output {
        let (list, none) = (self.path("learned.toml"), self.path("none.toml"));
        let fixed = [
            "egress",
            "replay",
            "--list",
            list.to_str().unwrap(),
            "--config",
            none.to_str().unwrap(),
        ];
        let args = [&fixed[..], options, &[log]].concat();
        let mut command = command(self.folder.path(), &args);
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        // One that reads a file may be gone already.
        drop(child.stdin.take().unwrap().write_all(input));
        child.wait_with_output().unwrap()
    }
}

fn event(method: &str, host: &str, verdict: &str) -> Value {
    let mut event = samples::event(host);
    let reason = match verdict {
        "allow" => "allowed",
        _ => "not_in_allowlist",
    };
    let more = json!({
        "phase": "decision", "method": method, "path": "/x", "tls": "intercept", "via": "explicit",
        "verdict": verdict, "reason": reason, "port": 443
    });
    let fields = event.as_object_mut().unwrap();
    fields.extend(more.as_object().unwrap().clone());
    event
}

fn lines(events: &[Value]) -> Vec<u8> {
    let lines = events.iter().map(|event| format!("{event}\n"));
    lines.collect::<String>().into_bytes()
}

#[test]
fn tells_what_would_change_and_says_so_with_its_exit_code() {
    let desk = Desk::new();
    let same = [
        event("GET", "a.example", "allow"),
        event("GET", "b.example", "deny"),
    ];
    let output = desk.replay(&[], "-", &lines(&same));
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).starts_with("2 decisions: 0 would change"));

    let other = [
        event("POST", "a.example", "allow"),
        event("GET", "a.example", "deny"),
        event("GET", "a.example", "deny"),
    ];
    let output = desk.replay(&[], "-", &lines(&other));
    assert_eq!(output.status.code(), Some(1));
    let text = stdout(&output);
    let row = |start: &str| text.lines().find(|line| line.starts_with(start)).unwrap();
    let denied = row("newly denied   1");
    assert!(denied.contains("POST a.example:443/x"), "{text}");
    assert!(
        denied.contains("method_not_allowed (egress/learned:3)"),
        "{text}"
    );
    assert!(
        row("newly allowed  2").contains("GET a.example:443/x"),
        "{text}"
    );
    let output = desk.replay(&["--json", "--allow", "b.example"], "-", &lines(&other));
    let told: Value = serde_json::from_str(&stdout(&output)).unwrap();
    let counts = ["judged", "changed", "newly_denied", "newly_allowed"].map(|it| told[it].as_u64());
    assert_eq!(counts, [Some(3), Some(3), Some(1), Some(2)]);
    assert_eq!(told["changes"][1]["count"], 2);
}

#[test]
fn reads_a_folder_one_of_its_files_and_what_is_printed_of_it() {
    let desk = Desk::new();
    let folder = desk.path("audit");
    let log = Log::open(&folder, &Options::new(Sync::Group)).unwrap();
    let events = [
        event("POST", "a.example", "allow"),
        event("GET", "b.example", "allow"),
    ];
    for event in &events {
        let event: EgressEvent = serde_json::from_value(event.clone()).unwrap();
        log.append(&Event::egress(&event).unwrap()).unwrap();
    }
    let alert = json!({"alert": "denials_suppressed", "kind": "egress.decision", "count": 7});
    let alert = Event::new(Kind::Alert, Principal::Sheriff).data(alert);
    log.append(&alert).unwrap();
    log.close().unwrap();
    let segment = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| fs::read_to_string(path).is_ok_and(|text| text.contains("egress.decision")))
        .unwrap();
    // As a program prints it that has no canonical form.
    let printed: String = fs::read_to_string(&segment)
        .unwrap()
        .lines()
        .map(|line| format!("{}\n", line.replacen('{', "{ ", 1)))
        .collect();
    let paths = [folder.to_str().unwrap(), segment.to_str().unwrap(), "-"];
    for path in paths {
        let output = desk.replay(&["--json"], path, printed.as_bytes());
        assert_eq!(output.status.code(), Some(1), "{path}: {}", stderr(&output));
        let told: Value = serde_json::from_str(&stdout(&output)).unwrap();
        let counts = ["newly_denied", "suppressed"].map(|it| told[it].as_u64());
        assert_eq!(counts, [Some(2), Some(7)], "{path}");
    }
}

#[test]
fn garbage_is_named_by_its_line_and_decides_nothing() {
    let desk = Desk::new();
    let good = lines(&[event("GET", "a.example", "allow")]);
    let long = [b'x'; 70_000];
    for (bad, word) in [
        (&b"not json\n"[..], "neither an entry"),
        (b"{\"id\": 1}\n", "neither an entry"),
        (b"{\"hash\": 1}\n", "no entry of an audit log"),
        (&long, "longer than"),
    ] {
        let input = [&good[..], b"\n", bad].concat();
        let output = desk.replay(&[], "-", &input);
        assert_eq!(output.status.code(), Some(2), "{word}");
        let words = stderr(&output);
        assert!(
            words.contains("standard input:3: ") && words.contains(word),
            "{words}"
        );
    }
    let output = desk.replay(&[], "/no/such/log", b"");
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn only_the_sessions_events_count_when_one_is_named() {
    let desk = Desk::new();
    let input = lines(&[event("POST", "a.example", "allow")]);
    let own = input_session(&input);
    for (session, code) in [(own.as_str(), 1), ("s-00000000000000ff", 0)] {
        let output = desk.replay(&["--session", session], "-", &input);
        assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
    }
}

fn input_session(line: &[u8]) -> String {
    let event: EgressEvent = serde_json::from_slice(line).unwrap();
    event.session.to_string()
}
