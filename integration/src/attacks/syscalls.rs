//! System calls that a jail must not have, by number, past every library.
//!
//! Not for: files (`files`), sockets (`sockets`) and namespaces (`namespaces`), which have stories of their own.

use super::probe::{Probe, TOOLS, compare, on_host};
use crate::harness::Jail;

/// A bad address, so that what is let through fails with `EFAULT` and harms nothing.
const SETUP: &str = "BAD = 1
victim = os.fork()
if victim == 0:
    signal.pause()
    os._exit(0)
pidfd = os.pidfd_open(victim)
CWD = -100";

const ADMINISTRATION: [Probe; 27] = [
    ("bpf", "syscall(321, 99, 0, 0)", "EPERM", "EINVAL"),
    (
        "perf_event_open",
        "syscall(298, BAD, 0, -1, -1, 0)",
        "EPERM",
        "EFAULT",
    ),
    ("userfaultfd", "syscall(323, 0x800)", "EPERM", "ok"),
    (
        "kexec_load",
        "syscall(246, 0, 99, 0, 0)",
        "EPERM",
        "EINVAL|ENOSYS",
    ),
    (
        "kexec_file_load",
        "syscall(320, -1, -1, 0, 0, 0x8000)",
        "EPERM",
        "EINVAL|ENOSYS",
    ),
    (
        "init_module",
        "syscall(175, BAD, 0, BAD)",
        "EPERM",
        "ENOEXEC|ENOSYS|EFAULT",
    ),
    (
        "finit_module",
        "syscall(313, -1, BAD, 0)",
        "EPERM",
        "EBADF|ENOSYS|EFAULT",
    ),
    (
        "delete_module",
        "syscall(176, BAD, 0)",
        "EPERM",
        "EFAULT|ENOSYS",
    ),
    ("swapon", "syscall(167, BAD, 0)", "EPERM", "EFAULT|ENOSYS"),
    ("swapoff", "syscall(168, BAD)", "EPERM", "EFAULT|ENOSYS"),
    ("settimeofday", "syscall(164, BAD, 0)", "EPERM", "EFAULT"),
    ("clock_settime", "syscall(227, 0, BAD)", "EPERM", "EFAULT"),
    ("adjtimex", "syscall(159, BAD)", "EPERM", "EFAULT"),
    ("acct", "syscall(163, BAD)", "EPERM", "EFAULT|ENOSYS"),
    (
        "quotactl",
        "syscall(179, 0x800007 << 8, BAD, 0, BAD)",
        "EPERM",
        "EFAULT|ENOSYS|ENODEV|EINVAL",
    ),
    (
        "quotactl_fd",
        "syscall(443, -1, 0x800007 << 8, 0, BAD)",
        "EPERM",
        "EBADF|ENOSYS",
    ),
    ("reboot", "syscall(169, 0, 0, 0, 0)", "EPERM", "EINVAL"),
    ("syslog", "syscall(103, 10, 0, 0)", "EPERM", "ok"),
    ("iopl", "syscall(172, 9)", "EPERM", "EINVAL|ENOSYS"),
    (
        "ioperm",
        "syscall(173, 1 << 20, 1, 1)",
        "EPERM",
        "EINVAL|ENOSYS",
    ),
    (
        "modify_ldt",
        "syscall(154, 0, BAD, 0)",
        "EPERM",
        "ok|ENOSYS",
    ),
    ("sethostname", "syscall(170, b'x', 1)", "EPERM", "ok"),
    ("keyctl", "syscall(250, 0, -3, 0)", "EPERM", "ok"),
    (
        "add_key",
        "syscall(248, b'user', b'probe', b'x', 1, -2)",
        "EPERM",
        "ok",
    ),
    (
        "request_key",
        "syscall(249, b'user', b'no such key', 0, 0)",
        "EPERM",
        "ENOKEY",
    ),
    (
        "lookup_dcookie",
        "syscall(212, 0, 0, 0)",
        "EPERM",
        "ENOSYS|EINVAL",
    ),
    ("fanotify_init", "syscall(300, 0, 0)", "EPERM", "ok|ENOSYS"),
];

#[test]
fn denies_kernel_administration_past_every_library() {
    compare(&Jail::new(), SETUP, &ADMINISTRATION);
}

const BYPASSES: [Probe; 9] = [
    ("io_uring_setup", "syscall(425, 1, BAD)", "ENOSYS", "EFAULT"),
    (
        "io_uring_enter",
        "syscall(426, -1, 0, 0, 0, 0, 0)",
        "ENOSYS",
        "EBADF",
    ),
    (
        "io_uring_register",
        "syscall(427, -1, 1, 0, 0)",
        "ENOSYS",
        "EBADF|EINVAL",
    ),
    ("clone3", "syscall(435, BAD, 88)", "ENOSYS", "EFAULT"),
    (
        "openat2",
        "syscall(437, CWD, b'/', BAD, 24)",
        "ENOSYS",
        "EFAULT",
    ),
    (
        "splice",
        "syscall(275, -1, 0, -1, 0, 1, 0)",
        "ENOSYS",
        "EBADF",
    ),
    ("vmsplice", "syscall(278, -1, BAD, 1, 0)", "ENOSYS", "EBADF"),
    (
        "name_to_handle_at",
        "syscall(303, CWD, b'/', BAD, BAD, 0)",
        "EPERM",
        "EFAULT",
    ),
    (
        "open_by_handle_at",
        "syscall(304, CWD, BAD, 0)",
        "EPERM",
        "EFAULT",
    ),
];

#[test]
fn denies_what_passes_by_a_filter_of_system_calls() {
    compare(&Jail::new(), SETUP, &BYPASSES);
}

const REACHING: [Probe; 9] = [
    (
        "ptrace_attach",
        "syscall(101, 16, victim, 0, 0)",
        "EPERM",
        "ok",
    ),
    (
        "ptrace_seize",
        "syscall(101, 0x4206, victim, 0, 0)",
        "EPERM",
        "EPERM|ok|EIO",
    ),
    (
        "process_vm_readv",
        "syscall(310, victim, 0, 0, 0, 0, 0)",
        "EPERM",
        "ok",
    ),
    (
        "process_vm_writev",
        "syscall(311, victim, 0, 0, 0, 0, 0)",
        "EPERM",
        "ok",
    ),
    ("pidfd_getfd", "syscall(438, pidfd, 0, 0)", "EPERM", "ok"),
    (
        "kcmp",
        "syscall(312, victim, victim, 1, 0, 0)",
        "EPERM",
        "ok|ENOSYS",
    ),
    (
        "process_madvise",
        "syscall(440, pidfd, 0, 0, 20, 0)",
        "EPERM",
        "ok|ENOSYS",
    ),
    (
        "process_mrelease",
        "syscall(448, pidfd, 0)",
        "EPERM",
        "EINVAL|ok",
    ),
    // Last: ends the victim, which is the caller's right.
    (
        "kill",
        "attempt(os.kill, victim, signal.SIGKILL)",
        "ok",
        "ok",
    ),
];

#[test]
fn denies_reaching_into_another_process_even_a_child() {
    compare(&Jail::new(), SETUP, &REACHING);
}

#[test]
fn kills_every_number_of_the_x32_abi() {
    let every = "
refused = 0
for number in range(0, 560):
    if number == 0: continue
    answer = forked(syscall, number | 0x40000000, 0, 0, 0, 0, 0, 0)
    if answer != 'SIGKILL': print('let', number, answer)
    refused += 1
print('refused', refused, forked(syscall, 39))
";
    let outcome = Jail::new()
        .run(&["/usr/bin/python3", "-c", &format!("{TOOLS}\n{every}")])
        .ok();
    assert_eq!(outcome.text(), "refused 559 ok", "{outcome}");
}

/// `getpid` and a `socketcall` through the 32-bit door, and `getpid` through the usual one.
const INT80: &str = r#"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <sys/syscall.h>
int main(int count, char **words) {
    long number = atol(words[1]), answer;
    if (number < 0) { printf("%d\n", syscall(SYS_getpid) == getpid()); return 0; }
    __asm__ volatile ("int $0x80" : "=a"(answer) : "a"(number), "b"(1L), "c"(0L), "d"(0L) : "memory", "r8", "r9", "r10", "r11");
    printf("%ld\n", answer);
    return 0;
}
"#;

#[test]
fn kills_calls_through_the_32_bit_door() {
    let jail = Jail::new().file("int80.c", INT80);
    let script = "cd /workspace; gcc -o int80 int80.c; set +e; ./int80 -1; \
                  for n in 20 102 359; do ./int80 $n >/dev/null 2>&1; echo $?; done; exit 0";
    let outcome = jail.shell(script).ok();
    // 137: killed by SIGKILL, which is PID 1's.
    assert_eq!(outcome.text(), "1\n137\n137\n137", "{outcome}");
    // 159: SIGSYS, as PID 1 tells of the command itself.
    let outcome = jail.run(&["/workspace/int80", "20"]);
    assert_eq!(outcome.code, 159, "{outcome}");
    assert_eq!(jail.run(&["/workspace/int80", "-1"]).ok().text(), "1");
    // Outside, the same program gets its process id, or the kernel has no such door at all.
    let free = on_host(&[jail.path("int80").to_str().unwrap(), "20"]);
    let number: i64 = free.parse().unwrap_or_default();
    assert!(number > 1 || free.is_empty() || number == -38, "{free}");
}

const CREDENTIALS: [Probe; 5] = [
    ("securebits", "syscall(157, 28, 1, 0, 0, 0)", "EPERM", "ok"),
    (
        "set_mm",
        "syscall(157, 35, 99, 0, 0, 0)",
        "EPERM",
        "EINVAL|EPERM",
    ),
    (
        "ambient",
        "syscall(157, 47, 2, 0, 0, 0)",
        "EPERM",
        "EPERM|ok",
    ),
    (
        "read_implies_exec",
        "syscall(135, 0x0400000)",
        "EPERM",
        "ok",
    ),
    ("name", "syscall(157, 15, b'probe', 0, 0, 0)", "ok", "ok"),
];

#[test]
fn denies_options_that_rearrange_credentials_and_executable_memory() {
    compare(&Jail::new(), SETUP, &CREDENTIALS);
}
