//! systemd's sets and lists, imported.
//!
//! Not for: JSON.

use std::collections::BTreeSet;

use sheriff_seccomp::import::{self, Difference, Imported, Sets};
use sheriff_seccomp::{Arch, Data, syscalls, verdict};

use crate::{parsed, request};

const SYSTEM_SERVICE: &str = include_str!("../data/systemd-system-service.txt");

fn imported(text: &str) -> Imported {
    import::systemd("unit", text, &Sets::shipped(), &request(Arch::X86_64))
        .unwrap_or_else(|error| panic!("{error}"))
}

fn answer(made: &Imported, call: &str) -> String {
    let number = syscalls::number(Arch::X86_64, call).unwrap();
    let call = Data::new(Arch::X86_64, number, [0; 6]);
    verdict(&parsed(&made.text), Arch::X86_64, &call).to_string()
}

fn allowed(made: &Imported) -> BTreeSet<&'static str> {
    let profile = parsed(&made.text);
    let calls = syscalls::calls(Arch::X86_64);
    calls
        .filter(|(number, _)| {
            let call = Data::new(Arch::X86_64, *number, [0; 6]);
            verdict(&profile, Arch::X86_64, &call).permits()
        })
        .map(|(_, name)| name)
        .collect()
}

#[test]
fn system_service_allows_what_systemd_lists_and_kills_the_rest() {
    let made = imported("@system-service");
    let listed: BTreeSet<&str> = SYSTEM_SERVICE
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter(|name| syscalls::number(Arch::X86_64, name).is_some())
        .collect();
    assert!(listed.len() > 270, "{}", listed.len());
    assert_eq!(allowed(&made), listed);
    assert_eq!(answer(&made, "mount"), "kill");
}

#[test]
fn later_lists_take_away_and_the_error_number_is_answered() {
    let unit = "[Service]\nExecStart=/bin/true\nSystemCallFilter=@system-service\nSystemCallFilter=~@privileged \\\n  @resources\nSystemCallFilter=mount\nSystemCallErrorNumber=EACCES\n";
    let made = imported(unit);
    for (call, expected) in [
        ("read", "allow"),
        ("chown", "EACCES"),
        ("mbind", "EACCES"),
        ("mount", "allow"),
        ("umount2", "EACCES"),
    ] {
        assert_eq!(answer(&made, call), expected, "{call}");
    }
    let inline = imported("@system-service ~@privileged ~@resources mount");
    assert_eq!(allowed(&inline), allowed(&made));
}

#[test]
fn deny_lists_refuse_each_call_with_its_own_answer() {
    let made = imported(
        "SystemCallFilter=~@keyring:EPERM ptrace bpf:38 mount:kill\nSystemCallErrorNumber=EINVAL\n",
    );
    for (call, expected) in [
        ("keyctl", "EPERM"),
        ("ptrace", "EINVAL"),
        ("bpf", "ENOSYS"),
        ("mount", "kill"),
        ("read", "allow"),
    ] {
        assert_eq!(answer(&made, call), expected, "{call}");
    }
}

#[test]
fn an_empty_setting_starts_over_and_a_first_word_decides_the_kind() {
    let made = imported("SystemCallFilter=~read\nSystemCallFilter=\nSystemCallFilter=write\n");
    assert_eq!(answer(&made, "write"), "allow");
    assert_eq!(answer(&made, "read"), "kill");
    // @default comes with every allow list.
    assert_eq!(answer(&made, "exit_group"), "allow");
    let mixed = imported("SystemCallFilter=~read write\nSystemCallFilter=read\n");
    assert_eq!(
        (answer(&mixed, "read"), answer(&mixed, "write")),
        ("allow".to_owned(), "kill".to_owned())
    );
}

#[test]
fn known_means_every_call_of_the_tables() {
    let made = imported("@known");
    let all: BTreeSet<_> = syscalls::calls(Arch::X86_64)
        .map(|(_, name)| name)
        .collect();
    assert_eq!(allowed(&made), all);
}

#[test]
fn what_has_no_effect_or_no_place_is_noted() {
    let made = imported(
        "SystemCallFilter=read ~write:EPERM sigreturn\nSystemCallArchitectures=native x86\nSystemCallLog=read\n",
    );
    let said: Vec<String> = made.notes.iter().map(ToString::to_string).collect();
    for part in [
        "line 1: \"~write:EPERM\": the error number has no effect",
        "line 1: \"sigreturn\" is no call",
        "line 2: \"x86\" may run",
        "line 3: \"SystemCallLog\" has no place",
    ] {
        assert!(
            said.iter().any(|note| note.starts_with(part)),
            "{part}: {said:?}"
        );
    }
    let unknown = Difference::UnknownNumbers {
        answer: sheriff_seccomp::Action::KillProcess,
    };
    assert!(made.notes.iter().any(|note| note.what == unknown));
}
