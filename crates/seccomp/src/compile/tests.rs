//! The compiled program against the model, over numbers, architectures and arguments.
//!
//! Not for: what the shipped profiles should decide; `embedded` tests that.

mod generated;

use super::*;
use crate::corpus;
use crate::data::Data;
use crate::embedded;
use crate::profile::Denial;
use crate::simulate::simulate;
use crate::verdict::verdict_for;

/// `AUDIT_ARCH_*` of i386, arm, riscv64, big-endian arm64, and nonsense.
const FOREIGN: [u32; 6] = [
    0x4000_0003,
    0x4000_0028,
    0xC000_00F3,
    0x8000_00B7,
    0,
    u32::MAX,
];

fn shipped() -> impl Iterator<Item = (Profile, Arch)> {
    let profiles = embedded::names().map(|name| {
        Profile::parse(name, embedded::shipped(name).unwrap()).unwrap_or_else(|e| panic!("{e}"))
    });
    profiles.flat_map(|profile| Arch::ALL.map(|arch| (profile.clone(), arch)))
}

fn read(text: &str) -> Profile {
    Profile::parse("test", text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// A profile's program for one architecture and purpose.
struct Subject {
    profile: Profile,
    arch: Arch,
    purpose: Purpose,
    program: Program,
}

impl Subject {
    fn new(profile: Profile, arch: Arch, purpose: Purpose) -> Self {
        let program = compile_for(&profile, arch, purpose).unwrap_or_else(|e| panic!("{e}"));
        Self {
            profile,
            arch,
            purpose,
            program,
        }
    }

    /// Every shipped profile on every architecture for every purpose.
    fn all() -> impl Iterator<Item = Self> {
        shipped().flat_map(|(profile, arch)| {
            Purpose::ALL.map(|purpose| Self::new(profile.clone(), arch, purpose))
        })
    }

    /// Runs the program and asks the model.
    fn agree(&self, call: &Data) -> Action {
        let expected = verdict_for(&self.profile, self.arch, call, self.purpose);
        assert_eq!(
            simulate(&self.program, call),
            Ok(expected),
            "{} {} {} {call:x?}",
            self.profile.name(),
            self.arch,
            self.purpose
        );
        expected
    }

    /// What the program takes place for: calls that are permitted, or noted while recording.
    fn lets_through(&self, action: Action) -> bool {
        match self.purpose {
            Purpose::Enforce | Purpose::Report => action.permits(),
            Purpose::Record => action == Action::Notify,
        }
    }
}

#[test]
fn every_number_agrees_with_the_model_with_and_without_the_x32_bit() {
    for subject in Subject::all() {
        let mut through = 0;
        for number in 0..1024 {
            for arguments in [[0; 6], [u64::MAX; 6], [1, 2, 3, 4, 5, 6]] {
                let plain = Data::new(subject.arch, number, arguments);
                let action = subject.agree(&plain);
                through += u32::from(subject.lets_through(action));
                let x32 = Data::new(subject.arch, number | crate::arch::X32_BIT, arguments);
                let action = subject.agree(&x32);
                assert!(!subject.lets_through(action), "{number} {action}");
            }
        }
        assert!(through > 300, "{through}");
        for number in [1024, 0x3FFF_FFFF, 0x8000_0000, 0xBFFF_FFFF, u32::MAX] {
            let action = subject.agree(&Data::new(subject.arch, number, [0; 6]));
            assert!(!subject.lets_through(action), "{number} {action}");
        }
    }
}

#[test]
fn foreign_architectures_are_fatal_whatever_the_number_and_left_to_the_listener_by_reports_alone() {
    for subject in Subject::all() {
        let other = Arch::ALL.into_iter().find(|other| *other != subject.arch);
        for audit in FOREIGN.into_iter().chain(other.map(Arch::audit)) {
            for number in 0..1024 {
                let mut call = Data::new(subject.arch, number, [0; 6]);
                call.arch = audit;
                let fatal = match subject.purpose {
                    Purpose::Report => Action::Notify,
                    Purpose::Enforce | Purpose::Record => Action::KillProcess,
                };
                assert_eq!(subject.agree(&call), fatal);
            }
        }
        let exit = syscalls::number(subject.arch, "exit_group").unwrap();
        let native = Data::new(subject.arch, exit, [0; 6]);
        let action = subject.agree(&native);
        assert!(subject.lets_through(action));
    }
}

#[test]
fn boundary_arguments_agree_with_the_model_in_both_halves() {
    for subject in Subject::all() {
        let mut told_apart = 0;
        for (number, name) in syscalls::calls(subject.arch) {
            let corpus = corpus::arguments(&subject.profile, name);
            let mut seen = std::collections::BTreeSet::new();
            for arguments in &corpus {
                seen.insert(subject.agree(&Data::new(subject.arch, number, *arguments)));
            }
            told_apart += u32::from(seen.len() > 1);
            let one = seen.len() == 1 && corpus.len() > 1 && subject.purpose == Purpose::Enforce;
            // Denied for some arguments and for all others, with the same error.
            let ended = subject
                .profile
                .denials_on(subject.arch, name)
                .any(Denial::is_total);
            assert!(
                !one || ended,
                "{name}: the corpus meets one outcome only: {seen:?}"
            );
        }
        assert!(told_apart >= 10, "{told_apart}");
    }
}

#[test]
fn the_word_that_hands_over_the_listener_never_waits_for_it() {
    for (profile, arch) in shipped() {
        let record = Subject::new(profile.clone(), arch, Purpose::Record);
        let number = syscalls::number(arch, "sendmsg").unwrap();
        let first = |value: u64| Data::new(arch, number, [value, 0, 0, 0, 0, 0]);
        let descriptor = u64::from(RECORD_DESCRIPTOR);
        assert_eq!(record.agree(&first(descriptor)), Action::Allow);
        assert_eq!(record.agree(&first(descriptor | 7 << 32)), Action::Allow);
        for other in [0, descriptor - 1, descriptor + 1, descriptor << 32] {
            assert_eq!(record.agree(&first(other)), Action::Notify, "{other:#x}");
        }
        let other = syscalls::number(arch, "recvmsg").unwrap();
        let other = Data::new(arch, other, [descriptor, 0, 0, 0, 0, 0]);
        assert_eq!(record.agree(&other), Action::Notify);
    }
}

#[test]
fn a_report_changes_the_answer_of_denials_alone_and_only_of_loud_ones() {
    let rules = "version = 1\nname = \"t\"\ndescription = \"d\"\n\
        [[allow]]\nwhy = \"w\"\ncalls = [\"read\"]\n\
        [[allow]]\nwhy = \"w\"\ncalls = [\"write\"]\nlog = true\n\
        [[allow]]\nwhy = \"w\"\ncalls = [\"ioctl\"]\nquiet = true\notherwise = \"EACCES\"\nwhen = [[{ arg = 1, width = 32, in = [1] }]]\n\
        [[allow]]\nwhy = \"w\"\ncalls = [\"fcntl\"]\notherwise = \"EACCES\"\nwhen = [[{ arg = 1, width = 32, in = [1] }]]\n\
        [[deny]]\nwhy = \"w\"\ncalls = [\"clone3\"]\nerrno = \"ENOSYS\"\nquiet = true\n\
        [[deny]]\nwhy = \"w\"\ncalls = [\"bpf\"]\nerrno = \"EPERM\"\n\
        [[deny]]\nwhy = \"w\"\ncalls = [\"reboot\"]\nkill = true\n\
        [[deny]]\nwhy = \"w\"\ncalls = [\"ptrace\"]\ntrap = true\n";
    let profile = read(rules);
    for arch in Arch::ALL {
        let answers = |call: &str| {
            let call = Data::new(arch, syscalls::number(arch, call).unwrap(), [0; 6]);
            Purpose::ALL.map(|purpose| {
                let subject = Subject::new(profile.clone(), arch, purpose);
                subject.agree(&call).to_string()
            })
        };
        for (call, expected) in [
            ("read", ["allow", "allow", "notify"]),
            ("write", ["log", "log", "notify"]),
            ("ioctl", ["EACCES", "EACCES", "allow"]),
            ("fcntl", ["EACCES", "notify", "allow"]),
            ("clone3", ["ENOSYS", "ENOSYS", "allow"]),
            ("bpf", ["EPERM", "notify", "allow"]),
            ("reboot", ["kill", "notify", "allow"]),
            ("ptrace", ["trap", "trap", "allow"]),
            ("mount", ["EPERM", "notify", "allow"]), // named nowhere
        ] {
            assert_eq!(answers(call), expected, "{call}");
        }
        let newer = Data::new(arch, 400, [0; 6]);
        let report = Subject::new(profile.clone(), arch, Purpose::Report);
        assert_eq!(report.agree(&newer), Action::Errno(Errno::ENOSYS));
    }
}

/// Many different guarded calls, so that the tree spans more than a comparison can jump.
fn sprawling(conditions: usize) -> String {
    let mut text = "version = 1\nname = \"big\"\ndescription = \"far jumps\"\n".to_owned();
    for (number, name) in syscalls::calls(Arch::X86_64) {
        let tests: Vec<String> = (0..conditions)
            .map(|at| {
                format!(
                    "[{{arg={}, width=64, in=[{}, {}]}}]",
                    at % 6,
                    number,
                    (at + 1) << 33
                )
            })
            .collect();
        text += &format!(
            "[[allow]]\nwhy = \"w\"\ncalls = [\"{name}\"]\notherwise = \"EACCES\"\nwhen = [{}]\n",
            tests.join(",")
        );
    }
    text
}

#[test]
fn jumps_beyond_the_eight_bits_of_a_comparison_arrive() {
    let subject = Subject::new(read(&sprawling(1)), Arch::X86_64, Purpose::Enforce);
    assert!(subject.program.instructions().len() > 1500);
    for (number, name) in syscalls::calls(Arch::X86_64) {
        for arguments in corpus::arguments(&subject.profile, name) {
            subject.agree(&Data::new(Arch::X86_64, number, arguments));
        }
    }
}

#[test]
fn refuses_a_program_longer_than_the_kernel_takes() {
    let profile = read(&sprawling(6));
    let result = compile(&profile, Arch::X86_64);
    assert!(
        matches!(result, Err(CompileError::TooLong { instructions, .. }) if instructions > INSTRUCTIONS_MAX),
        "{result:?}"
    );
    let told = result.unwrap_err().to_string();
    assert!(told.starts_with(profile.file()), "{told}");
    assert!(!profile.file().is_empty());
}

#[test]
fn the_same_profile_gives_the_same_program_and_another_one_another() {
    let mut hashes = std::collections::BTreeSet::new();
    for subject in Subject::all() {
        let again = compile_for(&subject.profile.clone(), subject.arch, subject.purpose);
        assert_eq!(subject.program.hash(), again.unwrap().hash());
        hashes.insert(subject.program.hash());
    }
    assert_eq!(hashes.len(), 2 * 3 * embedded::names().count());
}

#[test]
fn no_path_leaves_the_program_and_nothing_is_unreachable() {
    for subject in Subject::all() {
        let code = subject.program.instructions();
        let mut reached = vec![false; code.len()];
        reached[0] = true;
        for (at, instruction) in code.iter().enumerate() {
            assert!(reached[at], "{} {at}", subject.arch);
            let (jt, jf) = (usize::from(instruction.jt), usize::from(instruction.jf));
            match instruction.code {
                operation::RETURN => {}
                operation::JUMP => reached[at + 1 + usize::try_from(instruction.k).unwrap()] = true,
                operation::LOAD | operation::AND => reached[at + 1] = true,
                _ => {
                    reached[at + 1 + jt] = true;
                    reached[at + 1 + jf] = true;
                }
            }
        }
    }
}
