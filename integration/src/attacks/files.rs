//! Files: those of the host, those of the kernel, and those that would outlive the jail.
//!
//! Not for: mounts (`namespaces`).

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use super::probe::{Probe, ask, compare, on_host};
use crate::harness::{Jail, PATIENCE};

#[test]
fn the_hosts_files_are_not_there() {
    const PROBES: [Probe; 9] = [
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
    compare(&Jail::new(), "", &PROBES);
}

#[test]
fn what_the_kernel_shows_of_the_host_is_masked_and_read_only() {
    let setup = "
def shown(path):
    try: return 'shown' if content(path) else 'empty'
    except OSError as error: return errno.errorcode[error.errno]";
    const PROBES: [Probe; 14] = [
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
    compare(&Jail::new(), setup, &PROBES);
}

#[test]
fn set_id_bits_and_devices_can_not_be_planted_in_the_workspace() {
    let jail = Jail::new().file("plain", "#!/bin/sh\n");
    let setup = "
os.chdir('/workspace' if os.path.isdir('/workspace') else __import__('tempfile').mkdtemp())
open('plain', 'w').close()
AT = -100
how = ctypes.create_string_buffer(struct.pack('QQQ', os.O_CREAT | os.O_WRONLY, 0o4755, 0))
fd = os.open('plain', os.O_RDWR)";
    const PROBES: [Probe; 19] = [
        ("chmod", "syscall(90, b'plain', 0o4755)", "EPERM", "ok"),
        (
            "chmod_group",
            "syscall(90, b'plain', 0o2755)",
            "EPERM",
            "ok",
        ),
        (
            "chmod_high_bits",
            "syscall(90, b'plain', (1 << 40) | 0o4755)",
            "EPERM",
            "ok",
        ),
        ("fchmod", "syscall(91, fd, 0o6755)", "EPERM", "ok"),
        (
            "fchmodat",
            "syscall(268, AT, b'plain', 0o4755)",
            "EPERM",
            "ok",
        ),
        (
            "fchmodat2",
            "syscall(452, AT, b'plain', 0o4755, 0)",
            "EPERM",
            "ok|ENOSYS",
        ),
        (
            "open",
            "syscall(2, b'o', os.O_CREAT | os.O_WRONLY, 0o4755)",
            "EPERM",
            "ok",
        ),
        (
            "openat",
            "syscall(257, AT, b'oa', os.O_CREAT | os.O_WRONLY, 0o2755)",
            "EPERM",
            "ok",
        ),
        (
            "tmpfile",
            "syscall(257, AT, b'.', 0o20200000 | os.O_RDWR, 0o4755)",
            "EPERM",
            "ok",
        ),
        ("creat", "syscall(85, b'c', 0o4755)", "EPERM", "ok"),
        (
            "openat2",
            "syscall(437, AT, b'oa2', how, 24)",
            "ENOSYS",
            "ok",
        ),
        (
            "mknod_file",
            "syscall(133, b'm', 0o104755, 0)",
            "EPERM",
            "ok",
        ),
        (
            "mknodat_file",
            "syscall(259, AT, b'ma', 0o104755, 0)",
            "EPERM",
            "ok",
        ),
        (
            "mknod_device",
            "syscall(133, b'd', 0o020666, 0x101)",
            "EPERM",
            "ok",
        ),
        (
            "mknod_disk",
            "syscall(133, b'e', 0o060666, 0xfe00)",
            "EPERM",
            "ok",
        ),
        ("chmod_plain", "syscall(90, b'plain', 0o755)", "ok", "ok"),
        (
            "open_plain",
            "syscall(2, b'p', os.O_CREAT | os.O_WRONLY, 0o755)",
            "ok",
            "ok",
        ),
        ("mknod_fifo", "syscall(133, b'f', 0o010644, 0)", "ok", "ok"),
        (
            "file_caps",
            "attempt(os.setxattr, 'plain', 'security.capability', struct.pack('<IIIII', 0x02000001, 1 << 21, 0, 0, 0))",
            "EPERM",
            "ok",
        ),
    ];
    compare(&jail, setup, &PROBES);
    for entry in fs::read_dir(jail.path("")).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o6000, 0, "{:?} has mode {mode:o}", entry.path());
    }
    assert_eq!(
        fs::metadata(jail.path("plain")).unwrap().mode() & 0o777,
        0o755
    );
}

#[test]
fn set_id_programs_that_are_there_give_nothing() {
    let script = "for t in sudo su mount passwd; do p=$(command -v $t) || continue; ls -ln $p; done; \
                  grep -E '^(NoNewPrivs|Cap...):' /proc/self/status; sudo -n id -u 2>&1; su -c 'id -u' 2>&1; id -u";
    let text = Jail::new().run(&["/bin/bash", "-c", script]).ok().text();
    assert!(text.contains("-rws"), "no set-ID program to try: {text}");
    assert!(text.contains("NoNewPrivs:\t1"), "{text}");
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert!(
            text.contains(&format!("{set}:\t0000000000000000")),
            "{text}"
        );
    }
    assert!(!text.lines().any(|line| line == "0"), "{text}");
    assert_eq!(text.lines().last().unwrap(), "1000", "{text}");
    // The very same probe tells a gain where there is one.
    assert_eq!(on_host(&["su", "-c", "id -u"]), "0");
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

#[test]
fn sheriffs_own_configuration_and_programs_can_not_be_edited() {
    let found = ask(
        &Jail::new(),
        "",
        &[
            ("etc", "attempt(os.listdir, '/etc/sheriff')"),
            ("share", "attempt(os.mkdir, '/usr/share/sheriff')"),
            (
                "usr",
                "attempt(os.open, '/usr/planted', os.O_CREAT | os.O_WRONLY)",
            ),
            (
                "bin",
                "attempt(os.open, '/bin/planted', os.O_CREAT | os.O_WRONLY)",
            ),
            ("passwd", "writing('/etc/passwd')"),
            ("resolv", "writing('/etc/resolv.conf')"),
            ("root", "attempt(os.mkdir, '/planted')"),
            (
                "profile",
                "attempt(os.open, '/etc/profile.d/x.sh', os.O_CREAT | os.O_WRONLY)",
            ),
            ("home", "attempt(os.mkdir, os.environ['HOME'] + '/fine')"),
        ],
    );
    for (name, answer) in &found {
        assert_eq!(answer == "ok", name == "home", "{name}: {found:?}");
    }
    assert_eq!(found.len(), 9);
}

#[test]
fn what_is_planted_for_later_stays_in_the_workspace_and_harmless_by_itself() {
    // Chosen and stated: hooks and settings in the workspace are the operator's own files, which an
    // agent may edit like any other; what it can't do is leave something outside, or something that
    // acts with the operator's rights by itself.
    let jail = Jail::new().scratch();
    let script = "cd /workspace; mkdir -p .git/hooks .vscode; echo x > .git/hooks/pre-commit; \
                  chmod 755 .git/hooks/pre-commit; echo x > .envrc; echo x > ~/.bashrc";
    jail.shell(script).ok();
    let again = jail
        .run(&[
            "/bin/sh",
            "-c",
            "test -e ~/.bashrc && echo kept || echo gone",
        ])
        .ok();
    assert_eq!(again.text(), "gone", "the home folder outlived its jail");
    let mode = fs::metadata(jail.path(".git/hooks/pre-commit"))
        .unwrap()
        .mode();
    assert_eq!(mode & 0o7777, 0o755);
}
