//! What a daemon and its jails leave on the host when they are gone: nothing.
//!
//! Not for: deaths by force; those are crash stories.

use testkit::{Http, Response};

use crate::harness::{Daemon, Jail, Leftovers, PATIENCE};

#[test]
fn a_daemon_that_ends_takes_everything_along() {
    let mut daemon = Daemon::ephemeral();
    let name = daemon.name();
    let site = Http::plain(|_| Response::ok("ok"));
    let jail = Jail::on(&daemon).connect("site.example:80", site.address());
    jail.shell("curl -sSf http://site.example/").ok();
    let child = jail.start(&["/bin/bash", "-c", "echo ready; cat"]);
    child.await_text("ready", PATIENCE);
    let during = Leftovers::now().naming(&name);
    assert!(!during.is_empty(), "the probe sees nothing of {name}");
    daemon.stop();
    let state = child.wait(PATIENCE);
    assert_eq!(state.code(), 137, "{state}");
    Leftovers::await_none_naming(&name);
}

#[test]
fn a_jail_that_ends_leaves_neither_cgroup_nor_folder() {
    let daemon = Daemon::ephemeral();
    let before = Leftovers::now().naming(&daemon.name());
    let id = Jail::on(&daemon)
        .run(&["/bin/true"])
        .ok()
        .session()
        .to_owned();
    Leftovers::await_none_naming(&id);
    let after = Leftovers::now().naming(&daemon.name());
    let new = after.since(&before);
    assert!(
        new.iter().all(|line| line.starts_with("process")),
        "{new:?}"
    );
}

#[test]
fn jails_add_no_mounts_and_no_links_to_the_host() {
    let daemon = Daemon::ephemeral();
    let before = Leftovers::now();
    let jail = Jail::on(&daemon).scratch();
    let mut child = jail.start(&["/bin/bash", "-c", "echo ready; cat"]);
    child.await_text("ready", PATIENCE);
    let new = Leftovers::now().since(&before);
    child.close_input();
    child.wait(PATIENCE);
    let visible: Vec<_> = new
        .iter()
        .filter(|line| line.starts_with("mount") || line.starts_with("link"))
        .collect();
    assert!(visible.is_empty(), "{visible:?}");
    assert!(
        new.iter().any(|line| line.starts_with("process")),
        "{new:?}"
    );
}
