//! Files of the host and of the kernel, by path, link and descriptor.
//!
//! Not for: mounts (`namespaces`), nor what a jail leaves for later (`planting`).

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::probe::{Probe, ask, compare};
use crate::harness::{Jail, PATIENCE};

const HOST_FILES: [Probe; 9] = [
    (
        "root",
        "attempt(os.listdir, '/root')",
        "ENOENT|EACCES",
        "ok",
    ),
    ("shadow", "reading('/etc/shadow')", "ENOENT|EACCES", "ok"),
    ("sys", "attempt(os.listdir, '/sys')", "ENOENT|EACCES", "ok"),
    ("bpf", "attempt(os.stat, '/sys/fs')", "ENOENT|EACCES", "ok"),
    (
        "debugfs",
        "attempt(os.stat, '/sys/kernel')",
        "ENOENT|EACCES",
        "ok",
    ),
    (
        "varlib",
        "attempt(os.listdir, '/var/lib')",
        "ENOENT|EACCES",
        "ok",
    ),
    ("boot", "attempt(os.stat, '/boot')", "ENOENT|EACCES", "ok"),
    (
        "up",
        "attempt(os.stat, '/' + '../' * 40 + 'root')",
        "ENOENT|EACCES",
        "ok",
    ),
    ("usr", "attempt(os.listdir, '/usr')", "ok", "ok"),
];

#[test]
fn the_hosts_files_are_not_there() {
    compare(&Jail::new(), "", &HOST_FILES);
}

const KERNEL_FILES: [Probe; 14] = [
    (
        "kcore",
        "shown('/proc/kcore')",
        "ENOENT|EACCES|EPERM|empty",
        "shown|ENOENT",
    ),
    ("keys", "shown('/proc/keys')", "empty|EACCES", "shown"),
    (
        "key_users",
        "shown('/proc/key-users')",
        "empty|EACCES",
        "shown",
    ),
    (
        "kallsyms",
        "shown('/proc/kallsyms')",
        "empty|EACCES",
        "shown|ENOENT",
    ),
    (
        "kmsg",
        "attempt(os.open, '/proc/kmsg', os.O_RDWR)",
        "EACCES|EPERM",
        "ok|EACCES",
    ),
    (
        "interrupts",
        "shown('/proc/interrupts')",
        "empty|EACCES",
        "shown",
    ),
    (
        "timer_list",
        "shown('/proc/timer_list')",
        "empty|EACCES",
        "shown|ENOENT",
    ),
    (
        "sysrq",
        "writing('/proc/sysrq-trigger')",
        "ENOENT|EACCES|EPERM",
        "ok|ENOENT",
    ),
    (
        "core_pattern",
        "writing('/proc/sys/kernel/core_pattern')",
        "EACCES|EPERM|EROFS",
        "ok",
    ),
    (
        "hostname",
        "writing('/proc/sys/kernel/hostname')",
        "EACCES|EPERM|EROFS",
        "ok",
    ),
    (
        "forward",
        "writing('/proc/sys/net/ipv4/ip_forward')",
        "EACCES|EPERM|EROFS",
        "ok",
    ),
    (
        "namespaces",
        "writing('/proc/sys/user/max_user_namespaces')",
        "EACCES|EPERM|EROFS",
        "ok|EACCES",
    ),
    (
        "irq",
        "writing('/proc/irq/default_smp_affinity')",
        "EACCES|EPERM|EROFS|ENOENT",
        "ok|EINVAL|ENOENT",
    ),
    ("meminfo", "shown('/proc/meminfo')", "shown", "shown"),
];

#[test]
fn what_the_kernel_shows_of_the_host_is_masked_and_read_only() {
    let setup = "
def shown(path):
    try: return 'shown' if content(path) else 'empty'
    except OSError as error: return errno.errorcode[error.errno]";
    compare(&Jail::new(), setup, &KERNEL_FILES);
}

#[test]
fn links_in_the_workspace_lead_nowhere_outside() {
    let secret = tempfile::NamedTempFile::new().unwrap();
    fs::write(secret.path(), "of the host").unwrap();
    fs::set_permissions(secret.path(), fs::Permissions::from_mode(0o644)).unwrap();
    let jail = Jail::new().file("own", "own");
    symlink(secret.path(), jail.path("absolute")).unwrap();
    symlink(
        "../".repeat(30) + &secret.path().display().to_string(),
        jail.path("up"),
    )
    .unwrap();
    symlink("own", jail.path("inner")).unwrap();
    let found = ask(
        &jail,
        "os.chdir('/workspace')",
        &[
            ("absolute", "reading('absolute')"),
            ("up", "reading('up')"),
            ("inner", "reading('inner')"),
            ("create", "attempt(os.symlink, '/etc/shadow', 'made')"),
        ],
    );
    for name in ["absolute", "up"] {
        assert!(
            ["ENOENT", "EACCES"].contains(&found[name].as_str()),
            "{name}: {found:?}"
        );
    }
    assert_eq!(
        (found["inner"].as_str(), found["create"].as_str()),
        ("ok", "ok")
    );
    // The links are good ones: outside, they lead to the secret.
    assert_eq!(
        fs::read_to_string(jail.path("absolute")).unwrap(),
        "of the host"
    );
}

#[test]
fn descriptors_and_working_folder_are_the_jails_own() {
    let found = ask(
        &Jail::new(),
        "",
        &[
            (
                "numbers",
                "[n for n in range(3, 4096) if attempt(os.fstat, n) == 'ok']",
            ),
            ("cwd", "os.getcwd()"),
            (
                "above",
                "attempt(os.stat, '/proc/self/cwd/../../../../root')",
            ),
            ("first", "attempt(os.fstat, 0)"),
        ],
    );
    assert_eq!(found["numbers"], "[]", "{found:?}");
    assert!(found["cwd"].starts_with('/'), "{found:?}");
    assert!(
        ["ENOENT", "EACCES"].contains(&found["above"].as_str()),
        "{found:?}"
    );
    assert_eq!(found["first"], "ok");
}

#[test]
fn a_folder_given_as_standard_input_opens_no_way_to_the_host() {
    use std::process::{Command, Stdio};
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(folder.path().join("secret"), "s").unwrap();
    let python = "import os\ntry: print('got', os.read(os.open('secret', os.O_RDONLY, dir_fd=5), 9))\nexcept OSError as e: print('refused', e.errno)";
    // Python itself refuses a folder as its input.
    let script = ["sh", "-c", "exec python3 -c \"$0\" 5<&0 </dev/null", python];
    let run = |program: &mut Command| {
        let input = fs::File::open(folder.path()).unwrap();
        let child = crate::harness::Child::start(program.stdin(Stdio::from(input)));
        child.wait(PATIENCE).to_string()
    };
    let free = run(Command::new(script[0]).args(&script[1..]));
    assert!(free.contains("got b's'"), "{free}");
    let daemon = crate::harness::Daemon::shared();
    let jailed = run(Command::new(crate::harness::binary("sheriff"))
        .arg("--socket-dir")
        .arg(daemon.runtime())
        .args(["run", "--"])
        .args(script));
    assert!(!jailed.contains("got"), "{jailed}");
    assert!(jailed.contains("standard stream 0 is a folder"), "{jailed}");
}

#[test]
fn the_token_is_readable_by_its_agent_alone_and_by_nobody_writable() {
    let found = ask(
        &Jail::new(),
        "",
        &[
            ("read", "len(content('/run/sheriff/token').strip())"),
            ("mode", "oct(os.stat('/run/sheriff/token').st_mode & 0o777)"),
            (
                "owner",
                "os.stat('/run/sheriff/token').st_uid == os.getuid()",
            ),
            ("write", "writing('/run/sheriff/token')"),
            ("unlink", "attempt(os.unlink, '/run/sheriff/token')"),
            (
                "replace",
                "attempt(os.rename, '/run/sheriff', '/run/other')",
            ),
            ("plant", "attempt(os.mknod, '/run/sheriff/x')"),
            ("list", "attempt(os.listdir, '/run/sheriff/..')"),
        ],
    );
    assert_eq!(
        (found["mode"].as_str(), found["owner"].as_str()),
        ("0o400", "True"),
        "{found:?}"
    );
    assert!(found["read"].parse::<usize>().unwrap() >= 32, "{found:?}");
    for name in ["write", "unlink", "replace", "plant"] {
        assert_ne!(found[name], "ok", "{name}: {found:?}");
    }
}
