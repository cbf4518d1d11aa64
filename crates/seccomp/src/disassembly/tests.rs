//! Listings of the shipped programs and of small ones.
//!
//! Not for: whether the programs are right.

use super::*;
use crate::compile::compile;
use crate::embedded;
use crate::profile::Profile;
use crate::syscalls;

fn listing(arch: Arch) -> Listing {
    let agent = Profile::parse("agent", embedded::shipped("agent").unwrap()).unwrap();
    disassemble(&compile(&agent, arch).unwrap(), arch)
}

fn small(code: &[(u16, u8, u8, u32)]) -> Listing {
    let instruction = |(code, jt, jf, k): &(u16, u8, u8, u32)| Instruction {
        code: *code,
        jt: *jt,
        jf: *jf,
        k: *k,
    };
    let program = Program::from_instructions(code.iter().map(instruction).collect());
    disassemble(&program, Arch::X86_64)
}

#[test]
fn every_instruction_of_the_agent_is_listed_in_words_with_its_bytes() {
    for arch in Arch::ALL {
        let listing = listing(arch);
        assert!(listing.lines.len() > 100);
        let text = listing.to_string();
        assert!(text.contains(&listing.hash));
        assert!(
            !text.contains("unknown operation") && !text.contains("does not use"),
            "{text}"
        );
        assert!(
            text.contains("return errno EPERM")
                && text.contains("return kill")
                && text.contains("return allow")
        );
        for (index, line) in listing.lines.iter().enumerate() {
            assert_eq!(line.index, index);
            assert!(!line.text.is_empty());
        }
        assert_eq!(listing.lines[0].text, "A = arch");
        let name = if arch == Arch::X86_64 {
            "AUDIT_ARCH_X86_64"
        } else {
            "AUDIT_ARCH_AARCH64"
        };
        assert_eq!(listing.lines[1].comment.as_deref(), Some(name));
    }
}

#[test]
fn numbers_are_named_and_arguments_belong_to_the_calls_that_come_there() {
    for arch in Arch::ALL {
        let listing = listing(arch);
        let mut named = 0;
        let mut loads_number = false;
        for line in &listing.lines {
            loads_number |= line.text == "A = number";
            if loads_number
                && line.text.starts_with("if A ")
                && let Some(name) = &line.comment
            {
                named += usize::from(syscalls::number(arch, name) == Some(line.k));
            }
        }
        assert!(named > 10, "{named}");
        let comments: Vec<&str> = listing
            .lines
            .iter()
            .filter_map(|line| line.comment.as_deref())
            .collect();
        for expected in [
            "socket: family (argument 0)",
            "ioctl: cmd (argument 1)",
            "clone: flags (argument 0)",
        ] {
            assert!(comments.contains(&expected), "{expected}: {comments:?}");
        }
        assert!(!comments.contains(&"no call comes here"));
    }
}

#[test]
fn every_label_that_is_gone_to_stands_before_exactly_one_instruction() {
    let listing = listing(Arch::X86_64);
    let labels: Vec<&String> = listing
        .lines
        .iter()
        .filter_map(|line| line.label.as_ref())
        .collect();
    let unique: std::collections::BTreeSet<_> = labels.iter().collect();
    assert_eq!(unique.len(), labels.len());
    for line in &listing.lines {
        let words = line.text.split_whitespace().filter(|word| {
            word.strip_prefix('L')
                .is_some_and(|digits| digits.parse::<u32>().is_ok())
        });
        for word in words {
            assert!(labels.iter().any(|label| *label == word), "{word}");
        }
    }
}

#[test]
fn jumps_and_rare_operations_are_read_as_the_kernel_reads_them() {
    let listing = small(&[
        (0x20, 0, 0, 0),
        (0x15, 1, 0, 41),
        (0x05, 0, 0, 2),
        (0x20, 0, 0, 20),
        (0x06, 0, 0, 0x7FFF_0000),
        (0x06, 0, 0, 0x0005_0001),
    ]);
    let texts: Vec<&str> = listing
        .lines
        .iter()
        .map(|line| line.text.as_str())
        .collect();
    assert_eq!(
        texts,
        [
            "A = number",
            "if A == 0x29 goto L0 else next",
            "goto L1",
            "A = argument 0, high half",
            "return allow",
            "return errno EPERM"
        ]
    );
    assert_eq!(listing.lines[1].comment.as_deref(), Some("socket"));
    assert_eq!(listing.lines[3].label.as_deref(), Some("L0"));
    assert_eq!(
        listing.lines[3].comment.as_deref(),
        Some("socket: family (argument 0)")
    );
    assert_eq!(listing.lines[5].label.as_deref(), Some("L1"));

    let odd = small(&[
        (0x07, 0, 0, 0),
        (0x1D, 0, 9, 0),
        (0x28, 0, 0, 0),
        (0x06, 0, 0, 0x7FF0_0000),
    ]);
    assert_eq!(odd.lines[0].text, "X = A 0x0");
    assert!(
        odd.lines[1].text.starts_with("if A == X goto next else"),
        "{odd}"
    );
    assert_eq!(odd.lines[2].text, "unknown operation 0x0");
    assert!(odd.lines[3].text.contains("0x7ff00000"), "{odd}");
}
