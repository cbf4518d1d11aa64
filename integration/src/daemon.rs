//! What the daemon keeps to itself: the modes of its folders and sockets, and the form of its log.
//!
//! Not for: what it does for jails.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::harness::{Child, Daemon, Jail, PATIENCE, binary};

/// Mode and owner of a file.
fn owned(path: &Path) -> (u32, u32) {
    let metadata = fs::metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    (metadata.permissions().mode() & 0o7777, metadata.uid())
}

#[test]
fn folders_and_sockets_have_tight_modes_and_a_member_of_the_group_gets_in() {
    let daemon = Daemon::standing();
    let runtime = daemon.runtime();
    assert_eq!(owned(runtime), (0o711, 0));
    for socket in ["attach.sock", "control.sock"] {
        let path = runtime.join(socket);
        assert_eq!(owned(&path).0, 0o660, "{socket}");
        let group = fs::metadata(&path).unwrap().gid();
        assert_ne!(group, 0, "{socket} is the operators'");
    }
    let state = runtime.with_file_name("state");
    assert_eq!(owned(&state).0 & 0o066, 0, "{:o}", owned(&state).0);
    assert_eq!(owned(&state.join("office")).0, 0o700);
    // Positive control: root, an operator, is served over these very sockets.
    Jail::on(&daemon).run(&["/bin/true"]).ok();
}

#[test]
fn the_log_is_text_on_a_terminal_and_json_lines_elsewhere() {
    let daemon = Daemon::ephemeral();
    let log = daemon.log();
    assert!(log.contains("sheriffd is up"), "{log}");
    for line in log.lines() {
        let parsed: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(parsed["fields"]["message"].is_string(), "{line}");
    }
    // `script` gives the daemon a terminal; nobody reads the ready line, and TERM ends it.
    let command = format!(
        "timeout -s TERM 2 {} --ephemeral",
        binary("sheriffd").display()
    );
    let child = Child::start(
        Command::new("script")
            .args(["-qec", &command, "/dev/null"])
            .stdin(Stdio::null()),
    );
    let said = child.wait(PATIENCE).to_string();
    let up = said.lines().find(|line| line.contains("sheriffd is up"));
    assert!(
        up.is_some_and(|line| !line.trim_start().starts_with('{')),
        "{said}"
    );
}
