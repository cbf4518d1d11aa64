//! Exit codes of `sheriff run`, each with the reason in the report.
//!
//! Not for: limits other than as causes of an end (`limits`).

use rustix::process::Signal;

use crate::harness::{Daemon, Jail, Outcome, PATIENCE};

#[track_caller]
fn ended(outcome: Outcome, code: i32, reason: &str) -> Outcome {
    let outcome = outcome.ended_with(code);
    assert_eq!(outcome.report["exit"]["reason"], reason, "{outcome}");
    assert_eq!(outcome.report["exit"]["code"], code, "{outcome}");
    outcome
}

#[test]
fn the_commands_own_code_is_passed_on() {
    for code in [0, 1, 42, 125, 255] {
        let script = format!("exit {code}");
        ended(Jail::new().shell(&script), code, "exited");
    }
}

#[test]
fn a_missing_program_is_127_and_one_that_cannot_run_126() {
    ended(Jail::new().run(&["/bin/true"]), 0, "exited");
    ended(Jail::new().run(&["no-such-program"]), 127, "not_found");
    ended(Jail::new().run(&["/no/such/program"]), 127, "not_found");
    ended(Jail::new().run(&["/etc/passwd"]), 126, "not_executable");
    ended(Jail::new().run(&["/usr"]), 126, "not_executable");
}

#[test]
fn a_signal_is_128_and_its_number() {
    for (name, number) in [("TERM", 15), ("SEGV", 11), ("KILL", 9)] {
        let script = format!("kill -{name} $$");
        ended(Jail::new().shell(&script), 128 + number, "signalled");
    }
}

#[test]
fn running_out_of_memory_is_137_with_the_reason_said() {
    let jail = Jail::new().limit("memory=128MiB");
    let outcome = ended(jail.python("x = b'x' * (512 << 20)"), 137, "memory");
    assert!(outcome.complaint().contains("memory"), "{outcome}");
    let outcome = ended(jail.python("x = b'x' * (16 << 20)"), 0, "exited");
    assert!(!outcome.complaint().contains("memory"), "{outcome}");
}

#[test]
fn running_out_of_time_is_124() {
    let outcome = ended(
        Jail::new().timeout("1s").run(&["sleep", "600"]),
        124,
        "timeout",
    );
    let took = outcome.counter("/duration_ms");
    assert!((900..10_000).contains(&took), "{took} ms");
    ended(Jail::new().timeout("1h").run(&["sleep", "0"]), 0, "exited");
}

#[test]
fn what_fails_before_the_start_is_125_and_names_the_thing() {
    let cases: [(Jail, &str); 8] = [
        (Jail::new().profile("no-such-profile"), "no-such-profile"),
        (Jail::new().limit("memory=lots"), "memory"),
        (Jail::new().limit("no_such_limit=1"), "no_such_limit"),
        (
            Jail::new().workspace("/no/such/folder".as_ref()),
            "/no/such/folder",
        ),
        (Jail::new().workspace("/etc/passwd".as_ref()), "/etc/passwd"),
        (Jail::new().allow("*.com"), "*.com"),
        (Jail::new().timeout("0s"), "--timeout"),
        (Jail::new().env("A B", "x"), "A B"),
    ];
    for (jail, name) in cases {
        let outcome = jail.shell("echo started").ended_with(125);
        assert_eq!(outcome.text(), "", "{outcome}");
        assert!(outcome.complaint().contains(name), "{name}: {outcome}");
    }
    Jail::new().shell("echo started").ok();
}

#[test]
fn system_folders_are_no_workspaces() {
    for folder in ["/", "/etc", "/usr", "/proc", "/sys/fs/cgroup"] {
        let jail = Jail::new().workspace(folder.as_ref());
        let outcome = jail.run(&["/bin/true"]).ended_with(125);
        assert!(outcome.complaint().contains("workspace"), "{outcome}");
    }
    Jail::new().scratch().run(&["/bin/true"]).ok();
}

#[test]
fn a_command_without_a_daemon_brings_its_own_and_takes_it_along() {
    let outcome = Jail::alone().shell("echo in; exit 3").ended_with(3);
    assert_eq!(outcome.text(), "in");
    assert!(outcome.report["layers"]["no_new_privs"].as_bool().unwrap());
}

#[test]
fn a_signal_to_the_client_reaches_the_command() {
    // From its first word on, the command has started; so each round is a chance to be too early.
    for _round in 0..10 {
        let jail = Jail::on(Daemon::shared());
        let script = "trap 'echo caught; exit 7' TERM; echo ready; while :; do sleep 0.05; done";
        let child = jail.start(&["/bin/bash", "-c", script]);
        child.await_text("ready", PATIENCE);
        child.signal(Signal::TERM);
        let state = child.wait(PATIENCE);
        assert_eq!(state.code(), 7, "{state}");
        assert_eq!(state.stdout, b"ready\ncaught\n", "{state}");
    }
}
