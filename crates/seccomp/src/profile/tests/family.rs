//! Profiles that extend others: what they may change, and what is refused with its place.
//!
//! Not for: rules of one profile on its own.

use super::*;
use crate::arch::Arch;
use crate::data::Data;
use crate::syscalls;
use crate::verdict::verdict;

const PARENT: &str = "version = 1\nname = \"parent\"\ndescription = \"d\"\n\
    [[allow]]\nwhy = \"plain\"\ncalls = [\"read\", \"write\", \"ioctl\"]\n\
    [[allow]]\nwhy = \"traces\"\noptional = \"debug\"\ncalls = [\"ptrace\", \"kcmp\"]\n\
    [[deny]]\nwhy = \"no typing\"\ncalls = [\"ioctl\"]\nerrno = \"EACCES\"\nwhen = [[{ arg = 1, width = 32, in = [1] }]]\n\
    [[deny]]\nwhy = \"no tracing\"\ncalls = [\"ptrace\", \"bpf\"]\nkill = true\n";

/// Finds `parent`, and `c0` to `c9`, of which each extends the one before it.
fn find(name: &ProfileName) -> Option<(String, String)> {
    let text = match name.as_str() {
        "parent" => PARENT.to_owned(),
        "broken" => "version = 1\nname = \"broken\"\ndescription = 3\n".to_owned(),
        "other" => PARENT.to_owned(),
        "looped" => head("looped", "own"),
        "c0" => head("c0", "parent"),
        name => {
            let number: u8 = name.strip_prefix('c')?.parse().ok()?;
            head(name, &format!("c{}", number.checked_sub(1)?))
        }
    };
    Some((format!("{name}.toml"), text))
}

fn head(name: &str, parent: &str) -> String {
    format!("version = 1\nname = \"{name}\"\ndescription = \"own\"\nextends = \"{parent}\"\n")
}

fn extended(parent: &str, change: &str) -> Result<Profile, ProfileError> {
    Profile::parse_with("own.toml", &(head("own", parent) + change), &find)
}

fn child(change: &str) -> Profile {
    extended("parent", change).unwrap_or_else(|error| panic!("{error}\n{change}"))
}

fn rejected(parent: &str, change: &str) -> String {
    match extended(parent, change) {
        Ok(profile) => panic!("accepted: {change}\n{profile:?}"),
        Err(error) => error.to_string(),
    }
}

/// Verdicts on read, write, ioctl(0), ioctl(1), ptrace, kcmp and bpf.
fn verdicts(profile: &Profile) -> Vec<String> {
    let calls = [
        ("read", 0),
        ("write", 0),
        ("ioctl", 0),
        ("ioctl", 1),
        ("ptrace", 0),
        ("kcmp", 0),
        ("bpf", 0),
    ];
    let judge = |(call, second): (&str, u64)| {
        let number = syscalls::number(Arch::Aarch64, call).unwrap();
        let data = Data::new(Arch::Aarch64, number, [0, second, 0, 0, 0, 0]);
        verdict(profile, Arch::Aarch64, &data).to_string()
    };
    calls.into_iter().map(judge).collect()
}

#[test]
fn a_child_without_changes_decides_as_its_parent_with_its_optional_groups_off() {
    let own = child("");
    let expected = ["allow", "allow", "allow", "EACCES", "kill", "EPERM", "kill"];
    assert_eq!(verdicts(&own), expected);
    assert_eq!(own.description(), "own");
    let lineage: Vec<_> = own.lineage().iter().map(|origin| &*origin.file).collect();
    assert_eq!(lineage, ["own.toml", "parent.toml"]);
    assert_eq!(own.optional()[0].group(), Some("debug"));
}

#[test]
fn an_optional_group_lifts_the_denial_of_its_calls_and_of_no_other() {
    let own = child("enable = [\"debug\"]\n");
    let expected = [
        "allow", "allow", "allow", "EACCES", "allow", "allow", "kill",
    ];
    assert_eq!(verdicts(&own), expected);
    assert!(own.optional().is_empty());
    assert_eq!(
        rejected("parent", "enable = [\"numa\"]\n"),
        "own.toml:5: enable: the parent has no optional group \"numa\" that is off; it has: debug"
    );
    assert!(rejected("parent", "enable = []\n").contains("is empty"));
    assert!(rejected("parent", "enable = [\"debug\", \"debug\"]\n").contains("no optional group"));
}

#[test]
fn keep_drop_and_deny_take_calls_away_and_name_the_line_that_did() {
    let kept = child("keep = [\"ioctl\"]\n");
    let expected = ["EPERM", "EPERM", "allow", "EACCES", "kill", "EPERM", "kill"];
    assert_eq!(verdicts(&kept), expected);
    let removal = kept.denials_of("read").next().unwrap();
    assert_eq!((removal.file(), removal.calls()[0].line), ("own.toml", 5));
    assert!(kept.optional().is_empty());

    let dropped = child("drop = [\n  \"read\",\n  \"ioctl\",\n]\n");
    let expected = ["EPERM", "allow", "EPERM", "EACCES", "kill", "EPERM", "kill"];
    assert_eq!(verdicts(&dropped), expected);
    let removal = dropped.denials_of("ioctl").last().unwrap();
    let lines: Vec<_> = removal.calls().iter().map(|call| call.line).collect();
    assert_eq!(
        (removal.file(), lines.as_slice()),
        ("own.toml", &[6, 7][..])
    );
    assert!(dropped.allowance_of("ioctl").is_none());

    let denied = child(&deny("read", "errno = \"ENOSYS\"\n"));
    assert_eq!(verdicts(&denied)[0], "ENOSYS");
    let partly = "errno = \"ENOSYS\"\nwhen = [[{ arg = 1, width = 32, in = [0, 1] }]]\n";
    // The parent's own denial comes first.
    assert_eq!(
        verdicts(&child(&deny("ioctl", partly)))[2..4],
        ["ENOSYS", "EACCES"]
    );
}

#[test]
fn drop_carries_a_reason_for_each_group_of_calls() {
    let own = child(
        "drop = [\n  { why = \"nobody reads\", calls = [\"read\"] },\n  \"write\",\n  { why = \"no devices\", calls = [\n    \"ioctl\"] },\n]\n",
    );
    let told = |call: &str| {
        let denial = own.denials_of(call).last().unwrap();
        let line = denial.calls().iter().find(|one| one.name == call);
        (denial.why(), denial.file(), line.unwrap().line)
    };
    assert_eq!(told("read"), ("nobody reads", "own.toml", 6));
    assert_eq!(told("ioctl"), ("no devices", "own.toml", 9));
    assert_eq!(told("write"), (UNREASONED, "own.toml", 7));
    let bare = child("drop = [\"read\", \"write\", \"ioctl\"]\n");
    assert_eq!(verdicts(&own), verdicts(&bare));
    let table = child("[[drop]]\nwhy = \"nobody reads\"\ncalls = [\"read\"]\n");
    assert_eq!(table.denials_of("read").last().unwrap().calls()[0].line, 7);
}

#[test]
fn groups_of_drop_that_say_too_little_or_repeat_a_call_are_refused_with_line_and_key() {
    let group = |more: &str| format!("drop = [\n{{ {more} }},\n\"write\"]\n");
    for (change, expected) in [
        (
            group("why = \"\", calls = [\"read\"]"),
            "6: drop.why: is blank",
        ),
        (group("why = \"w\", calls = []"), "6: drop.calls: is empty"),
        (
            group("why = \"w\", calls = [\"reed\"]"),
            "6: drop.calls: system call \"reed\" exists on no",
        ),
        (
            group("why = \"w\", calls = [\"write\"]"),
            "7: drop: write is named with the same effect on line 6",
        ),
        (group("calls = [\"read\"]"), "6: drop: missing field `why`"),
        (
            group("why = \"w\", calls = [\"read\"], errno = \"EIO\""),
            "6: drop: unknown field `errno`",
        ),
        (
            "drop = [3]\n".to_owned(),
            "5: drop: invalid type: integer `3`, expected a table with `why` and `calls`, or a call's name",
        ),
        ("drop = []\n".to_owned(), "5: drop: is empty"),
    ] {
        let found = rejected("parent", &change);
        let expected = format!("own.toml:{expected}");
        assert!(found.starts_with(&expected), "{found}\n{expected}");
    }
    child(&group("why = \"w\", calls = [\"read\"]"));
}

#[test]
fn a_reason_of_the_childs_own_stands_in_for_the_word_drop() {
    let own = child(&("drop = [\"read\"]\n".to_owned() + &deny("read", "errno = \"EIO\"\n")));
    assert_eq!(own.denials_of("read").count(), 1);
    assert_eq!(verdicts(&own)[0], "EIO");
}

#[test]
fn what_a_child_denies_of_an_optional_group_stays_off_for_its_own_children() {
    let middle = head("middle", "parent") + &deny("kcmp", "errno = \"EIO\"\n");
    let lookup = |name: &ProfileName| match name.as_str() {
        "middle" => Some(("middle.toml".to_owned(), middle.clone())),
        _ => find(name),
    };
    let text = head("own", "middle") + "enable = [\"debug\"]\n";
    let own = Profile::parse_with("own.toml", &text, &lookup).unwrap();
    assert_eq!(verdicts(&own)[4..6], ["allow", "EIO"]);
}

#[test]
fn a_child_that_would_allow_or_change_nothing_is_refused_with_file_line_and_key() {
    let keep = "keep = [\"read\", \"write\"]\n";
    for (change, expected) in [
        (
            allow("mount", ""),
            "own.toml:5: allow: a profile that extends another may only",
        ),
        (
            "keep = [\"bpf\"]\n".to_owned(),
            "own.toml:5: keep: bpf is not allowed by the parent",
        ),
        (
            "drop = [\"kcmp\"]\n".to_owned(),
            "own.toml:5: drop: kcmp is not allowed by the parent",
        ),
        (
            "drop = [\"reed\"]\n".to_owned(),
            "own.toml:5: drop: system call \"reed\" exists on no",
        ),
        (
            "drop = [\"read\",\n\"read\"]\n".to_owned(),
            "own.toml:6: drop: read is named with the same effect on line 5",
        ),
        (
            format!("{keep}drop = [\"read\"]\n"),
            "own.toml:6: drop: read is denied here and allowed on line 5",
        ),
        (
            deny("bpf", "errno = \"EPERM\"\n"),
            "own.toml:7: deny.calls: bpf is refused for the same arguments in parent.toml:18",
        ),
        (
            deny(
                "ioctl",
                "errno = \"EPERM\"\nwhen = [[{ arg = 1, width = 32, in = [1] }]]\n",
            ),
            "own.toml:7: deny.calls: ioctl is refused for the same arguments in parent.toml:13",
        ),
        (
            deny(
                "mount",
                "errno = \"EPERM\"\nwhen = [[{ arg = 1, width = 32, in = [1] }]]\n",
            ),
            "own.toml:7: deny.calls: mount is not allowed by the parent",
        ),
    ] {
        let found = rejected("parent", &change);
        assert!(found.starts_with(expected), "{found}");
    }
    for key in ["enable", "keep", "drop"] {
        let text = format!("{HEAD}{key} = [\"read\"]\n{READ}");
        let error = Profile::parse("t.toml", &text).unwrap_err().to_string();
        let expected = format!("t.toml:4: {key}: changes a parent's rules: it needs `extends`");
        assert_eq!(error, expected);
    }
}

#[test]
fn parents_that_are_missing_broken_misnamed_or_in_a_circle_are_refused() {
    for (parent, expected) in [
        (
            "nobody",
            "own.toml:4: extends: there is no seccomp profile nobody",
        ),
        ("No!", "own.toml:4: extends: "),
        ("broken", "broken.toml:3: description: "),
        (
            "other",
            "own.toml:4: extends: the file of that name holds the profile parent",
        ),
        ("own", "own.toml:4: extends: own extends itself"),
        ("looped", "looped.toml:4: extends: own extends itself"),
        (
            "c2",
            "c0.toml:4: extends: more than 4 profiles extend each other",
        ),
    ] {
        let found = rejected(parent, "");
        assert!(found.starts_with(expected), "{found}");
    }
    assert_eq!(extended("c1", "").unwrap().lineage().len(), CHAIN_MAX);
}
