//! Refused system calls, from the jail to a reader's screen.
//!
//! Not for: what the profiles refuse (`layers`, `crates/seccomp`).

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::harness::{Daemon, Jail, Outcome, PATIENCE, eventually};

const CALLS: &str = "
import ctypes, errno, os, threading, time
LIBC = ctypes.CDLL(None, use_errno=True)
def call(*numbers):
    done = LIBC.syscall(*[ctypes.c_ulong(n) for n in numbers])
    return 'ok' if done != -1 else errno.errorcode[ctypes.get_errno()]
MOUNT, BPF, PTRACE, GETPID, UMASK = (
    (165, 321, 101, 39, 95) if os.uname().machine == 'x86_64' else (40, 280, 117, 172, 166))
";

fn python(jail: &Jail, script: &str) -> Outcome {
    jail.run(&["/usr/bin/python3", "-c", &format!("{CALLS}{script}")])
}

fn entries(daemon: &Daemon, session: &str, kind: &str) -> Vec<Value> {
    let lines = daemon
        .sheriff(&["logs", "--json", session])
        .ok()
        .json_lines();
    lines
        .into_iter()
        .filter(|entry| entry["kind"] == kind)
        .collect()
}

fn verify(daemon: &Daemon) {
    let folder = daemon.audit().display().to_string();
    daemon.sheriff(&["audit", "verify", "--dir", &folder]).ok();
}

/// The line of the shipped profile that a rule names, which must name the call.
fn line_of(rule: &str) -> String {
    let (file, line) = rule.rsplit_once(':').unwrap();
    let file = file.strip_prefix("shipped:").unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let text = fs::read_to_string(root.join("profiles").join(file)).unwrap();
    let line: usize = line.parse().unwrap();
    text.lines().nth(line - 1).unwrap().to_owned()
}

#[test]
fn logs_show_refused_calls_with_their_reason_and_the_line_to_change() {
    let daemon = Daemon::ephemeral();
    let script = "print(call(MOUNT, 1, 2, 3, 0x1000, 0), call(BPF, 5), call(PTRACE, 16, 1), call(GETPID), call(UMASK, 0o22))";
    let outcome = python(&Jail::on(&daemon), script).ok();
    assert_eq!(outcome.text(), "EPERM EPERM EPERM ok ok");
    assert_eq!(outcome.counter("/syscalls_denied"), 3);
    let found = entries(&daemon, outcome.session(), "syscall.denied");
    let names: Vec<&str> = found
        .iter()
        .map(|entry| entry["data"]["syscall"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["mount", "bpf", "ptrace"]);
    for (entry, name) in found.iter().zip(names) {
        let data = &entry["data"];
        assert_eq!(entry["principal"], format!("agent:{}", outcome.session()));
        assert_eq!(
            (&data["errno"], &data["suppressed"]),
            (&"EPERM".into(), &0.into())
        );
        assert_eq!(data["profile"], "agent");
        assert_ne!(data["why"], "");
        let line = line_of(data["rule"].as_str().unwrap());
        assert!(line.contains(&format!("\"{name}\"")), "{line}");
    }
    assert_eq!(found[0]["data"]["args"][3], "0x1000");
    assert!(
        found[0]["data"]["cves"]
            .to_string()
            .contains("CVE-2022-0185")
    );
    let ended = &entries(&daemon, outcome.session(), "session.ended")[0];
    assert_eq!(ended["data"]["syscalls_denied"], 3);

    let shown = daemon.sheriff(&["logs", outcome.session()]).ok().text();
    let rule = found[1]["data"]["rule"].as_str().unwrap();
    let line = shown
        .lines()
        .find(|line| line.contains("denied bpf("))
        .unwrap();
    assert!(
        line.contains("bpf(cmd=5, ") && line.contains(") EPERM: "),
        "{line}"
    );
    assert!(line.contains(&format!("[profile {rule}]")), "{line}");
    verify(&daemon);
}

/// A profile under which `mincore` is fatal, and a jail profile that names it.
fn fatal_profile(daemon: &mut Daemon) {
    let seccomp = "version = 1\nname = \"fatal\"\ndescription = \"d\"\nextends = \"agent\"\n\
        [[deny]]\nwhy = \"a trap for tests\"\ncalls = [\"mincore\"]\nkill = true\n";
    let jail =
        "version = 1\nname = \"fatal\"\nextends = \"coder\"\n[seccomp]\nprofile = \"fatal\"\n";
    for (kind, text) in [("seccomp", seccomp), ("jail", jail)] {
        let folder = daemon.profiles().join(kind);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("fatal.toml"), text).unwrap();
    }
    daemon.restart();
}

/// Children that deafen themselves and make one call each: a plain one, `getpid` through the 32-bit door, one of
/// x32, and one that the profile makes fatal.
#[cfg(target_arch = "x86_64")]
const FATAL: &str = "
import mmap, signal
code = mmap.mmap(-1, 4096, prot=7)
# mov eax, 20; int 0x80; ret: getpid through the 32-bit door
code.write(bytes.fromhex('b814000000cd80c3'))
door = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))
def ended(body):
    child = os.fork()
    if child == 0:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        body()
        os._exit(7)
    status = os.waitpid(child, 0)[1]
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 'exit %d' % os.WEXITSTATUS(status)
print(*[ended(body) for body in (
    lambda: call(GETPID), door, lambda: call(GETPID | 0x40000000, 5), lambda: call(27, 1))])";

#[test]
#[cfg(target_arch = "x86_64")]
fn fatal_calls_end_their_process_and_are_shown_with_the_profile_to_change() {
    let mut daemon = Daemon::standing();
    fatal_profile(&mut daemon);
    let jail = Jail::on(&daemon).profile("fatal");
    let outcome = python(&jail, FATAL).ok();
    assert_eq!(outcome.text(), "exit 7 9 9 9", "{outcome}");
    let found = entries(&daemon, outcome.session(), "syscall.denied");
    let found: Vec<&Value> = found.iter().map(|entry| &entry["data"]).collect();
    let told: Vec<_> = found
        .iter()
        .map(|data| {
            (
                data["arch"].as_str().unwrap(),
                data["syscall"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(told, [("i386", "20"), ("x32", "39"), ("x86_64", "mincore")]);
    for (data, place) in found
        .iter()
        .zip(["fatal.toml", "fatal.toml", "fatal.toml:7"])
    {
        assert_eq!(
            (&data["action"], &data["errno"]),
            (&"kill".into(), &Value::Null)
        );
        let rule = data["rule"].as_str().unwrap();
        assert!(rule.ends_with(place), "{rule}");
    }
    let shown = daemon.sheriff(&["logs", outcome.session()]).ok().text();
    for line in [
        "denied i386 20(",
        "denied x32 39(0x5, ",
        "denied mincore(start=1, ",
    ] {
        let line = shown.lines().find(|shown| shown.contains(line));
        assert!(
            line.is_some_and(|line| line.contains(") kill: ")),
            "{shown}"
        );
    }
    // The command itself: SIGSYS, as the kernel would have it.
    let outcome = python(&jail, "call(27, 1)");
    assert_eq!(outcome.code, 159, "{outcome}");
    assert_eq!(
        entries(&daemon, outcome.session(), "syscall.denied").len(),
        1
    );
    verify(&daemon);
}

#[test]
fn a_call_that_programs_try_as_a_matter_of_course_is_no_event() {
    let daemon = Daemon::ephemeral();
    let script = "import asyncio, subprocess\nsubprocess.run(['true'])\nprint(call(435, 0, 0))\ncall(PTRACE)";
    let outcome = python(&Jail::on(&daemon), script).ok();
    assert_eq!(outcome.text(), "ENOSYS");
    let found = entries(&daemon, outcome.session(), "syscall.denied");
    let names: Vec<_> = found
        .iter()
        .map(|entry| &entry["data"]["syscall"])
        .collect();
    assert_eq!(names, ["ptrace"]);
}

#[test]
fn a_flood_is_answered_counted_to_the_last_call_and_kept_out_of_the_log() {
    let daemon = Daemon::ephemeral();
    let script = "
wrong = []
def flood():
    for i in range(10000):
        if (got := call(BPF, i)) != 'EPERM': wrong.append(got)
threads = [threading.Thread(target=flood) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(wrong)";
    let outcome = python(&Jail::on(&daemon), script).ok();
    assert_eq!(outcome.text(), "[]");
    assert_eq!(outcome.counter("/syscalls_denied"), 40_000);
    let found = entries(&daemon, outcome.session(), "syscall.denied");
    assert!((64..1000).contains(&found.len()), "{}", found.len());
    let alerts = entries(&daemon, outcome.session(), "alert");
    let number = |value: &Value| value.as_u64().unwrap();
    let told: u64 = found
        .iter()
        .map(|one| 1 + number(&one["data"]["suppressed"]))
        .sum();
    let counted: u64 = alerts.iter().map(|one| number(&one["data"]["count"])).sum();
    assert_eq!(told + counted, 40_000);
    verify(&daemon);
}

#[test]
fn inspect_counts_and_logs_follow_while_the_command_runs() {
    let daemon = Daemon::ephemeral();
    let script = format!("{CALLS}\ncall(MOUNT)\nprint('ready', flush=True)\ninput()");
    let jail = Jail::on(&daemon);
    let mut child = jail.start(&["/usr/bin/python3", "-c", &script]);
    child.await_text("ready", PATIENCE);
    let sessions = daemon.json(&["ps", "--json"]);
    let session = sessions["sessions"][0]["session"].as_str().unwrap();
    let count = || daemon.json(&["inspect", "--json", session])["syscalls_denied"].as_u64();
    eventually("the call is counted", || (count() == Some(1)).then_some(()));
    let shown = daemon.sheriff(&["inspect", session]).ok().text();
    let refused = shown.lines().find(|line| line.contains("refused")).unwrap();
    assert!(refused.ends_with(" 1"), "{refused}");
    let seen = || daemon.sheriff(&["logs", session]).ok().text();
    eventually("the call is on record", || {
        seen().contains("denied mount(").then_some(())
    });
    child.send(b"\n");
    assert_eq!(child.wait(PATIENCE).code(), 0);
}

#[test]
fn strict_starts_the_command_and_nothing_after_it() {
    let daemon = Daemon::ephemeral();
    let jail = Jail::on(&daemon).profile("strict");
    let outcome = jail.run(&["echo", "hello"]).ok();
    assert_eq!(outcome.text(), "hello");
    let probe = "import os\ntry: os.execv('/bin/echo', ['echo', 'ran'])\nexcept OSError as e: print(e.errno)";
    let outcome = jail.run(&["/usr/bin/python3", "-c", probe]).ok();
    assert_eq!(outcome.text(), "1");
    let found = entries(&daemon, outcome.session(), "syscall.denied");
    let last = &found.last().unwrap()["data"];
    assert_eq!(
        (&last["syscall"], &last["profile"]),
        (&"execve".into(), &"strict".into())
    );
    assert!(line_of(last["rule"].as_str().unwrap()).contains("execve"));
    let control = Jail::on(&daemon).run(&["/usr/bin/python3", "-c", probe]);
    assert_eq!(control.ok().text(), "ran");
}
