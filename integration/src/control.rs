//! The operator's commands against living jails: ps, inspect, logs, exec, pause, kill, egress.
//!
//! Not for: the audit log as such (`audit`).

use serde_json::Value;
use testkit::{Http, Response};

use crate::harness::{Child, Daemon, Jail, PATIENCE, eventually};

/// A jail that says its session id and then waits for its input's end.
fn waiting(daemon: &Daemon) -> (Jail, Child, String) {
    let jail = Jail::on(daemon);
    let child = jail.start(&["/bin/bash", "-c", "echo id=$SHERIFF_SESSION.; cat"]);
    let id = id_of(&child);
    let running = || {
        let list = daemon.json(&["ps", "--json"]);
        let mut sessions = list["sessions"].as_array()?.iter();
        let line = sessions.find(|line| line["session"] == id.as_str())?;
        (line["state"] == "running").then_some(())
    };
    eventually("a jail that runs", running);
    (jail, child, id)
}

/// The id that a command said as `id=ID.`.
fn id_of(child: &Child) -> String {
    let text = child.await_text(".", PATIENCE);
    let id = text.trim().trim_start_matches("id=");
    id.trim_end_matches('.').to_owned()
}

#[test]
fn a_command_that_has_spoken_is_running_and_can_be_joined() {
    let daemon = Daemon::ephemeral();
    for _round in 0..10 {
        let jail = Jail::on(&daemon);
        let child = jail.start(&["/bin/bash", "-c", "echo id=$SHERIFF_SESSION.; cat"]);
        let id = id_of(&child);
        daemon.sheriff(&["exec", &id, "--", "/bin/true"]).ok();
        daemon.sheriff(&["kill", &id]).ok();
        child.wait(PATIENCE);
    }
}

#[test]
fn ps_and_inspect_show_a_living_jail_and_no_dead_one() {
    let daemon = Daemon::ephemeral();
    assert_eq!(
        daemon.json(&["ps", "--json"])["sessions"],
        Value::Array(vec![])
    );
    let (_jail, mut child, id) = waiting(&daemon);
    let list = daemon.json(&["ps", "--json"]);
    assert_eq!(list["sessions"][0]["session"], id.as_str(), "{list}");
    assert_eq!(list["sessions"][0]["state"], "running", "{list}");
    let detail = daemon.json(&["inspect", "--json", &id]);
    assert_eq!(detail["layers"]["seccomp_mode"], 2, "{detail}");
    assert_eq!(detail["operator_uid"], 0, "{detail}");
    assert!(daemon.sheriff(&["ps"]).ok().text().contains(&id));
    child.close_input();
    assert_eq!(child.wait(PATIENCE).code(), 0);
    assert_eq!(
        daemon.json(&["ps", "--json"])["sessions"],
        Value::Array(vec![])
    );
    assert_ne!(daemon.sheriff(&["inspect", &id]).code, 0);
}

#[test]
fn exec_enters_the_same_jail_with_its_own_code_and_no_more_rights() {
    let daemon = Daemon::ephemeral();
    let (_jail, mut child, id) = waiting(&daemon);
    let script = "grep -h ^NoNewPrivs /proc/self/status | tr -d '\\t'; grep ^Seccomp: /proc/self/status | tr -d '\\t'; \
                  readlink /proc/self/ns/net; readlink /proc/1/ns/net 2>/dev/null; cat /proc/*/comm | sort -u | tr '\\n' ' '; exit 9";
    let outcome = daemon
        .sheriff(&["exec", &id, "--", "/bin/sh", "-c", script])
        .ended_with(9);
    let text = outcome.text();
    assert!(text.starts_with("NoNewPrivs:1\nSeccomp:2\n"), "{outcome}");
    let detail = daemon.json(&["inspect", "--json", &id]);
    let net = format!("net:[{}]", detail["layers"]["namespaces"]["net"]);
    assert!(text.contains(&net), "{net} {outcome}");
    assert!(
        text.contains("cat"),
        "the jail's own process is not there: {outcome}"
    );
    daemon
        .sheriff(&["exec", &id, "--", "no-such-program"])
        .ended_with(127);
    child.close_input();
    assert_eq!(child.wait(PATIENCE).code(), 0);
    assert_ne!(daemon.sheriff(&["exec", &id, "--", "/bin/true"]).code, 0);
}

#[test]
fn kill_ends_a_jail_that_ignores_everything() {
    let daemon = Daemon::ephemeral();
    let jail = Jail::on(&daemon);
    let script = "trap '' TERM INT HUP; echo id=$SHERIFF_SESSION.; while :; do sleep 1; done";
    let child = jail.start(&["/bin/bash", "-c", script]);
    let id = id_of(&child);
    let killed = daemon.json(&["kill", "--json", &id]);
    assert_eq!(
        (&killed["session"], &killed["state"]),
        (&id.as_str().into(), &"killed".into())
    );
    assert_eq!(child.wait(PATIENCE).code(), 137);
    let report: Value = serde_json::from_slice(&std::fs::read(jail.report()).unwrap()).unwrap();
    assert_eq!(report["exit"]["reason"], "killed", "{report}");
    assert_ne!(daemon.sheriff(&["kill", &id]).code, 0);
}

#[test]
fn pause_freezes_a_jail_and_resume_lets_it_go_on() {
    let daemon = Daemon::ephemeral();
    let (_jail, mut child, id) = waiting(&daemon);
    let state = || daemon.json(&["ps", "--json"])["sessions"][0]["state"].clone();
    daemon.sheriff(&["pause", &id]).ok();
    assert_eq!(state(), "paused");
    child.send("while frozen\n");
    daemon.sheriff(&["resume", &id]).ok();
    assert_eq!(state(), "running");
    child.await_text("while frozen", PATIENCE);
    child.close_input();
    assert_eq!(child.wait(PATIENCE).code(), 0);
}

#[test]
fn egress_tail_and_why_tell_the_story_of_a_denial() {
    let daemon = Daemon::ephemeral();
    let site = Http::plain(|_| Response::ok("ok"));
    let jail = Jail::on(&daemon).connect("site.example:80", site.address());
    let script =
        "curl -sSf -o /dev/null http://site.example/path?query=1; curl -s http://evil.example/";
    let outcome = jail.shell(script).ok();
    let denial = outcome.json();
    let id = denial["id"].as_str().unwrap();
    let events = daemon
        .sheriff(&["egress", "tail", "--json"])
        .ok()
        .json_lines();
    let count = |phase: &str| {
        events
            .iter()
            .filter(|event| event["phase"] == phase)
            .count()
    };
    assert_eq!(count("decision"), 2, "{events:?}");
    let allowed = events
        .iter()
        .find(|event| event["phase"] == "close" && event["verdict"] == "allow");
    let allowed = allowed.unwrap_or_else(|| panic!("{events:?}"));
    assert_eq!(allowed["bytes_up"], site.traffic().received());
    assert_eq!(allowed["bytes_down"], site.traffic().sent());
    assert_eq!(allowed["path"], "/path");
    assert!(events.iter().any(|event| event["id"] == id));
    let why = daemon.sheriff(&["egress", "why", id]).ok();
    assert!(why.text().contains("evil.example"), "{why}");
    assert_ne!(
        daemon
            .sheriff(&["egress", "why", "e-0000000000000000"])
            .code,
        0
    );
}

#[test]
fn the_meter_moves_while_a_transfer_runs() {
    let daemon = Daemon::ephemeral();
    let pause = std::time::Duration::from_millis(100);
    let site = testkit::events::serve(None, 100, pause);
    let jail = Jail::on(&daemon).connect("live.example:80", site.address());
    let child = jail.start(&["/bin/bash", "-c", "curl -sN http://live.example/"]);
    let down = || daemon.json(&["ps", "--json"])["sessions"][0]["bytes_down"].as_u64();
    let first = eventually("bytes on the meter", || down().filter(|bytes| *bytes > 0));
    eventually("more bytes", || down().filter(|bytes| *bytes > first));
    assert!(
        child.state().status.is_none(),
        "the transfer was over too soon to tell"
    );
    let id = daemon.json(&["ps", "--json"])["sessions"][0]["session"]
        .as_str()
        .unwrap()
        .to_owned();
    daemon.sheriff(&["stop", &id]).ok();
    child.wait(PATIENCE);
}
