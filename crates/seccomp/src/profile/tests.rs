//! Profiles that are refused, each beside one that is read.
//!
//! Not for: what sound profiles decide.

mod family;

use super::*;
use crate::action::Action;
use crate::errno::Errno;

const HEAD: &str = "version = 1\nname = \"t\"\ndescription = \"d\"\n";
const READ: &str = "[[allow]]\nwhy = \"w\"\ncalls = [\"read\", \"ioctl\"]\n";

fn parse(rules: &str) -> Result<Profile, ProfileError> {
    Profile::parse("t.toml", &format!("{HEAD}{READ}{rules}"))
}

fn accepted(rules: &str) -> Profile {
    parse(rules).unwrap_or_else(|error| panic!("{error}\n{rules}"))
}

/// The defect's place and words, `line: key: problem`, lines counted from the first of `rules`.
fn refused(rules: &str) -> String {
    let error = match parse(rules) {
        Ok(profile) => panic!("accepted: {rules}\n{profile:?}"),
        Err(error) => error,
    };
    assert_eq!(error.file, "t.toml");
    assert!(
        error
            .to_string()
            .starts_with(&format!("t.toml:{}: ", error.line))
    );
    let line = error.line - format!("{HEAD}{READ}").lines().count();
    format!("{line}: {}: {}", error.key, error.problem)
}

fn allow(call: &str, rest: &str) -> String {
    format!("[[allow]]\nwhy = \"w\"\ncalls = [\"{call}\"]\n{rest}")
}

fn deny(call: &str, rest: &str) -> String {
    format!("[[deny]]\nwhy = \"w\"\ncalls = [\"{call}\"]\n{rest}")
}

fn guarded(conditions: &str) -> String {
    allow(
        "clone",
        &format!("otherwise = \"EPERM\"\nwhen = [{conditions}]\n"),
    )
}

#[test]
fn reads_every_form_of_rule() {
    let profile = accepted(&format!(
        "{}{}{}",
        guarded(
            "[{ arg = 0, width = 32, clear = 0x80 }, { arg = 5, width = 64, between = [1, 2] }], [{ arg = 1, width = 64, mask = 0xF0, not_in = [0x10] }]"
        ),
        deny(
            "ioctl",
            "errno = \"EACCES\"\ncves = [{ id = \"CVE-2019-7303\", published = \"2019-03\", what = \"w\" }]\nwhen = [[{ arg = 1, width = 32, in = [3, 1] }]]\n"
        ),
        deny("ptrace", "kill = true\n"),
    ));
    let guard = profile.allowance_of("clone").unwrap().guard().unwrap();
    assert_eq!(guard.alternatives().len(), 2);
    assert_eq!(guard.otherwise(), Errno::EPERM);
    assert_eq!(guard.alternatives()[1][0].mask(), 0xF0);
    let denial = profile.denials_of("ioctl").next().unwrap();
    assert_eq!(
        (
            denial.cves().len(),
            denial.is_total(),
            denial.calls()[0].line
        ),
        (1, false, 14)
    );
    assert_eq!(
        denial.when()[0][0].test(),
        &crate::condition::Test::In(vec![1, 3])
    );
    assert_eq!(
        profile.denials_of("ptrace").next().unwrap().action(),
        Action::KillProcess
    );
    assert!(profile.allowance_of("write").is_none());
}

#[test]
fn refuses_unknown_keys_and_wrong_heads_with_line_and_key() {
    let cases = [
        (
            "version = 2\nname = \"t\"\ndescription = \"d\"\nallow = []",
            1,
            "version",
        ),
        (
            "version = 1\nname = \"T!\"\ndescription = \"d\"\nallow = []",
            2,
            "name",
        ),
        (
            "version = 1\nname = \"t\"\ndescription = \" \"\nallow = []",
            3,
            "description",
        ),
        (
            "version = 1\nname = \"t\"\ndescription = \"d\"\nallow = []",
            4,
            "allow",
        ),
        (
            "version = 1\nname = \"t\"\ndescription = \"d\"\ndefault = \"allow\"\nallow = []",
            4,
            "default",
        ),
        (
            "version = 1\nname = \"t\"\ndescription = 3\nallow = []",
            3,
            "description",
        ),
    ];
    for (text, line, key) in cases {
        let error = Profile::parse("f", text).unwrap_err();
        assert_eq!((error.line, error.key.as_str()), (line, key), "{error}");
    }
    assert!(Profile::parse("f", &format!("{HEAD}{READ}")).is_ok());
    assert!(
        refused("[[allow]]\nwhy = \"w\"\ncalls = [\"write\"]\nerrno = \"EPERM\"\n")
            .starts_with("4: errno: unknown field")
    );
    assert!(
        refused("[[deny]]\ncalls = [\"write\"]\nerrno = \"EPERM\"\n")
            .starts_with("1: deny: missing field `why`")
    );
    assert!(refused("[[allow]\n").starts_with("1: "));
}

#[test]
fn refuses_rules_without_reason_calls_or_action() {
    for (rule, expected) in [
        (
            "[[allow]]\nwhy = \"\"\ncalls = [\"write\"]\n",
            "2: allow.why: is blank",
        ),
        (
            "[[allow]]\nwhy = \"w\"\ncalls = []\n",
            "3: allow.calls: is empty",
        ),
        (
            &allow("wriet", ""),
            "3: allow.calls: system call \"wriet\" exists on no",
        ),
        (&deny("ptrace", ""), "2: deny: a denial needs exactly one"),
        (
            &deny("ptrace", "kill = false\n"),
            "2: deny: a denial needs exactly one",
        ),
        (
            &deny("ptrace", "kill = true\nerrno = \"EPERM\"\n"),
            "2: deny: a denial needs exactly one",
        ),
        (
            &deny("ptrace", "errno = \"EWHAT\"\n"),
            "4: deny.errno: errno \"EWHAT\"",
        ),
        (
            &deny(
                "ptrace",
                "kill = true\ncves = [{ id = \"CVE-19-1\", published = \"2019-03\", what = \"w\" }]\n",
            ),
            "5: deny.cves.id: \"CVE-19-1\"",
        ),
        (
            &allow("clone", "otherwise = \"EPERM\"\n"),
            "4: allow.otherwise: `when` and",
        ),
        (
            &allow("clone", "when = [[{ arg = 0, width = 32, in = [1] }]]\n"),
            "4: allow.when: `when` and",
        ),
    ] {
        let found = refused(rule);
        assert!(found.starts_with(expected), "{found}");
    }
    accepted(&allow("write", ""));
    accepted(&deny("ptrace", "errno = \"EPERM\"\n"));
}

#[test]
fn refuses_conditions_that_are_malformed_or_decide_nothing() {
    for (condition, expected) in [
        ("", "is empty"),
        ("[]", "is empty"),
        ("[{ arg = 6, width = 32, in = [1] }]", "argument 6"),
        ("[{ arg = -1, width = 32, in = [1] }]", "argument -1"),
        ("[{ arg = 0, width = 16, in = [1] }]", "width 16"),
        ("[{ arg = 0, width = 32 }]", "a condition needs exactly one"),
        (
            "[{ arg = 0, width = 32, in = [1], clear = 1 }]",
            "a condition needs exactly one",
        ),
        ("[{ arg = 0, width = 32, in = [] }]", "is empty"),
        (
            "[{ arg = 0, width = 32, in = [1, 2, 1] }]",
            "0x1 comes twice",
        ),
        (
            "[{ arg = 0, width = 32, in = [0x1_0000_0000] }]",
            "0x100000000 has bits outside",
        ),
        (
            "[{ arg = 0, width = 32, in = [-1] }]",
            "0xffffffffffffffff has bits outside",
        ),
        (
            "[{ arg = 0, width = 32, mask = 0xF0, in = [1] }]",
            "0x1 has bits outside",
        ),
        (
            "[{ arg = 0, width = 32, mask = 0, in = [0] }]",
            "decides nothing",
        ),
        ("[{ arg = 0, width = 32, clear = 0 }]", "decides nothing"),
        (
            "[{ arg = 0, width = 32, mask = 1, clear = 1 }]",
            "mask goes with",
        ),
        (
            "[{ arg = 0, width = 32, between = [2, 1] }]",
            "decides nothing",
        ),
        (
            "[{ arg = 0, width = 32, outside = [0, 0xFFFF_FFFF] }]",
            "decides nothing",
        ),
    ] {
        let found = refused(&guarded(condition));
        assert!(
            found.starts_with(&format!("5: allow.when: {expected}")),
            "{condition}: {found}"
        );
    }
    assert!(
        refused(&guarded("[{ arg = 0, width = 32, equals = 1 }]"))
            .contains("unknown field `equals`")
    );
    accepted(&guarded(
        "[{ arg = 5, width = 32, mask = 0xF0, in = [0x10] }]",
    ));
}

#[test]
fn refuses_rules_that_repeat_or_contradict_each_other_or_never_apply() {
    let one = "when = [[{ arg = 1, width = 32, in = [1] }]]\n";
    let two = "when = [[{ arg = 1, width = 32, in = [2] }]]\n";
    let ioctl = |when: &str| deny("ioctl", &format!("errno = \"EPERM\"\n{when}"));
    let twice = deny("ptrace", "kill = true\n") + &deny("ptrace", "kill = true\n");
    let guard_and_denial = guarded("[{ arg = 1, width = 32, in = [1] }]")
        + &deny("clone", &format!("errno = \"EPERM\"\n{one}"));
    for (rules, expected) in [
        (
            allow("read", ""),
            "3: allow.calls: read is named with the same effect on line 6",
        ),
        (
            twice,
            "7: deny.calls: ptrace is named with the same effect on line 9",
        ),
        (
            ioctl(one) + &ioctl(one),
            "8: deny.calls: ioctl is named with the same effect on line 9",
        ),
        (
            ioctl(""),
            "3: deny.calls: ioctl is denied here and allowed on line 6",
        ),
        (
            guard_and_denial,
            "8: deny.calls: clone is denied here and allowed on line 9",
        ),
        (
            deny("kcmp", &format!("kill = true\n{one}")),
            "3: deny.calls: kcmp is denied for some",
        ),
    ] {
        let found = refused(&rules);
        assert!(found.starts_with(expected), "{found}");
    }
    accepted(&(ioctl(one) + &ioctl(two)));
}

#[test]
fn reads_architectures_logging_trapping_and_quiet_rules() {
    let profile = accepted(&format!(
        "{}{}{}{}",
        allow("write", "arch = [\"x86_64\"]\nlog = true\n"),
        allow("write", "arch = [\"aarch64\"]\nquiet = true\n"),
        deny("ptrace", "trap = true\nquiet = true\n"),
        allow("modify_ldt", ""),
    ));
    let on = |arch| profile.allowance_on(arch, "write").unwrap();
    assert!(on(Arch::X86_64).is_logged() && !on(Arch::X86_64).is_quiet());
    assert!(on(Arch::Aarch64).is_quiet() && !on(Arch::Aarch64).is_logged());
    assert_eq!(on(Arch::Aarch64).arches(), [Arch::Aarch64]);
    let denial = profile.denials_of("ptrace").next().unwrap();
    assert!(denial.is_quiet() && denial.action() == Action::Trap);
    assert_eq!(denial.file(), "t.toml");
}

#[test]
fn refuses_wrong_architectures_groups_dates_and_actions() {
    for (rule, expected) in [
        (
            allow("write", "arch = [\"mips\"]\n"),
            "4: allow.arch: architecture \"mips\"",
        ),
        (allow("write", "arch = []\n"), "4: allow.arch: is empty"),
        (
            allow("write", "arch = [\"x86_64\", \"x86_64\"]\n"),
            "4: allow.arch: x86_64 comes twice",
        ),
        (
            allow("modify_ldt", "arch = [\"aarch64\"]\n"),
            "3: allow.calls: modify_ldt exists on no architecture that this rule is for",
        ),
        (
            allow("write", "") + &allow("write", "arch = [\"aarch64\"]\n"),
            "6: allow.calls: write is named with the same effect on line 9",
        ),
        (
            allow("write", "optional = \"De bug\"\n"),
            "4: allow.optional: \"De bug\" is not a group name",
        ),
        (
            deny("ptrace", "trap = true\nkill = true\n"),
            "2: deny: a denial needs exactly one",
        ),
        (
            deny(
                "ptrace",
                "kill = true\ncves = [{ id = \"CVE-2019-13272\", published = \"2019-13\", what = \"w\" }]\n",
            ),
            "5: deny.cves.published: \"2019-13\" is not a date",
        ),
        (
            deny(
                "ptrace",
                "kill = true\ncves = [{ id = \"CVE-2019-13272\", published = \"2019-07-17\", what = \"\" }]\n",
            ),
            "5: deny.cves.what: is blank",
        ),
    ] {
        let found = refused(&rule);
        assert!(found.starts_with(expected), "{found}");
    }
    let optional = allow("ptrace", "optional = \"debug\"\n");
    accepted(&(optional + &deny("ptrace", "kill = true\n")));
}

#[test]
fn refuses_a_text_that_nobody_would_read_and_one_without_rules() {
    let filler = "# filler\n".repeat(TEXT_BYTES_MAX / 9 + 1);
    let error = Profile::parse("t.toml", &format!("{HEAD}{READ}{filler}")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "t.toml:1: file: is longer than 262144 bytes"
    );
    let error = Profile::parse("t.toml", HEAD).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("t.toml:2: allow: a profile needs [[allow]] rules"),
        "{error}"
    );
    assert!(Profile::parse("t.toml", &format!("{HEAD}{READ}# filler\n")).is_ok());
}
