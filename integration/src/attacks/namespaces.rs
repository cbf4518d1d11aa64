//! New namespaces, other namespaces, mounts and roots.
//!
//! Not for: what the view holds (`files`).

use super::probe::{Probe, compare};
use crate::harness::Jail;

#[test]
fn denies_new_namespaces_of_every_kind_by_every_call() {
    const PROBES: [Probe; 12] = [
        (
            "unshare_user",
            "forked(syscall, 272, 0x10000000)",
            "EPERM",
            "ok",
        ),
        (
            "unshare_mount",
            "forked(syscall, 272, 0x00020000)",
            "EPERM",
            "ok",
        ),
        (
            "unshare_net",
            "forked(syscall, 272, 0x40000000)",
            "EPERM",
            "ok",
        ),
        (
            "unshare_pid",
            "forked(syscall, 272, 0x20000000)",
            "EPERM",
            "ok",
        ),
        (
            "unshare_ipc",
            "forked(syscall, 272, 0x08000000)",
            "EPERM",
            "ok",
        ),
        (
            "unshare_uts",
            "forked(syscall, 272, 0x04000000)",
            "EPERM",
            "ok",
        ),
        (
            "unshare_cgroup",
            "forked(syscall, 272, 0x02000000)",
            "EPERM",
            "ok",
        ),
        (
            "unshare_time",
            "forked(syscall, 272, 0x00000080)",
            "EPERM",
            "ok",
        ),
        ("clone_user", "cloned(0x10000000)", "EPERM", "ok"),
        ("clone_net", "cloned(0x40000000)", "EPERM", "ok"),
        ("clone_plain", "cloned(0)", "ok", "ok"),
        (
            "setns",
            "syscall(308, os.open('/proc/self/ns/net', os.O_RDONLY), 0)",
            "EPERM",
            "ok",
        ),
    ];
    let setup = "
def cloned(flags):
    ctypes.set_errno(0)
    pid = LIBC.syscall(ctypes.c_long(56), ctypes.c_long(flags | 17), *[ctypes.c_long(0)] * 4)
    if pid == 0: os._exit(0)
    if pid == -1: return errno.errorcode[ctypes.get_errno()]
    os.waitpid(pid, 0)
    return 'ok'";
    compare(&Jail::new(), setup, &PROBES);
}

#[test]
fn denies_every_way_to_change_the_mounts_or_the_root() {
    const PROBES: [Probe; 15] = [
        ("chroot", "forked(syscall, 161, b'/usr')", "EPERM", "ok"),
        ("chdir", "syscall(80, b'/usr')", "ok", "ok"),
        (
            "mount",
            "syscall(165, b'none', b'/tmp', b'tmpfs', 0, 0)",
            "EPERM",
            "ok",
        ),
        (
            "remount",
            "syscall(165, b'none', b'/tmp', 0, 0x20, 0)",
            "EPERM",
            "ok",
        ),
        (
            "bind",
            "syscall(165, b'/', b'/tmp', 0, 0x1000, 0)",
            "EPERM",
            "ok",
        ),
        ("umount", "syscall(166, b'/tmp', 2)", "EPERM", "ok"),
        ("fsopen", "syscall(430, b'tmpfs', 0)", "EPERM", "ok"),
        (
            "fsconfig",
            "syscall(431, -1, 6, 0, 0, 0)",
            "EPERM",
            "EBADF|EINVAL",
        ),
        ("fsmount", "syscall(432, -1, 0, 0)", "EPERM", "EBADF"),
        ("fspick", "syscall(433, -100, b'/', 0)", "EPERM", "ok"),
        ("open_tree", "syscall(428, -100, b'/', 1)", "EPERM", "ok"),
        (
            "open_tree_attr",
            "syscall(467, -100, b'/', 1, 0, 0)",
            "EPERM",
            "ok|ENOSYS",
        ),
        (
            "move_mount",
            "syscall(429, -1, b'', -100, b'/tmp', 4)",
            "EPERM",
            "EBADF",
        ),
        (
            "mount_setattr",
            "syscall(442, -100, b'/', 0, 1, 32)",
            "EPERM",
            "EFAULT",
        ),
        (
            "pivot_root",
            "syscall(155, b'/', b'/')",
            "EPERM",
            "EBUSY|EINVAL|ok",
        ),
    ];
    compare(&Jail::new(), "", &PROBES);
}

#[test]
fn another_sandbox_inside_fails_clearly_and_nothing_runs_in_it() {
    let script = "for tool in 'bwrap --unshare-all --ro-bind / / true' 'unshare -Ur true' 'unshare -m true'; do \
                    if $tool 2>>/tmp/said; then echo \"$tool worked\"; else echo refused; fi; done; cat /tmp/said";
    let outcome = Jail::new().shell(script).ok();
    let text = outcome.text();
    assert!(text.starts_with("refused\nrefused\nrefused\n"), "{outcome}");
    assert_eq!(
        text.matches("Operation not permitted").count(),
        2,
        "{outcome}"
    );
    assert!(text.contains("bwrap: "), "{outcome}");
}

#[test]
fn the_jails_namespaces_are_not_the_hosts() {
    let script = "for n in user mnt pid net ipc uts cgroup; do readlink /proc/self/ns/$n; done";
    let inside = Jail::new().shell(script).ok().text();
    let outside = super::probe::on_host(&["sh", "-c", script]);
    let (inside, outside): (Vec<_>, Vec<_>) = (inside.lines().collect(), outside.lines().collect());
    assert_eq!(
        (inside.len(), outside.len()),
        (7, 7),
        "{inside:?} {outside:?}"
    );
    assert!(
        inside.iter().zip(&outside).all(|(a, b)| a != b),
        "{inside:?} {outside:?}"
    );
}
