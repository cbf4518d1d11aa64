//! What the shipped profiles decide, call by call, on both architectures.
//!
//! Not for: the compiler.

use super::*;
use crate::action::Action;
use crate::arch::Arch;
use crate::compile::{compile, compile_for};
use crate::data::Data;
use crate::profile::Profile;
use crate::purpose::Purpose;
use crate::syscalls;
use crate::verdict::verdict;

/// The figure that the agent profile promises, and the others keep.
const AGENT_INSTRUCTIONS_MAX: usize = 256;
/// `open` flags (asm-generic/fcntl.h).
const O_CREAT: u64 = 0o100;
const O_TMPFILE: u64 = 0o2020_0000;
const AT_FDCWD: u64 = 0xFFFF_FF9C;

fn profile(name: &str) -> Profile {
    Profile::parse(name, shipped(name).unwrap()).unwrap_or_else(|error| panic!("{error}"))
}

/// The answer on every architecture that has the call; they must be the same.
fn answer(profile: &Profile, call: &str, arguments: &[u64]) -> String {
    let mut all = [0; 6];
    all[..arguments.len()].copy_from_slice(arguments);
    let mut answers: Vec<String> = Arch::ALL
        .into_iter()
        .filter_map(|arch| Some((arch, syscalls::number(arch, call)?)))
        .map(|(arch, number)| verdict(profile, arch, &Data::new(arch, number, all)).to_string())
        .collect();
    answers.dedup();
    assert_eq!(answers.len(), 1, "{call} {arguments:x?}: {answers:?}");
    answers.remove(0)
}

fn expect(profile: &Profile, cases: &[(&str, &[u64], &str)]) {
    for (call, arguments, expected) in cases {
        assert_eq!(
            answer(profile, call, arguments),
            *expected,
            "{call} {arguments:x?}"
        );
    }
}

#[test]
fn every_shipped_profile_carries_its_name_and_compiles_for_every_architecture() {
    for name in names() {
        let profile = profile(name);
        assert_eq!(profile.name().to_string(), name);
        for arch in Arch::ALL {
            assert!(compile(&profile, arch).is_ok());
        }
    }
    assert_eq!(shipped("nobody"), None);
}

#[test]
fn every_profile_stays_within_the_promised_length_for_every_purpose() {
    for (name, arch, purpose) in names()
        .flat_map(|name| Arch::ALL.map(|arch| (name, arch)))
        .flat_map(|(name, arch)| Purpose::ALL.map(|purpose| (name, arch, purpose)))
    {
        let program = compile_for(&profile(name), arch, purpose).unwrap();
        let length = program.instructions().len();
        let label = format!("{name} {arch} {purpose}: {length}");
        assert!(length <= AGENT_INSTRUCTIONS_MAX, "{label}");
        assert!(length > 60, "{label}");
        println!("{label}");
    }
}

#[test]
fn the_agent_profile_gives_a_reason_for_every_known_call() {
    let agent = profile("agent");
    for (_, name) in Arch::ALL.into_iter().flat_map(syscalls::calls) {
        let named = agent.allowance_of(name).is_some() || agent.denials_of(name).next().is_some();
        assert!(named, "{name}");
    }
}

#[test]
fn the_agent_can_do_what_programs_and_its_init_need() {
    let calls = [
        "read",
        "execve",
        "execveat",
        "fork",
        "vfork",
        "wait4",
        "waitid",
        "kill",
        "ppoll",
        "recvmsg",
        "sendmsg",
        "setresuid",
        "setresgid",
        "setgroups",
        "signalfd4",
        "capset",
        "close_range",
        "setsid",
        "dup3",
        "chdir",
        "umask",
        "mkdirat",
        "memfd_create",
        "memfd_secret",
        "pidfd_open",
        "landlock_restrict_self",
        "seccomp",
        "epoll_pwait2",
        "statx",
        "futex_waitv",
        "getrandom",
    ];
    for call in calls {
        assert_eq!(answer(&profile("agent"), call, &[]), "allow", "{call}");
    }
    expect(
        &profile("agent"),
        &[
            ("clone", &[17], "allow"),             // fork: SIGCHLD
            ("clone", &[0x4111], "allow"),         // vfork
            ("clone", &[0x003D_0F00], "allow"),    // pthread_create
            ("prctl", &[4, 0], "allow"),           // PR_SET_DUMPABLE
            ("prctl", &[1, 9], "allow"),           // PR_SET_PDEATHSIG
            ("prctl", &[24, 21], "allow"),         // PR_CAPBSET_DROP
            ("prctl", &[47, 4], "allow"),          // PR_CAP_AMBIENT_CLEAR_ALL
            ("ioctl", &[0, 0x540E], "allow"),      // TIOCSCTTY
            ("ioctl", &[0, 0x8008_6601], "allow"), // FS_IOC_GETFLAGS
            ("personality", &[0xFFFF_FFFF], "allow"),
        ],
    );
}

#[test]
fn inode_flags_are_denied_by_every_door() {
    let agent = profile("agent");
    assert_eq!(answer(&agent, "file_setattr", &[]), "EPERM");
    for request in [0x4008_6602, 0x4004_6602, 0x401C_5820, 0x4008_6602 | 1 << 32] {
        assert_eq!(
            answer(&agent, "ioctl", &[0, request]),
            "EPERM",
            "{request:#x}"
        );
    }
    for request in [0x8008_6601, 0x801C_581F] {
        assert_eq!(
            answer(&agent, "ioctl", &[0, request]),
            "allow",
            "{request:#x}"
        );
    }
}

#[test]
fn namespaces_mounts_and_handles_are_denied() {
    for call in [
        "unshare",
        "setns",
        "mount",
        "umount2",
        "pivot_root",
        "chroot",
        "fsopen",
        "fsconfig",
        "fsmount",
        "open_tree",
        "open_tree_attr",
        "move_mount",
        "mount_setattr",
        "open_by_handle_at",
        "name_to_handle_at",
        "ptrace",
        "process_vm_readv",
        "process_vm_writev",
        "process_madvise",
        "pidfd_getfd",
        "kcmp",
        "keyctl",
        "add_key",
        "request_key",
        "bpf",
        "perf_event_open",
        "userfaultfd",
        "kexec_load",
        "init_module",
        "swapon",
        "settimeofday",
        "acct",
        "quotactl",
        "fanotify_init",
        "reboot",
        "modify_ldt",
    ] {
        assert_eq!(answer(&profile("agent"), call, &[]), "EPERM", "{call}");
    }
    for flag in [
        0x0002_0000,
        0x0200_0000,
        0x0400_0000,
        0x0800_0000,
        0x1000_0000,
        0x2000_0000,
        0x4000_0000,
        0x80,
    ] {
        let agent = profile("agent");
        assert_eq!(answer(&agent, "clone", &[flag | 17]), "EPERM", "{flag:#x}");
        assert_eq!(
            answer(&agent, "clone", &[flag | 0xF_0000_0000]),
            "EPERM",
            "{flag:#x}"
        );
    }
    assert_eq!(answer(&profile("agent"), "clone", &[17]), "allow");
}

#[test]
fn calls_that_hide_their_arguments_do_not_exist_so_that_libraries_fall_back() {
    for call in [
        "clone3",
        "openat2",
        "io_uring_setup",
        "io_uring_enter",
        "io_uring_register",
        "splice",
        "tee",
        "vmsplice",
    ] {
        assert_eq!(answer(&profile("agent"), call, &[]), "ENOSYS", "{call}");
    }
    for call in ["clone", "openat", "epoll_pwait", "sendfile"] {
        assert_eq!(answer(&profile("agent"), call, &[]), "allow", "{call}");
    }
}

#[test]
fn sockets_are_local_tcp_udp_ping_and_routing_only() {
    let flags = 0o200_4000; // SOCK_CLOEXEC | SOCK_NONBLOCK
    expect(
        &profile("agent"),
        &[
            ("socket", &[1, 1 | flags, 0], "allow"),
            ("socket", &[1, 5, 0], "allow"),
            ("socket", &[2, 1, 0], "allow"),
            ("socket", &[2, 1 | flags, 6], "allow"),
            ("socket", &[10, 2 | flags, 17], "allow"),
            ("socket", &[2, 2, 1], "allow"),
            ("socket", &[10, 2, 58], "allow"),
            ("socket", &[16, 3 | flags, 0], "allow"),
            ("socket", &[2, 3, 1], "EPERM"),
            ("socket", &[10, 3 | flags, 255], "EPERM"),
            ("socket", &[2, 10, 0], "EPERM"),
            ("socket", &[2, 1, 262], "EPROTONOSUPPORT"), // MPTCP, which Go asks for first
            ("socket", &[2, 1, 132], "EPROTONOSUPPORT"), // SCTP
            ("socket", &[2, 2, 136], "EPROTONOSUPPORT"), // UDP-Lite
            ("socket", &[2, 5, 132], "EPROTONOSUPPORT"),
            ("socket", &[2, 1, 1], "EPROTONOSUPPORT"),
            ("socket", &[10, 2, 1], "EPROTONOSUPPORT"),
            ("socket", &[16, 3, 6], "EPROTONOSUPPORT"), // NETLINK_XFRM
            ("socketpair", &[1, 1, 0], "allow"),
            ("socketpair", &[2, 1, 0], "EAFNOSUPPORT"),
        ],
    );
}

#[test]
fn every_other_address_family_is_unsupported_even_with_bits_in_the_upper_half() {
    for name in names() {
        let profile = profile(name);
        for family in (0..64).filter(|family| ![1, 2, 10, 16].contains(family)) {
            assert_eq!(
                answer(&profile, "socket", &[family, 1, 0]),
                "EAFNOSUPPORT",
                "{family}"
            );
            let disguised = family | 0x5_0000_0000;
            assert_eq!(
                answer(&profile, "socket", &[disguised, 1, 0]),
                "EAFNOSUPPORT",
                "{family}"
            );
        }
        let tcp = answer(&profile, "socket", &[2 | 0x5_0000_0000, 1, 0]);
        assert_eq!(tcp, if name == "strict" { "EACCES" } else { "allow" });
    }
}

#[test]
fn terminals_credentials_and_kernel_protocols_are_out_of_reach() {
    expect(
        &profile("agent"),
        &[
            ("ioctl", &[0, 0x5412], "EPERM"),
            ("ioctl", &[0, 0x5412 | 1 << 32], "EPERM"),
            ("ioctl", &[0, 0xFFFF_FFFF_0000_541C], "EPERM"),
            ("ioctl", &[0, 0x5423], "EPERM"),
            ("ioctl", &[0, 0x5413], "allow"),
            ("prctl", &[35, 1], "EPERM"),
            ("prctl", &[28, 1], "EPERM"),
            ("prctl", &[47, 2, 1], "EPERM"),
            ("prctl", &[15, 2], "allow"),
            ("setsockopt", &[3, 6, 31], "EPERM"),
            ("setsockopt", &[3, 17, 100], "EPERM"),
            ("setsockopt", &[3, 0, 17], "EPERM"),
            ("setsockopt", &[3, 41, 35], "EPERM"),
            ("setsockopt", &[3, 279, 1], "EPERM"),
            ("setsockopt", &[3, 6, 1], "allow"),
            ("setsockopt", &[3, 1, 31], "allow"),
            ("personality", &[0x0040_0000], "EPERM"),
            ("personality", &[0], "allow"),
        ],
    );
}

#[test]
fn no_way_of_making_a_file_takes_set_id_bits() {
    for name in names() {
        let profile = profile(name);
        for bits in [0o4755, 0o2755, 0o6000, 0o4000 | 1 << 32] {
            expect(
                &profile,
                &[
                    ("chmod", &[0, bits], "EPERM"),
                    ("fchmod", &[3, bits], "EPERM"),
                    ("fchmodat", &[AT_FDCWD, 0, bits], "EPERM"),
                    ("fchmodat2", &[AT_FDCWD, 0, bits, 0], "EPERM"),
                    ("mknod", &[0, 0o10_0000 | bits], "EPERM"),
                    ("mknodat", &[AT_FDCWD, 0, 0o10_0000 | bits], "EPERM"),
                    ("creat", &[0, bits], "EPERM"),
                    ("open", &[0, O_TMPFILE | 2, bits], "EPERM"),
                    ("open", &[0, O_CREAT | 1, bits], "EPERM"),
                    ("openat", &[AT_FDCWD, 0, O_CREAT | 1, bits], "EPERM"),
                    ("openat", &[AT_FDCWD, 0, O_TMPFILE | 2, bits], "EPERM"),
                    ("openat2", &[AT_FDCWD, 0, 0, 24], "ENOSYS"),
                ],
            );
        }
        expect(
            &profile,
            &[
                ("chmod", &[0, 0o1777], "allow"),
                ("fchmodat", &[AT_FDCWD, 0, 0o755], "allow"),
                ("open", &[0, O_CREAT | 1, 0o666], "allow"),
                ("openat", &[AT_FDCWD, 0, O_TMPFILE | 2, 0o600], "allow"),
                // Without O_CREAT the kernel ignores the mode, and libcs leave rubbish in it.
                ("open", &[0, 0, 0o6777], "allow"),
                ("openat", &[AT_FDCWD, 0, 0, u64::MAX], "allow"),
            ],
        );
    }
}

#[test]
fn the_agent_makes_files_fifos_and_sockets_but_no_devices() {
    for (kind, expected) in [
        (0, "allow"),
        (0o10_0000, "allow"),
        (0o01_0000, "allow"),
        (0o14_0000, "allow"),
        (0o02_0000, "EPERM"),
        (0o06_0000, "EPERM"),
        (0o04_0000, "EPERM"),
        (0o12_0000, "EPERM"),
    ] {
        let agent = profile("agent");
        assert_eq!(
            answer(&agent, "mknod", &[0, kind | 0o644]),
            expected,
            "{kind:o}"
        );
        assert_eq!(
            answer(&agent, "mknodat", &[AT_FDCWD, 0, kind | 0o644]),
            expected,
            "{kind:o}"
        );
    }
    assert_eq!(answer(&profile("agent"), "creat", &[0, 0o644]), "allow");
}

#[test]
fn numbers_that_no_kernel_assigns_and_newer_ones_look_unimplemented() {
    for arch in Arch::ALL {
        for number in [450, syscalls::newest(arch) + 1, 1000, 0x3FFF_FFFF] {
            let call = Data::new(arch, number, [0; 6]);
            let action = verdict(&profile("agent"), arch, &call).to_string();
            assert_eq!(action, if number == 450 { "EPERM" } else { "ENOSYS" });
        }
        // Numbers that the table skips.
        let call = Data::new(arch, 400, [0; 6]);
        assert_eq!(
            verdict(&profile("agent"), arch, &call),
            Action::Errno(crate::errno::Errno::ENOSYS)
        );
    }
}

#[test]
fn the_office_serves_and_relays_but_starts_nothing_and_touches_no_process() {
    let office = profile("office");
    expect(
        &office,
        &[
            ("splice", &[], "allow"),
            ("sendfile", &[], "allow"),
            ("epoll_pwait", &[], "allow"),
            ("accept4", &[], "allow"),
            ("fsync", &[], "allow"),
            ("memfd_create", &[], "allow"),
            ("clone", &[0x003D_0F00], "allow"),
            ("clone", &[17], "EPERM"),
            ("clone", &[0x003D_0F00 | 0x1000_0000], "EPERM"),
            ("clone3", &[], "ENOSYS"),
            ("io_uring_setup", &[], "ENOSYS"),
            ("socket", &[2, 2, 1], "EPROTONOSUPPORT"),
            ("socket", &[10, 1, 6], "allow"),
            ("ioctl", &[0, 0x5421], "allow"),
            ("ioctl", &[0, 0x5412], "EPERM"),
            ("prctl", &[4, 0], "allow"),
            ("prctl", &[4, 1], "EPERM"),
            ("prctl", &[22, 2], "EPERM"),
            ("prlimit64", &[0, 7], "allow"),
            ("prlimit64", &[1, 7], "EPERM"),
        ],
    );
    for call in [
        "execve",
        "execveat",
        "fork",
        "vfork",
        "ptrace",
        "process_vm_readv",
        "kill",
        "setresuid",
        "unshare",
        "bpf",
    ] {
        assert_eq!(answer(&office, call, &[]), "EPERM", "{call}");
    }
}

#[test]
fn strict_starts_one_program_and_then_neither_another_nor_a_connection() {
    let strict = profile("strict");
    let (exec, path) = (u64::from(crate::EXEC_DESCRIPTOR), crate::EXEC_PATH);
    expect(
        &strict,
        &[
            ("execveat", &[exec, path, 0, 0, 0x1000], "allow"),
            ("execveat", &[exec, path, 0, 0, 0], "EPERM"),
            ("execveat", &[exec, path, 0, 0, 0x1100], "EPERM"),
            ("execveat", &[exec - 1, path, 0, 0, 0x1000], "EPERM"),
            ("execveat", &[AT_FDCWD, path, 0, 0, 0x1000], "EPERM"),
            ("execveat", &[exec, 0, 0, 0, 0x1000], "EPERM"),
            ("execveat", &[exec, 0x7FFF_0000, 0, 0, 0x1000], "EPERM"),
            ("execveat", &[exec, path | 1 << 32, 0, 0, 0x1000], "EPERM"),
            ("execveat", &[exec, path | 1 << 56, 0, 0, 0x1000], "EPERM"),
            ("execve", &[], "EPERM"),
            ("clone", &[17], "allow"),
            ("socket", &[2, 1, 6], "EACCES"),
            ("socket", &[1, 1, 0], "EACCES"),
            ("socket", &[38, 5, 0], "EAFNOSUPPORT"),
            ("socketpair", &[1, 1, 0], "allow"),
            ("socketpair", &[1, 5 | 0o200_4000, 0], "allow"),
            ("socketpair", &[1, 2, 0], "EACCES"),
            ("socketpair", &[2, 1, 0], "EAFNOSUPPORT"),
            ("connect", &[], "EACCES"),
            ("listen", &[], "EACCES"),
            ("shmget", &[], "EPERM"),
            ("read", &[], "allow"),
            ("openat", &[AT_FDCWD, 0, 0], "allow"),
        ],
    );
}

#[test]
fn compute_places_memory_and_build_passes_messages_and_neither_has_the_others_calls() {
    let (compute, build, agent) = (profile("compute"), profile("build"), profile("agent"));
    for (call, expected) in [
        ("mbind", ["allow", "EPERM", "EPERM"]),
        ("msgget", ["EPERM", "allow", "allow"]),
        ("mq_open", ["EPERM", "EPERM", "allow"]),
        ("io_setup", ["EPERM", "EPERM", "allow"]),
        ("execve", ["allow", "allow", "allow"]),
        ("connect", ["allow", "allow", "allow"]),
    ] {
        let found = [&compute, &build, &agent].map(|profile| answer(profile, call, &[]));
        assert_eq!(found, expected, "{call}");
    }
    let ping: &[u64] = &[2, 2, 1];
    assert_eq!(answer(&agent, "socket", ping), "allow");
    assert_eq!(answer(&build, "socket", ping), "EPERM");
    assert_eq!(answer(&build, "socket", &[2, 1, 6]), "allow");
}

#[test]
fn optional_groups_are_off_and_each_can_be_switched_on() {
    let agent = profile("agent");
    for (group, call, off) in [
        ("debug", "ptrace", "EPERM"),
        ("numa", "set_mempolicy", "EPERM"),
        ("splice", "splice", "ENOSYS"),
        ("wine", "modify_ldt", "EPERM"),
    ] {
        assert_eq!(answer(&agent, call, &[]), off, "{call}");
        let text = format!(
            "version = 1\nname = \"own\"\ndescription = \"d\"\nextends = \"agent\"\nenable = [\"{group}\"]\n"
        );
        let own = Profile::parse("own", &text).unwrap();
        assert_eq!(answer(&own, call, &[]), "allow", "{call}");
        assert_eq!(answer(&own, "process_madvise", &[]), "EPERM");
    }
}

#[test]
fn each_vulnerability_has_one_date_and_the_recent_local_roots_are_among_them() {
    let mut dates = std::collections::BTreeMap::new();
    for name in names() {
        let profile = profile(name);
        for cve in profile.denials().iter().flat_map(|denial| denial.cves()) {
            let date = cve.published().to_owned();
            let known = dates.insert(cve.id().to_owned(), date.clone());
            assert!(known.is_none_or(|known| known == date), "{}", cve.id());
            let year = cve.id().split('-').nth(1).unwrap();
            assert!(cve.published() >= year, "{}", cve.id());
        }
    }
    let recent = dates.values().filter(|date| date.as_str() >= "2024");
    assert!(recent.count() >= 10, "{dates:?}");
}

#[test]
fn fallbacks_are_quiet_and_attacks_are_not() {
    let agent = profile("agent");
    let reported = |call: &str, arguments: &[u64]| {
        let mut all = [0; 6];
        all[..arguments.len()].copy_from_slice(arguments);
        let number = syscalls::number(Arch::X86_64, call).unwrap();
        let call = Data::new(Arch::X86_64, number, all);
        let action = crate::verdict::verdict_for(&agent, Arch::X86_64, &call, Purpose::Report);
        action == Action::Notify
    };
    for call in ["clone3", "openat2", "io_uring_setup", "splice", "mbind"] {
        assert!(!reported(call, &[]), "{call}");
    }
    for call in ["ptrace", "mount", "bpf", "keyctl", "unshare", "setns"] {
        assert!(reported(call, &[]), "{call}");
    }
    assert!(reported("socket", &[38, 5, 0]) && reported("socket", &[2, 1, 132]));
    assert!(!reported("socket", &[2, 1, 262]) && reported("chmod", &[0, 0o4755]));
}
