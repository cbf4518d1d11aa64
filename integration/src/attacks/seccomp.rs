//! Refused system calls as a weapon: against the office that hears of them, and so against other jails.
//!
//! Not for: what is refused (`syscalls`), nor for how refusals are shown (`denials`).

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::harness::{Daemon, Jail, PATIENCE, eventually};

/// Jails that make their noise at once. Each may tell of 64 calls at once, and the channel to the
/// office holds fewer than 300 messages.
const JAILS: usize = 7;

/// Waits for a sign, makes noise, says so, and waits for another sign.
const NOISE: &str = "
import ctypes, os, time
LIBC = ctypes.CDLL(None)
PTRACE = 101 if os.uname().machine == 'x86_64' else 117
while not os.path.exists('go'): time.sleep(0.01)
for i in range(400): LIBC.syscall(ctypes.c_ulong(PTRACE), ctypes.c_ulong(0x4200))
open('made', 'w')
while not os.path.exists('end'): time.sleep(0.01)";

fn office(daemon: &Daemon) -> u32 {
    let warden = daemon.process().pid();
    let list = format!("/proc/{warden}/task/{warden}/children");
    eventually("an office", || {
        let list = fs::read_to_string(&list).unwrap_or_default();
        let pids = list.split_whitespace().filter_map(|pid| pid.parse().ok());
        let named = |pid: &u32| {
            let comm = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            comm.trim() == "sheriff-office"
        };
        pids.into_iter().find(named)
    })
}

fn signal(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

/// Waits until a process has had nothing to do for a while, which nothing announces.
fn settles(pid: u32) {
    let used = || {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let fields = stat.rsplit_once(") ").unwrap().1.to_owned();
        let times: Vec<String> = fields
            .split(' ')
            .skip(11)
            .take(2)
            .map(str::to_owned)
            .collect();
        times
    };
    let (mut last, mut since) = (used(), Instant::now());
    while since.elapsed() < Duration::from_millis(500) {
        std::thread::sleep(Duration::from_millis(20));
        let now = used();
        if now != last {
            (last, since) = (now, Instant::now());
        }
    }
}

fn appears(path: &Path) {
    eventually(&path.display().to_string(), || path.exists().then_some(()));
}

#[test]
fn noise_that_an_office_has_no_time_for_is_counted_and_costs_nobody_the_office() {
    let daemon = Daemon::ephemeral();
    let jails: Vec<_> = (0..JAILS).map(|_| Jail::on(&daemon).scratch()).collect();
    let children: Vec<_> = jails
        .iter()
        .map(|jail| jail.start(&["/usr/bin/python3", "-c", NOISE]))
        .collect();
    eventually("all sessions", || {
        let sessions = daemon.json(&["ps", "--json"]);
        let running = sessions.to_string().matches("\"running\"").count();
        (running >= JAILS).then_some(())
    });
    let office_before = office(&daemon);
    signal(office_before, Signal::STOP);
    for jail in &jails {
        fs::write(jail.path("go"), "").unwrap();
    }
    for jail in &jails {
        appears(&jail.path("made"));
    }
    settles(daemon.process().pid());
    signal(office_before, Signal::CONT);
    for jail in &jails {
        fs::write(jail.path("end"), "").unwrap();
    }
    for child in &children {
        let state = child.wait(PATIENCE);
        assert_eq!(state.code(), 0, "{state}");
    }
    assert_eq!(office(&daemon), office_before, "{}", daemon.log());
    // It goes on as before, and no call is missing in the counts.
    for (jail, name) in jails.iter().zip(1..) {
        let report = fs::read_to_string(jail.report()).unwrap_or_default();
        assert!(
            report.contains("\"syscalls_denied\":400")
                || report.contains("\"syscalls_denied\": 400"),
            "{name}: {report}"
        );
    }
    Jail::on(&daemon).run(&["/bin/true"]).ok();
}
