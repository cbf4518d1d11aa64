//! Death by force at any moment: office, warden, first process, agent. Nothing is left, nothing hangs.
//!
//! The moments are random and repeatable: each round's delay follows from a fixed seed, and a failed
//! round is named by its number.
//!
//! Not for: orderly ends (`leftovers`).

use std::fs;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use testkit::{Http, Response};

use crate::harness::{Child, Daemon, Jail, Leftovers, PATIENCE, eventually};

/// Jails that are built ahead are children of the warden too, and would be taken for a round's own;
/// the stories of `parked` kill those.
const UNPARKED: &str = "[jails]\nparked = 0\n";

/// Rounds for each victim.
const ROUNDS: u32 = 50;
/// Daemons among which the rounds of killed offices are divided.
const BATCHES: u32 = 10;
/// Latest moment after the start of `sheriff run` at which a victim dies.
const LATEST: Duration = Duration::from_millis(30);
/// How long a jail may outlive its warden.
const AFTERLIFE: Duration = Duration::from_secs(1);

/// Marsaglia's xorshift: moments that are the same in every run.
struct Moments(u64);

impl Moments {
    const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let latest = u64::try_from(LATEST.as_micros()).unwrap();
        Duration::from_micros(self.0 % latest)
    }
}

/// Children of a process with this name.
pub(crate) fn children(parent: u32, name: &str) -> Vec<u32> {
    let list = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"));
    let list = list.unwrap_or_default();
    let named = |pid: &u32| {
        let comm = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        name.is_empty() || comm.trim() == name
    };
    list.split_whitespace()
        .filter_map(|pid| pid.parse().ok())
        .filter(named)
        .collect()
}

/// Kills; true when the process was there to be killed.
pub(crate) fn kill(pid: u32) -> bool {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    kill_process(pid, Signal::KILL).is_ok()
}

fn signal(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

/// Whether it runs. One that waits for its new parent to ask for its exit status does not.
fn is_alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").map(|(_, rest)| rest.chars().next());
    !matches!(state, None | Some(Some('Z' | 'X')))
}

/// Waits for a random moment: the point of these rounds is that no event announces it.
fn wait_until(moment: Duration, since: Instant) {
    std::thread::sleep(moment.saturating_sub(since.elapsed()));
}

fn office(daemon: &Daemon) -> u32 {
    let warden = daemon.process().pid();
    eventually("an office", || {
        children(warden, "sheriff-office").first().copied()
    })
}

fn descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

/// Their number once the pool of cells is full, which nothing announces: it stays for half a second.
fn steady_descriptors(pid: u32) -> usize {
    let (mut last, mut since) = (descriptors(pid), Instant::now());
    while since.elapsed() < Duration::from_millis(500) {
        wait_until(Duration::from_millis(20), Instant::now());
        let now = descriptors(pid);
        if now != last {
            (last, since) = (now, Instant::now());
        }
    }
    last
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn start(daemon: &Daemon) -> (Jail, Child) {
    let jail = Jail::on(daemon);
    let child = jail.start(&["/bin/sleep", "30"]);
    (jail, child)
}

/// Runs rounds in one daemon, in which `victim` finds whom to kill; nothing may be left afterwards.
fn rounds(daemon: &Daemon, seed: u64, victim: impl Fn(u32) -> Option<u32>) -> u32 {
    let warden = daemon.process().pid();
    Jail::on(daemon).run(&["/bin/true"]).ok();
    let settled = || Leftovers::now().naming(&daemon.name());
    let before = settled();
    let open = steady_descriptors(warden);
    let (mut moments, mut hits) = (Moments::new(seed), 0);
    for round in 0..ROUNDS {
        let begun = Instant::now();
        let (_jail, child) = start(daemon);
        wait_until(moments.next(), begun);
        // A victim that is not born yet is awaited for a while: the command ends by force then, too.
        let end = begun + seconds(5);
        let found = loop {
            if let Some(pid) = victim(warden) {
                break Some(pid);
            }
            if Instant::now() > end || child.state().status.is_some() {
                break None;
            }
            std::thread::yield_now();
        };
        hits += u32::from(found.is_some_and(kill));
        let state = child.wait(seconds(10));
        assert!(
            matches!(state.code(), 125 | 137 | 143 | 255),
            "round {round}: {state}"
        );
    }
    // The pool is filled again in the background, so equality is what is awaited.
    settle(|| {
        let mut extra = lasting(&settled(), &before);
        let (now, inits) = (descriptors(warden), children(warden, "sheriff-init"));
        extra.extend((now > open).then(|| format!("{now} descriptors instead of {open}")));
        extra.extend((!inits.is_empty()).then(|| format!("first processes {inits:?}")));
        extra
    });
    Jail::on(daemon).run(&["/bin/true"]).ok();
    hits
}

#[test]
fn killed_agents_leave_nothing() {
    let daemon = Daemon::ephemeral_with(UNPARKED);
    let hits = rounds(&daemon, 0x5eed_0001, |warden| {
        let inits = children(warden, "sheriff-init");
        inits
            .first()
            .and_then(|init| children(*init, "").first().copied())
    });
    assert!(hits > ROUNDS / 2, "only {hits} agents were hit");
    end(daemon);
}

#[test]
fn killed_first_processes_take_their_jail_along_and_leave_nothing() {
    let daemon = Daemon::ephemeral_with(UNPARKED);
    let hits = rounds(&daemon, 0x5eed_0002, |warden| {
        children(warden, "sheriff-init").first().copied()
    });
    assert!(hits > ROUNDS / 2, "only {hits} first processes were hit");
    end(daemon);
}

#[test]
fn killed_offices_are_replaced_and_leave_nothing() {
    // The warden waits longer before each further office, so a daemon has only a few of them.
    for batch in 0..BATCHES {
        kill_offices_of_one_daemon(0x5eed_0003 + u64::from(batch));
    }
}

fn kill_offices_of_one_daemon(seed: u64) {
    let daemon = Daemon::standing_with(UNPARKED);
    let warden = daemon.process().pid();
    Jail::on(&daemon).run(&["/bin/true"]).ok();
    let before = Leftovers::now().naming(&daemon.name());
    let mut moments = Moments::new(seed);
    for round in 0..ROUNDS / BATCHES {
        let begun = Instant::now();
        let (_jail, child) = start(&daemon);
        wait_until(moments.next(), begun);
        let old = office(&daemon);
        assert!(kill(old), "round {round}");
        eventually("a new office", || {
            children(warden, "sheriff-office")
                .iter()
                .any(|pid| *pid != old)
                .then_some(())
        });
        drop(child);
        // Once the new office serves, a jail can be had again.
        eventually("a jail", || {
            (Jail::on(&daemon).run(&["/bin/true"]).code == 0).then_some(())
        });
        // Whatever the broken-off command left is ended, as an operator would.
        for init in children(warden, "sheriff-init") {
            kill(init);
        }
    }
    eventually("no process of a jail", || {
        children(warden, "sheriff-init").is_empty().then_some(())
    });
    settle(|| lasting(&Leftovers::now().naming(&daemon.name()), &before));
    end(daemon);
}

#[test]
fn killed_wardens_take_everything_along() {
    let mut moments = Moments::new(0x5eed_0004);
    for round in 0..ROUNDS {
        let daemon = Daemon::ephemeral();
        let name = daemon.name();
        let begun = Instant::now();
        let (_jail, child) = start(&daemon);
        wait_until(moments.next(), begun);
        assert!(kill(daemon.process().pid()), "round {round}");
        settle(|| {
            let left = Leftovers::now().naming(&name);
            let log = if left.is_empty() {
                None
            } else {
                Some(format!("{left:?} {}", daemon.log()))
            };
            log.into_iter().collect()
        });
        // A command that had not found the daemon yet is in a jail of its own daemon now.
        child.signal(Signal::TERM);
        let state = child.wait(seconds(10));
        assert_ne!(state.code(), 0, "round {round}: {state}");
    }
}

/// Fetches at its caller's bidding, one line of input for each, and says what came of it.
const FETCHER: &str = "
def fetch(patience):
    try:
        s = proxy(); s.settimeout(patience)
        s.sendall(b'GET http://site.example/ HTTP/1.1\\r\\nHost: site.example\\r\\nConnection: close\\r\\n\\r\\n')
        return everything(s).endswith(b'served')
    except OSError: return False
print('first', fetch(20), os.environ['SHERIFF_SESSION'], '.', flush=True)
sys.stdin.readline()
print('offline', not fetch(1), '.', flush=True)
sys.stdin.readline()
t = time.monotonic()
while not fetch(2): assert time.monotonic() - t < 30
print('again True .', flush=True)
sys.stdin.readline()
";

/// A server, a jail that has fetched from it once, and its session's id.
fn fetching(daemon: &Daemon) -> (Http, Jail, Child, String) {
    let site = Http::plain(|_| Response::ok("served"));
    let jail = Jail::on(daemon).connect("site.example:80", site.address());
    let child = jail.start_python(FETCHER);
    let text = child.await_text(" .", PATIENCE);
    assert!(text.contains("first True"), "{text}");
    let id = text.split_whitespace().nth(2).unwrap().to_owned();
    (site, jail, child, id)
}

#[test]
fn an_office_that_dies_takes_the_network_and_gives_it_back_to_the_same_session() {
    let daemon = Daemon::standing_with(UNPARKED);
    let (site, _jail, mut child, id) = fetching(&daemon);
    let warden = daemon.process().pid();
    let agent = children(children(warden, "sheriff-init")[0], "")[0];
    // Without the warden's help there is no other office, so what is offline stays offline.
    signal(warden, Signal::STOP);
    assert!(kill(office(&daemon)));
    child.send("\n");
    child.await_text("offline True", PATIENCE);
    assert_eq!(site.requests().len(), 1);
    assert!(is_alive(agent), "the agent died with the office");
    signal(warden, Signal::CONT);
    child.send("\n");
    child.await_text("again True", PATIENCE);
    let inspected = daemon.json(&["inspect", "--json", &id]);
    assert_eq!(inspected["session"], id.as_str(), "{inspected}");
    assert!(is_alive(agent), "the agent died with the office");
    child.send("\n");
}

#[test]
fn counters_of_a_session_outlive_their_office_but_for_the_last_second() {
    let daemon = Daemon::standing_with(UNPARKED);
    let (site, _jail, mut child, id) = fetching(&daemon);
    let up = || {
        daemon.json(&["inspect", "--json", &id])["egress"]["bytes_up"]
            .as_u64()
            .unwrap()
    };
    let before = up();
    assert_eq!(before, site.traffic().received());
    // Meters are written down every second; traffic of the last one may be forgotten.
    wait_until(Duration::from_millis(1500), Instant::now());
    let old = office(&daemon);
    assert!(kill(old));
    eventually("a new office", || {
        let new = children(daemon.process().pid(), "sheriff-office");
        let known = new.iter().any(|pid| *pid != old);
        (known && daemon.sheriff(&["inspect", &id]).code == 0).then_some(())
    });
    let after = up();
    child.send("\n\n\n");
    // More may have come since; less must not.
    assert!(
        after >= before,
        "{before} bytes were counted, {after} are remembered"
    );
}

#[test]
fn a_command_line_that_loses_its_office_tells_the_truth_about_its_jail() {
    let daemon = Daemon::standing_with(UNPARKED);
    let (_site, _jail, child, _id) = fetching(&daemon);
    let agent = children(children(daemon.process().pid(), "sheriff-init")[0], "")[0];
    assert!(kill(office(&daemon)));
    let said = || String::from_utf8_lossy(&child.state().stderr).into_owned();
    let deadline = Instant::now() + seconds(5);
    while is_alive(agent) && Instant::now() < deadline {
        wait_until(Duration::from_millis(20), Instant::now());
    }
    // It may stay with its jail, or say that it leaves it; it must not report an end that is none.
    let left = child.state().status.is_some() && !said().contains("goes on without this client");
    assert!(
        !(left && is_alive(agent)),
        "the jail goes on, and its command line said: {}",
        said()
    );
}

#[test]
fn jails_end_within_a_second_of_their_warden_and_the_undertaker_clears_up() {
    let daemon = Daemon::ephemeral_with(UNPARKED);
    let name = daemon.name();
    let jail = Jail::on(&daemon);
    let script = "trap '' TERM INT HUP; for i in 1 2 3; do setsid sleep 60 & done; echo ready; wait; sleep 60";
    let child = jail.start(&["/bin/bash", "-c", script]);
    child.await_text("ready", PATIENCE);
    let warden = daemon.process().pid();
    let init = children(warden, "sheriff-init")[0];
    assert!(!Leftovers::now().naming(&name).is_empty());
    assert!(kill(warden));
    let killed = Instant::now();
    eventually("the end of the jail", || (!is_alive(init)).then_some(()));
    assert!(killed.elapsed() < AFTERLIFE, "{:?}", killed.elapsed());
    Leftovers::await_none_naming(&name);
    assert_ne!(child.wait(PATIENCE).code(), 0);
}

/// What is new and no process: processes come and go with the pool.
fn lasting(now: &Leftovers, before: &Leftovers) -> Vec<String> {
    let new = now.since(before).into_iter();
    new.filter(|line| !line.starts_with("process")).collect()
}

/// Waits until nothing is left, or fails with what is.
fn settle(mut look: impl FnMut() -> Vec<String>) {
    let deadline = Instant::now() + seconds(15);
    loop {
        let left = look();
        if left.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "left: {left:#?}");
        wait_until(Duration::from_millis(20), Instant::now());
    }
}

/// Ends the daemon and makes sure that nothing names it any more.
fn end(mut daemon: Daemon) {
    let name = daemon.name();
    daemon.stop();
    Leftovers::await_none_naming(&name);
}
