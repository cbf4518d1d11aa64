//! Decisions against the model, and what they say of their rule.
//!
//! Not for: how they are shown.

use super::*;
use crate::arch::X32_BIT;
use crate::classes::Space;
use crate::embedded;
use crate::verdict::verdict;

fn shipped() -> impl Iterator<Item = Profile> {
    embedded::names().map(|name| Profile::parse(name, embedded::shipped(name).unwrap()).unwrap())
}

#[test]
fn decisions_give_the_same_action_as_the_model_for_every_number_and_class() {
    for profile in shipped() {
        for arch in Arch::ALL {
            for number in (0..1024).chain((0..1024).map(|number| number | X32_BIT)) {
                let lists = match syscalls::name(arch, number) {
                    Some(name) => {
                        let space = Space::of(&[&profile], arch, name).unwrap();
                        let points = space.points();
                        points.iter().map(|point| space.arguments(point)).collect()
                    }
                    None => vec![[0; ARGUMENTS]],
                };
                for arguments in lists {
                    let call = Data::new(arch, number, arguments);
                    let decision = decide(&profile, arch, &call);
                    assert_eq!(decision.action, verdict(&profile, arch, &call), "{call:x?}");
                }
            }
        }
    }
}

#[test]
fn every_decision_by_a_rule_names_a_line_that_holds_the_call() {
    for profile in shipped().filter(|profile| profile.lineage().len() == 1) {
        let text = embedded::shipped(&profile.name().to_string()).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let mut ruled = 0;
        for (number, name) in syscalls::calls(Arch::X86_64) {
            let call = Data::new(Arch::X86_64, number, [0; ARGUMENTS]);
            let decision = decide(&profile, Arch::X86_64, &call);
            let Some(rule) = decision.rule else {
                assert_eq!(decision.ground, Ground::Unnamed, "{name}");
                continue;
            };
            ruled += 1;
            assert!(
                lines[rule.line - 1].contains(&format!("\"{name}\"")),
                "{name}: {rule}"
            );
            assert!(text.contains(&rule.why), "{name}");
        }
        assert!(ruled > 100, "{ruled}");
    }
}

#[test]
fn other_entries_and_second_abis_are_told_apart_from_unknown_numbers() {
    let profile = shipped().next().unwrap();
    let ground = |call: &Data| decide(&profile, Arch::X86_64, call).ground;
    let plain = Data::new(Arch::X86_64, 1000, [0; ARGUMENTS]);
    assert_eq!(ground(&plain), Ground::Unknown);
    let x32 = Data {
        number: X32_BIT,
        ..plain
    };
    assert_eq!(ground(&x32), Ground::SecondAbi);
    let foreign = Data {
        arch: Arch::Aarch64.audit(),
        ..plain
    };
    assert_eq!(ground(&foreign), Ground::Foreign);
}
