//! What a jail would like to leave behind, or to find: set-ID files, devices, hooks, Sheriff's own files.
//!
//! Not for: reading (`files`).

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use super::probe::{Probe, ask, compare, on_host};
use crate::harness::Jail;

const PLANTED: [Probe; 19] = [
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

#[test]
fn set_id_bits_and_devices_can_not_be_planted_in_the_workspace() {
    let jail = Jail::new().file("plain", "#!/bin/sh\n");
    let setup = "
os.chdir('/workspace' if os.path.isdir('/workspace') else __import__('tempfile').mkdtemp())
open('plain', 'w').close()
AT = -100
how = ctypes.create_string_buffer(struct.pack('QQQ', os.O_CREAT | os.O_WRONLY, 0o4755, 0))
fd = os.open('plain', os.O_RDWR)";
    compare(&jail, setup, &PLANTED);
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
