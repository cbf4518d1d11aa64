//! The compiled program against the model, over numbers, architectures and arguments.
//!
//! Not for: what the shipped profiles should decide; `embedded` tests that.

mod corpus;
mod generated;

use super::*;
use crate::data::Data;
use crate::embedded;
use crate::simulate::simulate;
use crate::verdict::verdict;

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

/// Runs the program and asks the model.
fn agree(profile: &Profile, arch: Arch, program: &Program, call: &Data) -> Action {
    let expected = verdict(profile, arch, call);
    assert_eq!(
        simulate(program, call),
        Ok(expected),
        "{} {arch} {call:x?}",
        profile.name()
    );
    expected
}

#[test]
fn every_number_agrees_with_the_model_with_and_without_the_x32_bit() {
    for (profile, arch) in shipped() {
        let program = compile(&profile, arch).unwrap();
        let mut allowed = 0;
        for number in 0..1024 {
            for arguments in [[0; 6], [u64::MAX; 6], [1, 2, 3, 4, 5, 6]] {
                let plain = Data::new(arch, number, arguments);
                allowed += u32::from(agree(&profile, arch, &program, &plain) == Action::Allow);
                let x32 = Data::new(arch, number | crate::arch::X32_BIT, arguments);
                assert_ne!(agree(&profile, arch, &program, &x32), Action::Allow);
            }
        }
        assert!(allowed > 300, "{allowed}");
        for number in [1024, 0x3FFF_FFFF, 0x8000_0000, 0xBFFF_FFFF, u32::MAX] {
            let beyond = Data::new(arch, number, [0; 6]);
            assert_ne!(agree(&profile, arch, &program, &beyond), Action::Allow);
        }
    }
}

#[test]
fn foreign_architectures_are_killed_whatever_the_number() {
    for (profile, arch) in shipped() {
        let program = compile(&profile, arch).unwrap();
        let other = Arch::ALL.into_iter().find(|other| *other != arch);
        for audit in FOREIGN.into_iter().chain(other.map(Arch::audit)) {
            for number in 0..1024 {
                let mut call = Data::new(arch, number, [0; 6]);
                call.arch = audit;
                assert_eq!(agree(&profile, arch, &program, &call), Action::KillProcess);
            }
        }
        let exit = syscalls::number(arch, "exit_group").unwrap();
        let native = Data::new(arch, exit, [0; 6]);
        assert_eq!(agree(&profile, arch, &program, &native), Action::Allow);
    }
}

#[test]
fn boundary_arguments_agree_with_the_model_in_both_halves() {
    for (profile, arch) in shipped() {
        let program = compile(&profile, arch).unwrap();
        let mut checked = 0;
        for (number, name) in syscalls::calls(arch) {
            let corpus = corpus::arguments(&profile, name);
            let mut seen = std::collections::BTreeSet::new();
            for arguments in &corpus {
                let call = Data::new(arch, number, *arguments);
                seen.insert(agree(&profile, arch, &program, &call));
            }
            if corpus.len() > 1 {
                checked += 1;
                assert!(
                    seen.len() > 1,
                    "{name}: the corpus meets one outcome only: {seen:?}"
                );
            }
        }
        assert!(checked >= 10, "{checked}");
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
    let profile = read(&sprawling(1));
    let program = compile(&profile, Arch::X86_64).unwrap();
    assert!(program.instructions().len() > 1500);
    for (number, name) in syscalls::calls(Arch::X86_64) {
        for arguments in corpus::arguments(&profile, name) {
            agree(
                &profile,
                Arch::X86_64,
                &program,
                &Data::new(Arch::X86_64, number, arguments),
            );
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
}

#[test]
fn the_same_profile_gives_the_same_program_and_another_one_another() {
    let mut hashes = std::collections::BTreeSet::new();
    for (profile, arch) in shipped() {
        let program = compile(&profile, arch).unwrap();
        assert_eq!(
            program.hash(),
            compile(&profile.clone(), arch).unwrap().hash()
        );
        hashes.insert(program.hash());
    }
    assert_eq!(hashes.len(), 4);
}

#[test]
fn no_path_leaves_the_program_and_nothing_is_unreachable() {
    for (profile, arch) in shipped() {
        let program = compile(&profile, arch).unwrap();
        let code = program.instructions();
        let mut reached = vec![false; code.len()];
        reached[0] = true;
        for (at, instruction) in code.iter().enumerate() {
            assert!(reached[at], "{arch} {at}");
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
