//! Profiles proposed from what was seen.
//!
//! Not for: reading traces.

use sheriff_seccomp::coverage::{self, Observed};
use sheriff_seccomp::proposal::{Proposal, propose};
use sheriff_seccomp::{Arch, Data, Profile, embedded, shipped, syscalls, verdict};

const THREADS: &str = include_str!("../data/strace-threads.log");

fn base(name: &str) -> Profile {
    Profile::parse(name, shipped(name).unwrap()).unwrap()
}

fn seen(text: &str) -> Observed {
    coverage::strace("s", text, Arch::X86_64).unwrap()
}

fn proposed(profile: &str, text: &str) -> Proposal {
    propose(
        &base(profile),
        &"smaller".parse().unwrap(),
        Arch::X86_64,
        &seen(text),
    )
}

fn parsed(proposal: &Proposal) -> Profile {
    Profile::parse("smaller.toml", &proposal.text)
        .unwrap_or_else(|error| panic!("{error}\n{}", proposal.text))
}

#[test]
fn a_proposal_parses_and_allows_what_was_seen_and_the_floor_and_nothing_else() {
    for name in embedded::names() {
        let proposal = proposed(name, THREADS);
        let (base, child) = (base(name), parsed(&proposal));
        assert_eq!(
            child.check_floor().is_ok(),
            base.check_floor().is_ok(),
            "{name}"
        );
        let observed = seen(THREADS);
        let mut fewer = 0;
        for (number, call) in syscalls::calls(Arch::X86_64) {
            let data = Data::new(Arch::X86_64, number, [0; 6]);
            let before = verdict(&base, Arch::X86_64, &data);
            let after = verdict(&child, Arch::X86_64, &data);
            if observed.calls.contains_key(call) {
                assert_eq!(before, after, "{name} {call}");
            } else if before != after {
                assert!(!after.permits(), "{name} {call}");
                fewer += u32::from(before.permits());
            }
        }
        assert!(fewer > 50, "{name}: {fewer}");
    }
}

#[test]
fn counts_and_reasons_stand_beside_the_calls() {
    let proposal = proposed("agent", THREADS);
    let lines: Vec<&str> = proposal.text.lines().collect();
    let line = |start: &str| {
        lines
            .iter()
            .find(|line| line.trim().starts_with(start))
            .unwrap()
    };
    assert!(line("\"getrandom\"").ends_with("# once"));
    assert!(line("\"rt_sigprocmask\"").contains(" times"));
    assert!(line("\"recvmsg\"").ends_with("# not seen, but the jail's first process needs it"));
    assert!(proposal.text.contains("extends = \"agent\""));
    let kept = lines.iter().filter(|line| line.starts_with("  \"")).count();
    assert_eq!(kept, proposal.kept);
}

#[test]
fn a_proposal_has_a_reason_for_what_it_keeps_and_its_own_shape_is_no_fault() {
    for name in embedded::names() {
        let child = parsed(&proposed(name, THREADS));
        let findings = sheriff_seccomp::lint::lint(&child).unwrap();
        assert_eq!(findings, [], "{name}");
    }
    let text = proposed("agent", THREADS).text;
    let reasons = text.matches("\nwhy = \"").count();
    assert_eq!(text.matches("[[keep]]").count(), reasons);
    assert!(reasons > 5, "{text}");
    // Positive control: what somebody took out by hand is still asked about.
    let by_hand =
        "version = 1\nname = \"t\"\ndescription = \"d\"\nextends = \"agent\"\ndrop = [\"openat\"]";
    let child = Profile::parse("t.toml", by_hand).unwrap();
    let findings = sheriff_seccomp::lint::lint(&child).unwrap();
    assert!(
        findings
            .iter()
            .any(|one| one.text.starts_with("openat is refused where"))
    );
}

#[test]
fn what_the_parent_refuses_stays_refused_and_is_listed() {
    let proposal = proposed("agent", "1 mount(NULL) = 0\n1 read(0, 0, 0) = 0\n");
    let refused: Vec<&str> = proposal
        .refused
        .iter()
        .map(|one| one.call.as_str())
        .collect();
    assert_eq!(refused, ["mount"]);
    assert!(!proposal.text.contains("\"mount\""));
    assert!(proposal.text.contains("\"read\""));
}

#[test]
fn a_call_of_an_optional_group_switches_the_group_on() {
    let proposal = proposed(
        "agent",
        "1 ptrace(PTRACE_TRACEME) = 0\n1 read(0, 0, 0) = 0\n",
    );
    assert_eq!(proposal.enabled, ["debug"]);
    let child = parsed(&proposal);
    let (comment, _) = proposal.text.split_once("\nenable = ").unwrap();
    for word in [
        "debug is on, as ptrace was seen",
        "opens ptrace, process_vm_readv",
        "Its reason: Debuggers",
    ] {
        assert!(comment.contains(word), "{comment}");
    }
    let allowed = |profile: &Profile, call: &str| {
        let number = syscalls::number(Arch::X86_64, call).unwrap();
        verdict(
            profile,
            Arch::X86_64,
            &Data::new(Arch::X86_64, number, [0; 6]),
        )
        .permits()
    };
    assert!(allowed(&child, "ptrace") && !allowed(&base("agent"), "ptrace"));
    assert!(!allowed(&child, "process_vm_readv"), "only what was seen");
}
