//! The profile `agent` in another program's hands: an OCI runtime installs what `sheriff seccomp
//! export` wrote, and the kernel then refuses there what it refuses in a jail.
//!
//! The runtime gets private mounts, in which the host's cgroups are read-only, and process ids of its
//! own, so that nothing of it can stay behind.
//!
//! Not for: what the exported rules say in general (`crates/seccomp`), nor for jails.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Child, Leftovers, PATIENCE, binary, require_root};

/// Prints what each call answers, one a line, in the order of [`REFUSED`] and then of [`ALLOWED`].
const PROBE: &str = r#"
import ctypes, errno, os
LIBC = ctypes.CDLL(None, use_errno=True)
X86 = os.uname().machine == 'x86_64'
NUMBERS = {
    'unshare': (272, 97), 'keyctl': (250, 219), 'clone3': (435, 435), 'bpf': (321, 280), 'ioctl': (16, 29),
    'socket': (41, 198), 'personality': (135, 92), 'fchmodat': (268, 53), 'openat': (257, 56),
    'io_uring_setup': (425, 425), 'getppid': (110, 173), 'umask': (95, 166), 'nobody': (999, 999),
}
FOLDER, FILE = -100, ctypes.c_char_p(b'/tmp/file')
def tell(call, *given):
    ctypes.set_errno(0)
    wide = [ctypes.c_ulong(one) if isinstance(one, int) else one for one in given]
    done = LIBC.syscall(ctypes.c_long(NUMBERS[call][0 if X86 else 1]), *wide)
    print('ok' if done != -1 else errno.errorcode[ctypes.get_errno()], flush=True)
open('/tmp/file', 'w').close()
tell('unshare', 0)
tell('keyctl', 0x7FFFFFFF)
tell('clone3', 0, 0)
tell('bpf', 9999, 0, 0)
tell('io_uring_setup', 0, 0)
tell('ioctl', 0, 0x5412, 0)
tell('ioctl', 0, 0x100005412, 0)
tell('ioctl', 0, 0x8000000000005412, 0)
tell('socket', 2, 3, 1)
tell('socket', 16, 3, 15)
tell('personality', 0x0040000)
tell('fchmodat', FOLDER, FILE, 0o4755)
tell('openat', FOLDER, FILE, 0o101, 0o4755)
tell('socket', 2, 1, 262)
tell('nobody')
tell('getppid')
tell('umask', 0o22)
tell('personality', 0xFFFFFFFF)
tell('ioctl', 0, 0x5413, 0)
tell('socket', 1, 1, 0)
tell('socket', 2, 1, 6)
tell('socket', 10, 0x80002, 0)
tell('socket', 16, 3, 0)
tell('fchmodat', FOLDER, FILE, 0o755)
tell('openat', FOLDER, FILE, 0o101, 0o755)
"#;

/// Calls that the profile refuses and the kernel by itself does not: with the answer there.
const REFUSED: [(&str, &str); 13] = [
    ("unshare(0)", "EPERM"),
    ("keyctl(no such operation)", "EPERM"),
    ("clone3", "ENOSYS"),
    ("bpf(no such command)", "EPERM"),
    ("io_uring_setup", "ENOSYS"),
    ("ioctl(TIOCSTI)", "EPERM"),
    ("ioctl(TIOCSTI and bit 32)", "EPERM"),
    ("ioctl(TIOCSTI and bit 63)", "EPERM"),
    ("socket(AF_INET, SOCK_RAW, IPPROTO_ICMP)", "EPERM"),
    (
        "socket(AF_NETLINK, NETLINK_KOBJECT_UEVENT)",
        "EPROTONOSUPPORT",
    ),
    ("personality(ADDR_NO_RANDOMIZE)", "EPERM"),
    ("fchmodat(04755)", "EPERM"),
    ("openat(O_CREAT, 04755)", "EPERM"),
];

/// Calls to which a kernel may give the profile's answer by itself: one without multipath TCP, and
/// every one to a number that none assigns.
const EITHER: [(&str, &str); 2] = [
    (
        "socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP)",
        "EPROTONOSUPPORT",
    ),
    ("number 999", "ENOSYS"),
];

/// Calls that reach the kernel with and without the profile. Standard input is no terminal.
const ALLOWED: [(&str, &str); 10] = [
    ("getppid", "ok"),
    ("umask", "ok"),
    ("personality(query)", "ok"),
    ("ioctl(TIOCGWINSZ)", "ENOTTY"),
    ("socket(AF_UNIX)", "ok"),
    ("socket(AF_INET, SOCK_STREAM, IPPROTO_TCP)", "ok"),
    ("socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC)", "ok"),
    ("socket(AF_NETLINK, NETLINK_ROUTE)", "ok"),
    ("fchmodat(0755)", "ok"),
    ("openat(O_CREAT, 0755)", "ok"),
];

/// Makes the host's cgroups read-only in the mounts of this process alone, then starts the runtime.
const SHIELDED: &str = r#"set -eu
awk '$5 ~ "^/sys/fs/cgroup" { print $5 }' /proc/self/mountinfo | sort -r |
while read -r mount; do mount -o remount,bind,ro "$mount"; done
exec runc --root "$1/state" --rootless=true run --bundle "$1" "$2"
"#;

/// A bundle whose programs are the host's, read-only, with a `/tmp` of its own.
fn bundle(seccomp: Option<Value>) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("rootfs");
    for place in ["usr", "proc", "dev", "tmp"] {
        fs::create_dir_all(root.join(place)).unwrap();
    }
    for name in ["bin", "lib", "lib64"] {
        if Path::new("/").join(name).exists() {
            symlink(format!("usr/{name}"), root.join(name)).unwrap();
        }
    }
    let mut config = config();
    if let Some(seccomp) = seccomp {
        config["linux"]["seccomp"] = seccomp;
    }
    fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    folder
}

/// Capabilities are granted so that what is refused is not refused for the lack of one. There are no
/// `resources`, and no cgroup namespace.
fn config() -> Value {
    let capabilities = ["CAP_SYS_ADMIN", "CAP_NET_RAW"];
    let mount = |place: &str, kind: &str, source: &str, options: &[&str]| json!({ "destination": place, "type": kind, "source": source, "options": options });
    let namespaces = ["pid", "network", "ipc", "uts", "mount"].map(|kind| json!({ "type": kind }));
    json!({
        "ociVersion": "1.0.2",
        "process": {
            "terminal": false,
            "user": { "uid": 0, "gid": 0 },
            "args": ["/usr/bin/python3", "-I", "-c", PROBE],
            "env": ["PATH=/usr/bin"],
            "cwd": "/",
            "capabilities": {
                "bounding": capabilities, "effective": capabilities, "permitted": capabilities,
            },
            "noNewPrivileges": true,
        },
        "root": { "path": "rootfs", "readonly": true },
        "hostname": "probe",
        "mounts": [
            mount("/usr", "bind", "/usr", &["bind", "ro"]),
            mount("/proc", "proc", "proc", &[]),
            mount("/dev", "tmpfs", "tmpfs", &["nosuid", "mode=755", "size=64k"]),
            mount("/tmp", "tmpfs", "tmpfs", &["nosuid", "nodev", "size=64k"]),
        ],
        "linux": { "namespaces": namespaces },
    })
}

fn exported(profile: &str) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("seccomp.json");
    let mut export = Command::new(binary("sheriff"));
    export
        .args(["seccomp", "export", profile, "--format", "oci", "-o"])
        .arg(&file);
    let done = Child::start(export.stdin(Stdio::null())).wait(PATIENCE);
    assert_eq!(done.code(), 0, "{done}");
    serde_json::from_slice(&fs::read(file).unwrap()).unwrap()
}

/// What each call of the probe answers in a container of the runtime.
fn answers(seccomp: Option<Value>) -> Vec<String> {
    let bundle = bundle(seccomp);
    let name = format!("sheriff-probe-{}", std::process::id());
    let mut runtime = Command::new("unshare");
    runtime
        .args(["--mount", "--propagation", "private"])
        .args(["--pid", "--fork", "--kill-child", "--mount-proc"])
        .args(["sh", "-c", SHIELDED, "sh"])
        .arg(bundle.path())
        .arg(&name);
    let done = Child::start(runtime.stdin(Stdio::null())).wait(PATIENCE);
    assert_eq!(done.code(), 0, "{done}");
    Leftovers::await_none_naming(&name);
    let lines = String::from_utf8(done.stdout.clone()).unwrap();
    let answers: Vec<String> = lines.lines().map(str::to_owned).collect();
    let calls = REFUSED.len() + EITHER.len() + ALLOWED.len();
    assert_eq!(answers.len(), calls, "{done}");
    answers
}

fn require_runtime() {
    let version = Command::new("runc").arg("--version").output();
    let runs = version.is_ok_and(|output| output.status.success());
    assert!(runs, "runc is missing; .ci/run installs the package runc");
}

#[test]
fn an_oci_runtime_with_the_exported_profile_refuses_what_a_jail_refuses() {
    require_root();
    require_runtime();
    let filtered = answers(Some(exported("agent")));
    let told = REFUSED.iter().chain(&EITHER).chain(&ALLOWED);
    for ((call, expected), answer) in told.clone().zip(&filtered) {
        assert_eq!(answer, expected, "{call} with the profile");
    }
    let unfiltered = answers(None);
    for ((call, refusal), answer) in REFUSED.iter().zip(&unfiltered) {
        assert_ne!(answer, refusal, "{call} without the profile");
    }
    let allowed = unfiltered.iter().skip(REFUSED.len() + EITHER.len());
    for ((call, expected), answer) in ALLOWED.iter().zip(allowed) {
        assert_eq!(answer, expected, "{call} without the profile");
    }
    if Path::new("/proc/sys/net/mptcp").exists() {
        assert_eq!(
            unfiltered.get(REFUSED.len()).map(String::as_str),
            Some("ok")
        );
    }
}
