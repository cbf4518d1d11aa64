//! Explanations of the shipped profiles, and of small ones.
//!
//! Not for: whether the profiles are right.

use super::*;
use crate::condition::ARGUMENTS;
use crate::data::Data;
use crate::decision::Ground;
use crate::embedded;
use crate::errno::Errno;
use crate::verdict::verdict;

fn agent() -> Profile {
    Profile::parse("agent.toml", embedded::shipped("agent").unwrap()).unwrap()
}

fn ask(call: &str, arguments: &[u64]) -> CallExplanation {
    explain_call(&agent(), Arch::X86_64, call, arguments).unwrap()
}

fn only(explanation: &CallExplanation) -> &Outcome {
    let [only] = explanation.outcomes.as_slice() else {
        panic!("{explanation}")
    };
    only
}

#[test]
fn a_denied_socket_family_is_explained_by_rule_condition_reason_and_cve() {
    let answer = ask("socket", &[38, 3, 0]);
    let outcome = only(&answer);
    assert_eq!(outcome.decision.action.to_string(), "EAFNOSUPPORT");
    assert_eq!(outcome.decision.ground, Ground::Denied);
    assert_eq!(
        outcome.because.as_deref(),
        Some("family (argument 0) is none of 1, 2, 10 and 16")
    );
    let rule = outcome.decision.rule.as_ref().unwrap();
    assert_eq!(rule.file, "agent.toml");
    let line = embedded::shipped("agent")
        .unwrap()
        .lines()
        .nth(rule.line - 1)
        .unwrap();
    assert!(line.contains("\"socket\""), "{line}");
    assert!(
        rule.cves.iter().any(|cve| cve.id == "CVE-2026-31431"),
        "{rule:?}"
    );
    let text = answer.to_string();
    assert!(text.contains("CVE-2026-31431 (2026"), "{text}");

    let unix = ask("socket", &[1, 1, 0]);
    assert_eq!(only(&unix).decision.action, Action::Allow);
    assert_eq!(
        only(&unix).because.as_deref(),
        Some("family (argument 0) is 1")
    );
}

#[test]
fn arguments_left_out_stay_open_and_those_given_narrow_the_outcomes() {
    let open = ask("socket", &[]);
    let actions: BTreeSet<Action> = open
        .outcomes
        .iter()
        .map(|one| one.decision.action)
        .collect();
    assert!(actions.len() >= 4, "{open}");
    assert!(open.outcomes.iter().all(|one| !one.when.is_empty()));
    for outcome in &open.outcomes {
        let call = Data::new(Arch::X86_64, open.number, outcome.example);
        assert_eq!(
            verdict(&agent(), Arch::X86_64, &call),
            outcome.decision.action
        );
    }
    let inet = ask("socket", &[2]);
    assert!(inet.outcomes.len() > 1 && inet.outcomes.len() < open.outcomes.len());
    assert!(inet.outcomes.iter().all(|one| one.example[0] == 2));
    // A family that is refused outright leaves nothing open.
    assert_eq!(ask("socket", &[40]).outcomes.len(), 1);
}

#[test]
fn numbers_without_a_name_and_second_abis_are_answered_too() {
    let unknown = ask("1000", &[1, 2]);
    assert_eq!(only(&unknown).decision.action, Action::Errno(Errno::ENOSYS));
    assert_eq!(only(&unknown).decision.ground, Ground::Unknown);
    let x32 = ask("0x40000029", &[]);
    assert_eq!(only(&x32).decision.action, Action::KillProcess);
    assert_eq!(ask("41", &[38]).call, Some("socket"));
}

#[test]
fn questions_without_an_answer_say_what_is_wrong_with_them() {
    let refused = |call: &str, arguments: &[u64]| {
        explain_call(&agent(), Arch::Aarch64, call, arguments)
            .unwrap_err()
            .to_string()
    };
    assert_eq!(refused("open", &[]), "aarch64 has no system call open");
    assert!(refused("opne", &[]).contains("\"opne\""));
    assert!(refused("0x1ffffffff", &[]).contains("neither"));
    assert!(refused("read", &[0; 7]).contains('7'));
    assert!(explain_call(&agent(), Arch::Aarch64, "read", &[0; 6]).is_ok());
}

#[test]
fn arguments_are_read_as_people_write_them() {
    for (text, value) in [
        ("38", 38),
        ("0x7E02_0080", 0x7E02_0080),
        ("0o6000", 0o6000),
        ("0b101", 5),
        ("-100", 0xFFFF_FFFF_FFFF_FF9C),
        ("18446744073709551615", u64::MAX),
    ] {
        assert_eq!(parse_argument(text), Ok(value), "{text}");
    }
    for text in [
        "",
        "-",
        "0x",
        "x",
        "1 ",
        "+1",
        "--1",
        "0x-1",
        "18446744073709551616",
        "-9223372036854775809",
        "é1",
    ] {
        assert!(parse_argument(text).is_err(), "{text}");
    }
}

#[test]
fn the_whole_profile_lists_every_rule_and_counts_every_call() {
    let agent = agent();
    let whole = explain(&agent).unwrap();
    assert_eq!(
        whole.groups.len(),
        agent.allowances().len() + agent.denials().len() + agent.optional().len()
    );
    for count in &whole.counts {
        let calls = syscalls::calls(count.arch).count();
        assert_eq!(count.always + count.conditional + count.never, calls);
        assert!(count.conditional >= 15 && count.always > 200, "{count}");
    }
    let zeros = |call| {
        let number = syscalls::number(Arch::X86_64, call).unwrap();
        verdict(
            &agent,
            Arch::X86_64,
            &Data::new(Arch::X86_64, number, [0; ARGUMENTS]),
        )
    };
    let text = whole.to_string();
    for group in &whole.groups {
        assert!(text.contains(&group.why), "{}", group.why);
        // What a group says of its action is what happens.
        if group.when.is_empty()
            && group.effect == Effect::Deny
            && syscalls::number(Arch::X86_64, group.calls[0]).is_some()
        {
            assert_eq!(zeros(group.calls[0]), group.action, "{}", group.calls[0]);
        }
    }
    assert!(text.contains("when family (argument 0) is 1\n"), "{text}");
}

#[test]
fn what_is_stopped_comes_newest_first_with_every_denial_that_stops_it() {
    let agent = agent();
    let list = stopped(&agent);
    assert!(
        list.is_sorted_by(|one, next| one.vulnerability.published >= next.vulnerability.published)
    );
    let copy_fail = list
        .iter()
        .find(|one| one.vulnerability.id == "CVE-2026-31431")
        .unwrap();
    let calls: Vec<&str> = copy_fail
        .by
        .iter()
        .flat_map(|by| by.calls.clone())
        .collect();
    assert!(
        calls.contains(&"socket") && calls.contains(&"splice"),
        "{calls:?}"
    );
    let ids: BTreeSet<&str> = list
        .iter()
        .map(|one| one.vulnerability.id.as_str())
        .collect();
    assert_eq!(ids.len(), list.len());
    let all: BTreeSet<String> = agent
        .denials()
        .iter()
        .flat_map(|denial| decision::vulnerabilities(&agent, denial))
        .map(|one| one.id)
        .collect();
    assert_eq!(all.len(), list.len());
    let text = copy_fail.to_string();
    assert!(text.starts_with("2026-"), "{text}");
}

#[test]
fn answers_travel_as_json() {
    let json = serde_json::to_value(ask("socket", &[38])).unwrap();
    assert_eq!(json["arch"], "x86_64");
    assert_eq!(json["outcomes"][0]["action"], "EAFNOSUPPORT");
    assert_eq!(json["outcomes"][0]["ground"], "denied");
    assert_eq!(json["outcomes"][0]["rule"]["file"], "agent.toml");
    let whole = serde_json::to_value(explain(&agent()).unwrap()).unwrap();
    assert_eq!(whole["groups"][0]["effect"], "allow");
    let first = &serde_json::to_value(stopped(&agent())).unwrap()[0];
    assert!(
        first["id"].is_string() && first["by"][0]["line"].is_number(),
        "{first}"
    );
}

#[test]
fn a_group_that_is_on_takes_its_calls_out_of_what_is_stopped() {
    let child = |more: &str| {
        let text = format!(
            "version = 1\nname = \"made\"\ndescription = \"d\"\nextends = \"agent\"\n{more}"
        );
        Profile::parse("made.toml", &text).unwrap()
    };
    let ids = |profile: &Profile| -> BTreeSet<String> {
        stopped(profile)
            .into_iter()
            .map(|one| one.vulnerability.id)
            .collect()
    };
    let off = ids(&child("drop = [\"alarm\"]"));
    assert_eq!(off, ids(&agent()));
    assert!(off.contains("CVE-2019-13272"));
    let debug = child("enable = [\"debug\"]");
    let on = ids(&debug);
    assert!(!on.contains("CVE-2019-13272"), "{on:?}");
    assert!(on.contains("CVE-2026-31431"), "{on:?}");
    let left = explain_call(&debug, Arch::X86_64, "process_madvise", &[]).unwrap();
    let cves = &only(&left).decision.rule.as_ref().unwrap().cves;
    assert!(
        cves.iter().all(|cve| !cve.what.contains("ptrace")),
        "{cves:?}"
    );
}
