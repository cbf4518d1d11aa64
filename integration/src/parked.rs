//! Jails built ahead of their launch: used by the next one, gone after a reload or the daemon's death.
//!
//! Not for: what such a jail is while it waits; that is tested in the crate `jail`.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};

use crate::harness::{Daemon, Jail, Leftovers, eventually};

/// How many are parked by default.
const PARKED: usize = 4;

#[test]
fn parked_jails_are_used_and_replaced_and_do_not_outlive_a_reload() {
    let daemon = Daemon::ephemeral();
    let first = warmed_up(&daemon);
    Jail::on(&daemon).run(&["/bin/true"]).ok();
    let second = await_parked(&daemon, |now| now.iter().any(|name| !first.contains(name)));
    let kept = first.iter().filter(|name| second.contains(name)).count();
    assert_eq!(kept, PARKED - 1, "{first:?} {second:?}");
    daemon.process().signal(Signal::HUP);
    await_parked(&daemon, |now| now.iter().all(|name| !second.contains(name)));
    Jail::on(&daemon).run(&["/bin/true"]).ok();
}

#[test]
fn killed_parked_jails_do_not_harm_the_next_launch() {
    let daemon = Daemon::ephemeral();
    let names = warmed_up(&daemon);
    // All are found before the first dies: the daemon clears the others away when one does.
    let found: Vec<Pid> = names.iter().flat_map(|name| processes(name)).collect();
    assert_eq!(found.len(), PARKED);
    for process in found {
        match kill_process(process, Signal::KILL) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => {}
            Err(error) => panic!("{error}"),
        }
    }
    Jail::on(&daemon).run(&["/bin/true"]).ok();
}

#[test]
fn parked_jails_do_not_outlive_a_killed_daemon() {
    let daemon = Daemon::ephemeral();
    warmed_up(&daemon);
    let name = daemon.name();
    daemon.process().signal(Signal::KILL);
    Leftovers::await_none_naming(&name);
}

/// A private daemon parks nothing before it has been used twice.
fn warmed_up(daemon: &Daemon) -> Vec<String> {
    let jail = Jail::on(daemon);
    jail.run(&["/bin/true"]).ok();
    jail.run(&["/bin/true"]).ok();
    await_parked(daemon, |_any| true)
}

/// Names of all parked jails once there are enough of them and they are as wanted.
fn await_parked(daemon: &Daemon, wanted: impl Fn(&[String]) -> bool) -> Vec<String> {
    eventually("parked jails", || {
        let entries = fs::read_dir(daemon.runtime().join("sessions")).unwrap();
        let names = entries.flatten().map(|entry| entry.file_name());
        let names: Vec<_> = names.map(|name| name.display().to_string()).collect();
        (names.len() == PARKED && wanted(&names)).then_some(names)
    })
}

/// The processes in the cgroup of this name.
fn processes(name: &str) -> Vec<Pid> {
    let pids = fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let groups = fs::read_to_string(entry.path().join("cgroup")).ok()?;
            groups.contains(name).then(|| Pid::from_raw(pid))?
        });
    pids.collect()
}
