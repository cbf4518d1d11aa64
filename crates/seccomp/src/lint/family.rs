//! System calls that do the same job, so that a rule for one of them says something about all.
//!
//! Not for: calls of one subject that do different things.

/// Where a call takes a value from that all calls of its family have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// From the register with this index.
    At(usize),
    /// It is always this.
    Is(u64),
}

/// A call and where its family's values lie. Without values it can only be compared as a whole.
pub(super) type Member = (&'static str, &'static [Source]);

use Source::{At, Is};

/// `O_CREAT | O_WRONLY | O_TRUNC`, which creat(2) stands for.
const CREAT: u64 = 0o1101;
/// `SIGCHLD`, the flags that fork(2) stands for.
const FORK: u64 = 17;
/// `CLONE_VFORK | CLONE_VM | SIGCHLD`, as for vfork(2).
const VFORK: u64 = 0x4111;

const fn whole(call: &'static str) -> Member {
    (call, &[])
}

/// The families. Values: flags and mode of open; flags of clone, send and receive; the mode of
/// chmod and mkdir; mode and device of mknod.
pub(super) const FAMILIES: &[&[Member]] = &[
    &[
        ("open", &[At(1), At(2)]),
        ("openat", &[At(2), At(3)]),
        ("creat", &[Is(CREAT), At(1)]),
        whole("openat2"),
    ],
    &[
        ("fork", &[Is(FORK)]),
        ("vfork", &[Is(VFORK)]),
        ("clone", &[At(0)]),
        whole("clone3"),
    ],
    &[
        ("chmod", &[At(1)]),
        ("fchmod", &[At(1)]),
        ("fchmodat", &[At(2)]),
        ("fchmodat2", &[At(2)]),
    ],
    &[("mknod", &[At(1), At(2)]), ("mknodat", &[At(2), At(3)])],
    &[("mkdir", &[At(1)]), ("mkdirat", &[At(2)])],
    &[
        ("sendto", &[At(3)]),
        ("sendmsg", &[At(2)]),
        ("sendmmsg", &[At(3)]),
    ],
    &[
        ("recvfrom", &[At(3)]),
        ("recvmsg", &[At(2)]),
        ("recvmmsg", &[At(3)]),
    ],
    &[whole("execve"), whole("execveat")],
    &[
        whole("stat"),
        whole("lstat"),
        whole("fstat"),
        whole("newfstatat"),
        whole("statx"),
    ],
    &[whole("access"), whole("faccessat"), whole("faccessat2")],
    &[whole("dup"), whole("dup2"), whole("dup3")],
    &[whole("pipe"), whole("pipe2")],
    &[
        whole("chown"),
        whole("lchown"),
        whole("fchown"),
        whole("fchownat"),
    ],
    &[whole("rename"), whole("renameat"), whole("renameat2")],
    &[whole("link"), whole("linkat")],
    &[whole("symlink"), whole("symlinkat")],
    &[whole("unlink"), whole("rmdir"), whole("unlinkat")],
    &[whole("readlink"), whole("readlinkat")],
    &[whole("getdents"), whole("getdents64")],
    &[
        whole("utime"),
        whole("utimes"),
        whole("futimesat"),
        whole("utimensat"),
    ],
    &[
        whole("setxattr"),
        whole("lsetxattr"),
        whole("fsetxattr"),
        whole("setxattrat"),
    ],
    &[
        whole("getxattr"),
        whole("lgetxattr"),
        whole("fgetxattr"),
        whole("getxattrat"),
    ],
    &[
        whole("listxattr"),
        whole("llistxattr"),
        whole("flistxattr"),
        whole("listxattrat"),
    ],
    &[
        whole("removexattr"),
        whole("lremovexattr"),
        whole("fremovexattr"),
        whole("removexattrat"),
    ],
    &[
        whole("read"),
        whole("readv"),
        whole("pread64"),
        whole("preadv"),
        whole("preadv2"),
    ],
    &[
        whole("write"),
        whole("writev"),
        whole("pwrite64"),
        whole("pwritev"),
        whole("pwritev2"),
    ],
    &[
        whole("poll"),
        whole("ppoll"),
        whole("select"),
        whole("pselect6"),
    ],
    &[whole("epoll_create"), whole("epoll_create1")],
    &[
        whole("epoll_wait"),
        whole("epoll_pwait"),
        whole("epoll_pwait2"),
    ],
    &[whole("eventfd"), whole("eventfd2")],
    &[whole("signalfd"), whole("signalfd4")],
    &[whole("inotify_init"), whole("inotify_init1")],
    &[whole("io_getevents"), whole("io_pgetevents")],
    &[whole("accept"), whole("accept4")],
    &[
        whole("setuid"),
        whole("setreuid"),
        whole("setresuid"),
        whole("setfsuid"),
    ],
    &[
        whole("setgid"),
        whole("setregid"),
        whole("setresgid"),
        whole("setfsgid"),
    ],
    &[
        whole("kill"),
        whole("tkill"),
        whole("tgkill"),
        whole("pidfd_send_signal"),
        whole("rt_sigqueueinfo"),
        whole("rt_tgsigqueueinfo"),
    ],
    &[whole("wait4"), whole("waitid")],
    &[whole("mlock"), whole("mlock2")],
    &[whole("mprotect"), whole("pkey_mprotect")],
    &[whole("semop"), whole("semtimedop")],
    &[
        whole("sched_setscheduler"),
        whole("sched_setparam"),
        whole("sched_setattr"),
    ],
    &[
        whole("ptrace"),
        whole("process_vm_readv"),
        whole("process_vm_writev"),
    ],
    &[
        whole("mount"),
        whole("fsopen"),
        whole("fsconfig"),
        whole("fsmount"),
        whole("fspick"),
        whole("open_tree"),
        whole("open_tree_attr"),
        whole("move_mount"),
        whole("mount_setattr"),
    ],
    &[whole("quotactl"), whole("quotactl_fd")],
    &[whole("init_module"), whole("finit_module")],
    &[whole("kexec_load"), whole("kexec_file_load")],
    &[whole("add_key"), whole("request_key"), whole("keyctl")],
    &[
        whole("io_uring_setup"),
        whole("io_uring_enter"),
        whole("io_uring_register"),
    ],
    &[
        whole("settimeofday"),
        whole("clock_settime"),
        whole("adjtimex"),
        whole("clock_adjtime"),
    ],
];
