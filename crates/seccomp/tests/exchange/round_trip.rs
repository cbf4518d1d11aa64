//! Profiles exported and imported again.
//!
//! Not for: what runtimes make of an exported profile.

use std::collections::BTreeSet;

use serde_json::Value;
use sheriff_seccomp::condition::{Condition, Test};
use sheriff_seccomp::export::{self, Divergence};
use sheriff_seccomp::{
    Action, Arch, Data, Errno, Profile, compile, embedded, import, shipped, syscalls, verdict,
};

use crate::evaluator::Policy;
use crate::{around, parsed, request};

fn profiles() -> Vec<(&'static str, Profile)> {
    let read = |name| (name, Profile::parse(name, shipped(name).unwrap()).unwrap());
    embedded::names().map(read).collect()
}

/// Values around every edge that the profile's conditions on an argument draw.
fn edges(profile: &Profile, arch: Arch, call: &str, index: usize) -> BTreeSet<u64> {
    let guard = profile
        .allowance_on(arch, call)
        .and_then(|rule| rule.guard());
    let allowing = guard.into_iter().flat_map(|guard| guard.alternatives());
    let denying = profile.denials_on(arch, call).flat_map(|rule| rule.when());
    let own = allowing.chain(denying).flatten();
    let own = own.filter(|one| one.argument() == index);
    own.flat_map(named).flat_map(around).collect()
}

fn named(condition: &Condition) -> Vec<u64> {
    let mut values = match condition.test() {
        Test::In(values) | Test::NotIn(values) => values.clone(),
        Test::Between(low, high) | Test::Outside(low, high) => vec![*low, *high],
    };
    values.push(condition.mask());
    values
}

/// Argument lists of a call: all combinations of edges, thinned out evenly.
fn corpus(profile: &Profile, arch: Arch, call: &str) -> Vec<[u64; 6]> {
    let mut lists = vec![[0x5A5A_5A5A_A5A5_A5A5; 6]];
    for index in 0..6 {
        let values = edges(profile, arch, call, index);
        if values.is_empty() {
            continue;
        }
        let with = |list: &[u64; 6], value: u64| {
            let mut list = *list;
            list[index] = value;
            list
        };
        lists = lists
            .iter()
            .flat_map(|list| values.iter().map(move |value| with(list, *value)))
            .collect();
        let step = lists.len().div_ceil(600);
        lists = lists.into_iter().step_by(step).collect();
    }
    lists
}

/// Whether the export said that these arguments get ENOSYS in place of another error.
fn stated(exported: &export::Exported, call: &str, arguments: &[u64; 6]) -> bool {
    let remote = arguments.iter().any(|value| *value > 0xFFFF);
    exported.divergences.iter().any(|one| match one {
        Divergence::Remote { call: of } => *of == call && remote,
        Divergence::Answer { call: of, .. } => *of == call,
        _ => false,
    })
}

#[test]
fn exported_json_says_what_the_profile_says_for_every_call() {
    for (name, profile) in profiles() {
        for arch in Arch::ALL {
            let exported = export::oci(&profile, &[arch]).unwrap();
            let json: Value = serde_json::from_str(&exported.text).unwrap();
            let policy = Policy {
                json: &json,
                capabilities: &[],
                arch: "",
            };
            for (number, call) in syscalls::calls(arch) {
                let rules = policy.rules(call);
                for arguments in corpus(&profile, arch, call) {
                    let ours = verdict(&profile, arch, &Data::new(arch, number, arguments));
                    let ours = match ours {
                        Action::Errno(errno) => {
                            format!("errno {}", errno.number())
                        }
                        other => other.to_string(),
                    };
                    let theirs = rules.answer(&arguments);
                    if theirs == "errno 38" && stated(&exported, call, &arguments) {
                        assert!(ours.starts_with("errno "), "{name} {call} {arguments:x?}");
                        continue;
                    }
                    assert_eq!(ours, theirs, "{name} {call} {arguments:x?}");
                }
            }
            assert_eq!(policy.answer("no_such_call", &[0; 6]), "errno 38");
        }
    }
}

#[test]
fn an_exported_profile_is_imported_with_the_same_verdicts_for_every_number() {
    for (name, profile) in profiles() {
        for arch in Arch::ALL {
            let exported = export::oci(&profile, &[arch]).unwrap();
            let made = import::oci("exported.json", &exported.text, &request(arch)).unwrap();
            assert_eq!(made.notes, [], "{name}");
            let again = parsed(&made.text);
            for number in 0..1024 {
                let call = syscalls::name(arch, number).unwrap_or_default();
                for arguments in corpus(&profile, arch, call) {
                    let data = Data::new(arch, number, arguments);
                    let (one, other) =
                        (verdict(&profile, arch, &data), verdict(&again, arch, &data));
                    if other != Action::Errno(Errno::ENOSYS) || !stated(&exported, call, &arguments)
                    {
                        assert_eq!(one, other, "{name} {call} {number} {arguments:x?}");
                    }
                }
            }
        }
    }
}

#[test]
fn docker_json_for_both_architectures_is_imported_for_each() {
    for (name, profile) in profiles() {
        let exported = export::docker(&profile, &Arch::ALL).unwrap();
        assert!(exported.text.contains("\"comment\""));
        for arch in Arch::ALL {
            let made = import::oci("docker.json", &exported.text, &request(arch)).unwrap();
            let again = parsed(&made.text);
            for (number, call) in syscalls::calls(arch) {
                for arguments in corpus(&profile, arch, call).into_iter().step_by(7) {
                    let data = Data::new(arch, number, arguments);
                    let (one, other) =
                        (verdict(&profile, arch, &data), verdict(&again, arch, &data));
                    if other != Action::Errno(Errno::ENOSYS) || !stated(&exported, call, &arguments)
                    {
                        assert_eq!(one, other, "{name} {call} {arguments:x?}");
                    }
                }
            }
        }
    }
}

#[test]
fn architectures_whose_rules_differ_share_a_docker_profile_but_no_list() {
    let text = "version = 1\nname = \"p\"\ndescription = \"d\"\n[[allow]]\nwhy = \"w\"\ncalls = [\"read\", \"execve\"]\n[[deny]]\nwhy = \"w\"\ncalls = [\"write\"]\nerrno = \"EACCES\"\narch = [\"aarch64\"]\n";
    let profile = parsed(text);
    let error = export::oci(&profile, &Arch::ALL).unwrap_err();
    assert_eq!(error, export::ExportError::Differs { call: "write" });
    assert!(export::oci(&profile, &[Arch::X86_64]).is_ok());
    let exported = export::docker(&profile, &Arch::ALL).unwrap();
    let json: Value = serde_json::from_str(&exported.text).unwrap();
    let answer = |arch| {
        let policy = Policy {
            json: &json,
            capabilities: &[],
            arch,
        };
        policy.answer("write", &[0; 6])
    };
    assert_eq!(
        (answer("amd64"), answer("arm64")),
        ("errno 1".to_owned(), "errno 13".to_owned())
    );
    for arches in [&[][..], &[Arch::X86_64, Arch::X86_64]] {
        assert_eq!(
            export::oci(&profile, arches).unwrap_err(),
            export::ExportError::Arches
        );
    }
}

#[test]
fn a_profile_that_no_command_can_start_under_says_so() {
    let with = |calls: &str| {
        let text = format!(
            "version = 1\nname = \"p\"\ndescription = \"d\"\n[[allow]]\nwhy = \"w\"\ncalls = [{calls}]\n"
        );
        export::oci(&parsed(&text), &[Arch::X86_64])
            .unwrap()
            .divergences
    };
    assert!(with("\"read\"").contains(&Divergence::NoExec));
    assert!(!with("\"execve\"").contains(&Divergence::NoExec));
}

#[test]
fn raw_programs_hold_the_hashed_instructions() {
    let (_, profile) = profiles().remove(0);
    let program = compile(&profile, Arch::X86_64).unwrap();
    let bytes = export::bpf(&program);
    assert_eq!(bytes.len(), program.instructions().len() * 8);
    assert_eq!(bytes[..8], program.instructions()[0].encode());
    let text = export::c_array(&program, "filter");
    assert!(text.contains(&program.hash()));
    assert_eq!(text.matches("\t{ 0x").count(), program.instructions().len());
}

#[test]
fn a_call_that_would_split_into_rules_without_end_is_refused_at_once() {
    let values: Vec<String> = (1..=60_u64)
        .map(|n| (n * 0x1234_5677).to_string())
        .collect();
    let profile = |arguments: usize| {
        let condition = |index: usize| {
            let values = values.join(", ");
            format!("{{ arg = {index}, width = 64, in = [{values}] }}")
        };
        let all: Vec<String> = (0..arguments).map(condition).collect();
        let text = format!(
            "version = 1\nname = \"made\"\ndescription = \"d\"\n[[allow]]\nwhy = \"w\"\n\
             calls = [\"read\"]\nwhen = [[{}]]\notherwise = \"EPERM\"\n",
            all.join(", ")
        );
        parsed(&text)
    };
    let refused = export::oci(&profile(6), &[Arch::X86_64]).unwrap_err();
    let place = refused.to_string();
    assert!(place.contains(":6: read needs more than"), "{place}");
    assert!(matches!(
        refused,
        export::ExportError::TooManyRules {
            call: "read",
            line: 6,
            ..
        }
    ));
    // One argument's blocks are few, and an error in their place is told.
    let made = export::oci(&profile(1), &[Arch::X86_64]).unwrap();
    assert!(made.text.contains("\"read\""));
}
