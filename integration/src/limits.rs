//! Limits hold, say so in the usual way, and hold for one jail without touching another.
//!
//! Not for: the exit codes that limits lead to (`exit_codes`).

use crate::harness::{Jail, PATIENCE};

#[test]
fn a_fork_bomb_meets_the_process_limit_and_leaves_other_jails_alone() {
    let neighbour = Jail::new();
    let other = neighbour.start(&["/bin/bash", "-c", "while read l; do /bin/echo got $l; done"]);
    let mut other = other;
    let script = "
import errno, os, signal
made = 0
try:
    while made < 500:
        if os.fork() == 0:
            signal.pause()
        made += 1
except OSError as error:
    print(made, errno.errorcode[error.errno])
    sys.stdout.flush()
other = open('/dev/null')
os.read(0, 1)
";
    let bomb = Jail::new().limit("pids=40");
    let mut bomb = bomb.start_python(script);
    let text = bomb.await_text("EAGAIN", PATIENCE);
    let made: u32 = text.split(' ').next().unwrap().parse().unwrap();
    assert!((20..40).contains(&made), "{text}");
    // While the bomb sits at its limit, the neighbour still starts programs.
    other.send("one\n");
    other.await_text("got one", PATIENCE);
    other.close_input();
    assert_eq!(other.wait(PATIENCE).code(), 0);
    bomb.close_input();
    bomb.wait(PATIENCE);
}

#[test]
fn a_memory_bomb_ends_its_own_jail_only() {
    let neighbour = Jail::new();
    let mut other = neighbour.start(&["/bin/cat"]);
    let bomb = Jail::new().limit("memory=64MiB");
    let outcome = bomb
        .python("x = []\nwhile True: x.append(b'x' * (1 << 20))")
        .ended_with(137);
    assert_eq!(outcome.report["exit"]["reason"], "memory", "{outcome}");
    let peak = outcome.counter("/memory_peak");
    assert!(peak <= 64 << 20, "{peak}");
    other.send("still here\n");
    other.await_text("still here", PATIENCE);
    other.close_input();
    assert_eq!(other.wait(PATIENCE).code(), 0);
}

#[test]
fn memory_of_a_child_counts_like_the_commands_own() {
    let script = "python3 -c \"x = b'x' * (512 << 20)\"; echo survived";
    let outcome = Jail::new()
        .limit("memory=96MiB")
        .shell(script)
        .ended_with(137);
    assert_eq!(outcome.report["exit"]["reason"], "memory", "{outcome}");
}

#[test]
fn temporary_folders_are_full_at_their_size() {
    let script = "for d in /tmp /dev/shm $HOME /run; do \
                    echo small > $d/x 2>/dev/null || { echo \"$d closed\"; continue; }; \
                    head -c 8G /dev/zero > $d/x 2>/tmp/err && echo \"$d endless\"; \
                    rm -f $d/x; done; echo end";
    let outcome = Jail::new()
        .limit("memory=2GiB")
        .run(&["/bin/bash", "-c", script])
        .ok();
    assert!(!outcome.text().contains("endless"), "{outcome}");
    assert!(!outcome.text().contains("/tmp closed"), "{outcome}");
}

#[test]
fn open_files_and_file_size_are_limited() {
    let jail = Jail::new()
        .scratch()
        .limit("open_files=64")
        .limit("file_size=1MiB");
    let script = "
files = []
try:
    while True: files.append(open('/dev/null'))
except OSError as error:
    print(len(files) + 3, error.errno)
del files
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with open('/workspace/big', 'wb', buffering=0) as big:
    written = 0
    try:
        while True: written += big.write(bytes(65536))
    except OSError as error:
        print(written, error.errno)
try:
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
    print('raised')
except (ValueError, PermissionError):
    print('held')
";
    let outcome = jail.python(script).ok();
    assert_eq!(outcome.text(), "64 24\n1048576 27\nheld", "{outcome}");
    let outcome = jail.run(&["head", "-c", "10", "/dev/zero"]).ok();
    assert_eq!(outcome.stdout.len(), 10);
}

#[test]
fn the_processor_limit_holds() {
    let jail = Jail::new().limit("cpu=0.2").timeout("3s");
    let outcome = jail.shell("while :; do :; done").ended_with(124);
    let (used, span) = (outcome.counter("/cpu_us"), outcome.counter("/duration_ms"));
    // A fifth of the time, and the slack of a few accounting periods of 100 ms.
    assert!(used < span * 1000 * 2 / 5, "{used} us in {span} ms");
    assert!(used > span * 1000 / 10, "{used} us in {span} ms");
}

#[test]
fn limits_in_force_are_read_back_from_the_kernel() {
    let jail = Jail::new()
        .limit("memory=300MiB")
        .limit("pids=77")
        .limit("cpu=0.5");
    let outcome = jail.run(&["/bin/true"]).ok();
    let cgroup = &outcome.report["layers"]["cgroup"];
    assert_eq!(cgroup["memory_max"], 300 << 20, "{cgroup}");
    assert_eq!(cgroup["pids_max"], 77, "{cgroup}");
    assert_eq!(cgroup["cpu_millis"], 500, "{cgroup}");
    assert_eq!(cgroup["swap_max"], 0, "{cgroup}");
}
