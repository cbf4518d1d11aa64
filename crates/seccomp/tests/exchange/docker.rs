//! Docker's default profile, imported.
//!
//! Not for: profiles with defects (`refusals`).

use serde_json::Value;
use sheriff_seccomp::import::{self, Difference};
use sheriff_seccomp::{Action, Arch, Data, Profile, compile, syscalls, verdict};

use crate::evaluator::Policy;
use crate::{DOCKER, around, parsed, request};

fn told(action: Action) -> String {
    match action {
        Action::Errno(errno) => format!("errno {}", errno.number()),
        other => other.to_string(),
    }
}

fn imported(json: &str, capabilities: &[&str], arch: Arch) -> import::Imported {
    let mut request = request(arch);
    request.capabilities = capabilities.iter().map(|cap| (*cap).to_owned()).collect();
    import::oci("default.json", json, &request).unwrap_or_else(|error| panic!("{error}"))
}

/// Compares all calls of an architecture, with each argument at each value that matters; returns
/// how many questions were asked.
fn compare(profile: &Profile, policy: &Policy<'_>, arch: Arch) -> usize {
    let calls = syscalls::calls(arch).map(|(_, call)| call);
    calls
        .map(|call| compare_call(profile, policy, (arch, call), false))
        .sum()
}

fn compare_call(
    profile: &Profile,
    policy: &Policy<'_>,
    (arch, call): (Arch, &str),
    may_log_more: bool,
) -> usize {
    let number = syscalls::number(arch, call).unwrap();
    let rules = policy.rules(call);
    let mut asked = 0;
    for index in 0..6 {
        let mut values = rules.values(index);
        values.extend([0, 1, 40, 0x7E02_0000]);
        for value in values.into_iter().flat_map(around) {
            let mut arguments = [0; 6];
            arguments[index] = value;
            let ours = verdict(profile, arch, &Data::new(arch, number, arguments));
            let theirs = rules.answer(&arguments);
            let logs_more = ours == Action::Log && theirs == "allow";
            if !logs_more || !may_log_more {
                assert_eq!(told(ours), theirs, "{call} argument {index} = {value:#x}");
            }
            asked += 1;
        }
    }
    asked
}

#[test]
fn the_profile_answers_every_call_as_the_json_does() {
    let json: Value = serde_json::from_str(DOCKER).unwrap();
    for (arch, name) in [(Arch::X86_64, "amd64"), (Arch::Aarch64, "arm64")] {
        for capabilities in [&[][..], &["CAP_SYS_ADMIN"], &["CAP_SYS_PTRACE", "CAP_BPF"]] {
            let policy = Policy {
                json: &json,
                capabilities,
                arch: name,
            };
            let profile = parsed(&imported(DOCKER, capabilities, arch).text);
            let asked = compare(&profile, &policy, arch);
            assert!(compile(&profile, arch).is_ok());
            assert!(asked > 10_000, "{asked}");
        }
    }
}

#[test]
fn capabilities_open_what_they_open_in_docker() {
    let answer = |capabilities: &[&str], call: &str| {
        let profile = parsed(&imported(DOCKER, capabilities, Arch::X86_64).text);
        let number = syscalls::number(Arch::X86_64, call).unwrap();
        verdict(
            &profile,
            Arch::X86_64,
            &Data::new(Arch::X86_64, number, [0; 6]),
        )
        .to_string()
    };
    assert_eq!(answer(&[], "mount"), "EPERM");
    assert_eq!(answer(&["CAP_SYS_ADMIN"], "mount"), "allow");
    assert_eq!(answer(&[], "clone3"), "ENOSYS");
    assert_eq!(answer(&["CAP_SYS_ADMIN"], "clone3"), "allow");
    assert_eq!(answer(&["CAP_SYS_ADMIN"], "kexec_load"), "EPERM");
}

#[test]
fn a_rule_for_newer_kernels_holds_on_those_alone() {
    let ptrace = |kernel| {
        let mut request = request(Arch::X86_64);
        request.kernel = kernel;
        let made = import::oci("default.json", DOCKER, &request).unwrap();
        parsed(&made.text).allowance_of("ptrace").is_some()
    };
    assert!(ptrace((4, 8)) && ptrace((6, 1)) && !ptrace((4, 7)) && !ptrace((3, 19)));
}

#[test]
fn what_the_profile_cannot_say_is_noted_with_its_line() {
    let made = imported(DOCKER, &[], Arch::X86_64);
    let unknown = |note: &&import::Note| matches!(note.what, Difference::UnknownCall { .. });
    let first = made.notes.iter().find(unknown).unwrap();
    assert_eq!(
        first.to_string(),
        "line 30: \"_llseek\" is no call of x86_64 or aarch64, so the profile does not name it"
    );
    let foreign: Vec<_> = made
        .notes
        .iter()
        .filter_map(|note| match &note.what {
            Difference::ForeignArch { arch } => Some(arch.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(foreign, ["SCMP_ARCH_X86", "SCMP_ARCH_X32"]);
    assert!(
        made.text
            .contains("why = \"Rule 1 of default.json, line 30.\"")
    );
    assert!(!made.skipped.is_empty());
    let contradictions = |note: &import::Note| matches!(note.what, Difference::Conflict { .. });
    assert!(!made.notes.iter().any(contradictions), "{:?}", made.notes);
}

/// A policy with one rule.
fn one_rule(default: &str, rule: &str) -> String {
    format!("{{\"defaultAction\": \"{default}\", \"syscalls\": [\n{rule}\n]}}")
}

#[test]
fn every_comparison_and_action_keeps_its_meaning_at_its_edges() {
    let values = [0, 9, 1 << 32, (1 << 63) - 1, 1 << 63];
    for default in [
        "SCMP_ACT_ERRNO",
        "SCMP_ACT_KILL_PROCESS",
        "SCMP_ACT_ALLOW",
        "SCMP_ACT_TRAP",
    ] {
        for action in [
            "SCMP_ACT_ALLOW",
            "SCMP_ACT_LOG",
            "SCMP_ACT_TRAP",
            "SCMP_ACT_ERRNO",
        ] {
            for op in ["EQ", "NE", "LT", "LE", "GT", "GE", "MASKED_EQ"] {
                for value in values {
                    let args = format!(
                        "{{\"index\": 2, \"value\": {value}, \"valueTwo\": 8, \"op\": \"SCMP_CMP_{op}\"}}"
                    );
                    let rule = format!(
                        "{{\"names\": [\"ioctl\"], \"action\": \"{action}\", \"errnoRet\": 22, \"args\": [{args}]}}, {{\"names\": [\"read\"], \"action\": \"SCMP_ACT_ALLOW\"}}"
                    );
                    check(&one_rule(default, &rule), (op, value));
                }
            }
        }
    }
}

fn check(text: &str, (op, value): (&str, u64)) {
    let json: Value = serde_json::from_str(text).unwrap();
    let policy = Policy {
        json: &json,
        capabilities: &[],
        arch: "amd64",
    };
    // 2^63 can be compared with, but what lies beyond has no number in TOML.
    if value == 1 << 63 && ["LE", "GT"].contains(&op) {
        let error = import::oci("p.json", text, &request(Arch::X86_64)).unwrap_err();
        assert!(
            error.to_string().starts_with("p.json:2: SCMP_CMP_"),
            "{error}"
        );
        return;
    }
    let made = imported(text, &[], Arch::X86_64);
    let logs_more = Difference::LogsMore { call: "ioctl" };
    let noted = made.notes.iter().any(|note| note.what == logs_more);
    let profile = parsed(&made.text);
    for call in ["ioctl", "read", "write"] {
        compare_call(&profile, &policy, (Arch::X86_64, call), noted);
    }
}

#[test]
fn rules_that_meet_with_different_answers_take_the_stricter_and_say_so() {
    let rules = "{\"names\": [\"ioctl\"], \"action\": \"SCMP_ACT_ALLOW\"},\n{\"names\": [\"ioctl\"], \"action\": \"SCMP_ACT_ERRNO\", \"errnoRet\": 22, \"args\": [{\"index\": 1, \"value\": 7, \"op\": \"SCMP_CMP_EQ\"}]}";
    let made = imported(&one_rule("SCMP_ACT_ERRNO", rules), &[], Arch::X86_64);
    let expected = Difference::Conflict {
        call: "ioctl",
        other: 2,
    };
    let note = made.notes.iter().find(|note| note.what == expected);
    assert_eq!(note.and_then(|note| note.line), Some(3));
    let profile = parsed(&made.text);
    let answer = |request| {
        let call = Data::new(Arch::X86_64, 16, [0, request, 0, 0, 0, 0]);
        verdict(&profile, Arch::X86_64, &call).to_string()
    };
    assert_eq!(
        (answer(7), answer(8)),
        ("EINVAL".to_owned(), "allow".to_owned())
    );
}

#[test]
fn two_comparisons_of_one_argument_are_alternatives_as_in_runtimes() {
    let rule = "{\"names\": [\"ioctl\"], \"action\": \"SCMP_ACT_ALLOW\", \"args\": [{\"index\": 1, \"value\": 7, \"op\": \"SCMP_CMP_EQ\"}, {\"index\": 1, \"value\": 9, \"op\": \"SCMP_CMP_EQ\"}]}";
    let made = imported(&one_rule("SCMP_ACT_ERRNO", rule), &[], Arch::X86_64);
    let noted = Difference::SameArgument { argument: 1 };
    assert!(made.notes.iter().any(|note| note.what == noted));
    let profile = parsed(&made.text);
    let allowed = |request| {
        let call = Data::new(Arch::X86_64, 16, [0, request, 0, 0, 0, 0]);
        verdict(&profile, Arch::X86_64, &call) == Action::Allow
    };
    assert!(allowed(7) && allowed(9) && !allowed(8));
}
