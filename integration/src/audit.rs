//! The audit log of real sessions: what it holds, in which order, and that it shows any change.
//!
//! Not for: its encoding (`crates/audit`).

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use testkit::{Http, Response};

use crate::harness::{Daemon, Jail, Outcome, eventually};

/// The whole text of a log's segments.
fn text_of(folder: &Path) -> String {
    let mut texts: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .map(|path| (path.clone(), fs::read(path).unwrap_or_default()))
        .collect();
    texts.sort();
    let texts = texts
        .iter()
        .map(|(_, bytes)| String::from_utf8_lossy(bytes).into_owned());
    texts.collect()
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.path().is_file() {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

fn session_with_traffic(daemon: &Daemon, site: &Http) -> Outcome {
    let jail = Jail::on(daemon).connect("site.example:80", site.address());
    // The query comes over standard input, since a command's own arguments are recorded.
    let script = "curl -sSf http://site.example/a?token=$(cat); curl -s http://evil.example/";
    jail.stdin("hidden").shell(script).ok()
}

#[test]
fn a_session_is_recorded_from_preparation_to_end_in_order() {
    let daemon = Daemon::ephemeral();
    let site = Http::plain(|_| Response::ok("ok"));
    let outcome = session_with_traffic(&daemon, &site);
    let entries = daemon
        .sheriff(&["logs", "--json", outcome.session()])
        .ok()
        .json_lines();
    let kinds: Vec<&str> = entries
        .iter()
        .map(|entry| entry["kind"].as_str().unwrap())
        .collect();
    let place = |kind: &str| {
        let found = kinds.iter().position(|other| *other == kind);
        found.unwrap_or_else(|| panic!("no {kind} in {kinds:?}"))
    };
    let order = [
        "session.prepared",
        "session.started",
        "egress.decision",
        "egress.close",
        "session.ended",
    ];
    assert!(
        order.windows(2).all(|pair| place(pair[0]) < place(pair[1])),
        "{kinds:?}"
    );
    let sequence: Vec<u64> = entries
        .iter()
        .map(|entry| entry["seq"].as_u64().unwrap())
        .collect();
    assert!(sequence.is_sorted_by(|a, b| a < b), "{sequence:?}");
    let started = &entries[place("session.started")]["data"];
    assert!(started.to_string().contains("seccomp_hash"), "{started}");
    let verdicts: Vec<&Value> = entries
        .iter()
        .filter(|entry| entry["kind"] == "egress.decision")
        .map(|entry| &entry["data"]["verdict"])
        .collect();
    assert_eq!(verdicts, ["allow", "deny"]);
    assert!(!text_of(&daemon.audit()).contains("hidden"));
}

#[test]
fn a_decision_is_written_before_its_first_byte_leaves() {
    let daemon = Daemon::ephemeral();
    let folder = daemon.audit();
    let seen = Arc::new(Mutex::new(None));
    let found = Arc::clone(&seen);
    let site = Http::plain(move |_| {
        let text = text_of(&folder);
        let line = text
            .lines()
            .find(|line| line.contains("\"egress.decision\""))
            .map(str::to_owned);
        *found.lock().unwrap() = Some((line, text.contains("\"egress.close\"")));
        Response::ok("ok")
    });
    let jail = Jail::on(&daemon).connect("site.example:80", site.address());
    jail.shell("curl -sSf http://site.example/").ok();
    let (decision, closed) = seen.lock().unwrap().clone().unwrap();
    let decision = decision.expect("the server was reached before the decision was written");
    assert!(decision.contains("site.example"), "{decision}");
    assert!(!closed, "the close was written before the answer");
    assert!(text_of(&daemon.audit()).contains("\"egress.close\""));
}

#[test]
fn verification_passes_for_the_log_and_fails_for_every_kind_of_change() {
    let mut daemon = Daemon::standing();
    let site = Http::plain(|_| Response::ok("ok"));
    session_with_traffic(&daemon, &site);
    let folder = daemon.audit().display().to_string();
    daemon.sheriff(&["audit", "verify", "--dir", &folder]).ok();
    daemon.restart();
    session_with_traffic(&daemon, &site);
    daemon.stop();
    daemon.sheriff(&["audit", "verify", "--dir", &folder]).ok();
    let verify_after = |change: fn(&str) -> String| {
        let tampered = tempfile::tempdir().unwrap();
        copy(&daemon.audit(), tampered.path());
        let segment = fs::read_dir(tampered.path())
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let segment = segment
            .filter(|path| fs::read_to_string(path).is_ok_and(|t| t.contains("egress.decision")));
        let segment = segment.min().unwrap();
        let text = fs::read_to_string(&segment).unwrap();
        let changed = change(&text);
        assert_ne!(text, changed);
        fs::write(&segment, changed).unwrap();
        daemon
            .sheriff(&[
                "audit",
                "verify",
                "--dir",
                &tampered.path().display().to_string(),
            ])
            .code
    };
    let edit = verify_after(|text| text.replacen("evil.example", "good.example", 1));
    let cut = verify_after(|text| {
        let gone = text
            .lines()
            .position(|line| line.contains("egress.decision"));
        let kept = text.lines().enumerate().filter(|(at, _)| Some(*at) != gone);
        kept.map(|(_, line)| format!("{line}\n")).collect()
    });
    let insertion = verify_after(|text| {
        let twice = text.lines().flat_map(|line| {
            let count = if line.contains("session.ended") { 2 } else { 1 };
            std::iter::repeat_n(format!("{line}\n"), count)
        });
        twice.collect()
    });
    assert_eq!((edit, cut, insertion), (1, 1, 1));
}

#[test]
fn the_end_of_the_log_can_not_be_cut_off_unnoticed_while_the_daemon_runs() {
    let daemon = Daemon::standing();
    let site = Http::plain(|_| Response::ok("ok"));
    let outcome = session_with_traffic(&daemon, &site);
    let folder = daemon.audit().display().to_string();
    eventually("the newest entries are sealed", || {
        let report = daemon.json(&["audit", "verify", "--json", "--dir", &folder]);
        (report["unsealed"] == 0).then_some(())
    });
    let tampered = tempfile::tempdir().unwrap();
    copy(&daemon.audit(), tampered.path());
    let verify = ["audit", "verify", "--dir"];
    let path = tampered.path().display().to_string();
    daemon.sheriff(&[&verify[..], &[&path]].concat()).ok();
    for entry in fs::read_dir(tampered.path()).unwrap() {
        let segment = entry.unwrap().path();
        let text = fs::read_to_string(&segment).unwrap_or_default();
        let end = text
            .lines()
            .position(|line| line.contains("session.ended") && line.contains(outcome.session()));
        if let Some(end) = end {
            let kept = text.lines().take(end).map(|line| format!("{line}\n"));
            fs::write(&segment, kept.collect::<String>()).unwrap();
        }
    }
    let cut = daemon.sheriff(&[&verify[..], &[&path]].concat());
    assert_eq!(cut.code, 1, "{cut}");
}

#[test]
fn logs_of_a_session_that_never_was_are_an_error_and_not_silence() {
    let daemon = Daemon::shared();
    let nobody = daemon.sheriff(&["logs", "s-0000000000000000"]);
    assert_eq!(nobody.code, 1, "{nobody}");
    assert!(
        nobody.complaint().contains("s-0000000000000000"),
        "{nobody}"
    );
    let outcome = Jail::on(daemon).shell("true").ok();
    daemon.sheriff(&["logs", outcome.session()]).ok();
}
