//! Findings in small profiles, each beside the same profile without the defect.
//!
//! Not for: what the shipped profiles decide.

use super::*;
use crate::embedded;

fn read(rules: &str) -> Profile {
    let text = format!("version = 1\nname = \"made\"\ndescription = \"d\"\n{rules}");
    Profile::parse("made.toml", &text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn rule(table: &str, calls: &str, more: &str) -> String {
    let calls: Vec<String> = calls.split(' ').map(|call| format!("{call:?}")).collect();
    format!(
        "[[{table}]]\nwhy = \"A long enough reason for this rule.\"\ncalls = [{}]\n{more}\n",
        calls.join(", ")
    )
}

fn allow(calls: &str) -> String {
    rule("allow", calls, "")
}

fn guarded(calls: &str, when: &str) -> String {
    rule(
        "allow",
        calls,
        &format!("when = [{when}]\notherwise = \"EPERM\""),
    )
}

fn denied(calls: &str, when: &str) -> String {
    let when = if when.is_empty() {
        String::new()
    } else {
        format!("when = [{when}]")
    };
    rule("deny", calls, &format!("errno = \"EPERM\"\n{when}"))
}

/// Findings of one check, as severity and text.
fn found(check: Check, rules: &str) -> Vec<(Severity, String)> {
    let findings = lint(&read(rules)).unwrap();
    let of_it = findings
        .into_iter()
        .filter(|finding| finding.check == check);
    of_it
        .map(|finding| (finding.severity, finding.text))
        .collect()
}

fn one(check: Check, severity: Severity, rules: &str, part: &str) {
    let found = found(check, rules);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].0, severity, "{found:?}");
    assert!(found[0].1.contains(part), "{found:?}");
}

fn none(check: Check, rules: &str) {
    assert_eq!(found(check, rules), []);
}

#[test]
fn a_denial_that_others_leave_nothing_to_is_dead() {
    let first = denied("read", "[{ arg = 0, width = 32, not_in = [1, 2] }]");
    let second = denied("read", "[{ arg = 0, width = 32, in = [3, 4] }]");
    one(
        Check::DeadRule,
        Severity::Error,
        &format!("{}{first}{second}", allow("read")),
        "never decides on read",
    );
    let living = denied("read", "[{ arg = 0, width = 32, in = [2, 3] }]");
    none(
        Check::DeadRule,
        &format!("{}{first}{living}", allow("read")),
    );
}

#[test]
fn an_allowance_that_denials_leave_nothing_to_is_dead() {
    let low = denied("read", "[{ arg = 0, width = 32, between = [0, 7] }]");
    let high = denied("read", "[{ arg = 0, width = 32, outside = [0, 7] }]");
    one(
        Check::DeadRule,
        Severity::Error,
        &format!("{}{low}{high}", allow("read write")),
        "never decides on read",
    );
    none(Check::DeadRule, &format!("{}{low}", allow("read write")));
}

#[test]
fn a_child_that_narrows_does_not_kill_the_rules_of_its_parent_but_its_own_may_be_dead() {
    let child = |when: &str| {
        let rule = rule(
            "deny",
            "socket",
            &format!("errno = \"EPERM\"\nwhen = [{when}]"),
        );
        let text = format!(
            "version = 1\nname = \"made\"\ndescription = \"d\"\nextends = \"agent\"\n{rule}"
        );
        let profile = Profile::parse("made.toml", &text).unwrap();
        let mut findings = lint(&profile).unwrap();
        findings.retain(|finding| finding.check == Check::DeadRule);
        findings
    };
    // The parent's alternative for ping decides nothing any more.
    assert_eq!(child("[{ arg = 2, width = 32, in = [1, 58] }]"), []);
    let dead = child("[{ arg = 0, width = 32, in = [40] }]");
    assert_eq!(dead.len(), 1, "{dead:?}");
    assert_eq!((dead[0].file.as_str(), dead[0].line), ("made.toml", 7));
}

#[test]
fn an_alternative_inside_of_another_adds_nothing() {
    let inside = "[{ arg = 0, width = 32, in = [1, 2] }], [{ arg = 0, width = 32, in = [2] }]";
    one(
        Check::DeadRule,
        Severity::Error,
        &guarded("read", inside),
        "fd (argument 0) is 2",
    );
    let beside = "[{ arg = 0, width = 32, in = [1, 2] }], [{ arg = 0, width = 32, in = [2, 3] }]";
    none(Check::DeadRule, &guarded("read", beside));
}

#[test]
fn an_alias_that_lets_through_what_its_twin_refuses_is_found_bit_by_bit() {
    let chmod = guarded("chmod", "[{ arg = 1, width = 32, clear = 0o6000 }]");
    let weaker = guarded("fchmodat", "[{ arg = 2, width = 32, clear = 0o4000 }]");
    let same = guarded("fchmodat", "[{ arg = 2, width = 32, clear = 0o6000 }]");
    let graver = |rules: &str| {
        let mut told = found(Check::Alias, rules);
        // What nobody names is only noted.
        told.retain(|(severity, _)| *severity < Severity::Note);
        told
    };
    let told = graver(&(chmod.clone() + &weaker));
    let [(Severity::Warning, text)] = told.as_slice() else {
        panic!("{told:?}")
    };
    assert!(
        text.contains("chmod(0x0, 0x400) and fchmodat(0x0, 0x0, 0x400)"),
        "{text}"
    );
    assert_eq!(graver(&(chmod + &same)), []);
}

#[test]
fn a_value_that_a_call_fixes_counts_in_the_comparison() {
    let no_create = denied("open", "[{ arg = 1, width = 32, any_of = 0o100 }]");
    let rules = format!("{}{no_create}", allow("open creat"));
    let told = found(Check::Alias, &rules);
    assert!(
        told.iter()
            .any(|(severity, text)| *severity == Severity::Warning
                && text.contains("creat(0x0, 0x0)")),
        "{told:?}"
    );
    let threads = guarded("clone", "[{ arg = 0, width = 32, clear = 0x7E02_0080 }]");
    none(
        Check::Alias,
        &(allow("fork vfork")
            + &threads
            + &denied("clone3", "").replace("A long", "Libraries fall back to clone: a long")),
    );
}

#[test]
fn a_difference_is_silent_only_if_the_refusal_says_that_it_is_meant() {
    let rules = |why: &str| {
        allow("tgkill")
            + &denied(
                "kill tkill pidfd_send_signal rt_sigqueueinfo rt_tgsigqueueinfo",
                "",
            )
            .replace("A long enough reason for this rule.", why)
    };
    assert_eq!(
        found(Check::Alias, &rules("Reach other processes.")).len(),
        5
    );
    assert_eq!(
        found(Check::Alias, &rules("Like tgkill, but worse.")).len(),
        5
    );
    none(
        Check::Alias,
        &rules("Reach other processes, unlike tgkill."),
    );
    none(Check::Alias, &rules("Callers fall back to tgkill."));
    assert_eq!(
        found(Check::Alias, &rules("Callers fall back to read.")).len(),
        5
    );
}

#[test]
fn a_call_of_one_architecture_needs_its_counterpart_on_the_other() {
    one(
        Check::Architecture,
        Severity::Warning,
        &allow("open"),
        "openat",
    );
    none(Check::Architecture, &allow("open openat"));
    none(Check::Architecture, &allow("arch_prctl"));
    let half = rule("allow", "read", "arch = [\"x86_64\"]");
    one(
        Check::Architecture,
        Severity::Warning,
        &half,
        "read exists on aarch64 too",
    );
    let other = rule("deny", "read", "arch = [\"aarch64\"]\nerrno = \"EPERM\"");
    none(Check::Architecture, &(half + &other));
}

#[test]
fn a_reason_of_few_words_or_of_names_alone_is_none() {
    let with = |why: &str| allow("read").replace("A long enough reason for this rule.", why);
    one(
        Check::Reason,
        Severity::Warning,
        &with("Needed."),
        "1 words",
    );
    one(
        Check::Reason,
        Severity::Warning,
        &with("read read read, read read."),
        "0 words",
    );
    none(Check::Reason, &with("Reads files that are open."));
}

#[test]
fn dangerous_calls_are_noted_when_let_through_and_when_nobody_says_why_not() {
    let told = found(Check::Dangerous, &allow("bpf"));
    assert!(told.contains(&(Severity::Note, "bpf is let through, which opens programmable kernel code, counters and stalled page faults".to_owned())));
    assert!(
        told.iter()
            .any(|(severity, text)| *severity == Severity::Note && text.contains("keyctl")),
        "{told:?}"
    );
    let reasoned = found(
        Check::Dangerous,
        &(allow("read") + &denied("keyctl add_key request_key", "")),
    );
    assert!(
        !reasoned.iter().any(|(_, text)| text.contains("keyctl")),
        "{reasoned:?}"
    );
}

#[test]
fn a_compare_of_64_bits_where_the_kernel_reads_32_passes_a_denial_by() {
    let tiocsti = |width: u32| {
        allow("ioctl")
            + &denied(
                "ioctl",
                &format!("[{{ arg = 1, width = {width}, in = [0x5412] }}]"),
            )
    };
    one(
        Check::Width,
        Severity::Error,
        &tiocsti(64),
        "0xffffffff00000000 passes this rule by",
    );
    none(Check::Width, &tiocsti(32));
    // An allowance is only stricter for it.
    one(
        Check::Width,
        Severity::Note,
        &guarded("ioctl", "[{ arg = 1, width = 64, in = [0x5401] }]"),
        "mean nothing",
    );
    // And the other way round, where the kernel reads all.
    one(
        Check::Width,
        Severity::Error,
        &guarded("prctl", "[{ arg = 1, width = 32, in = [0] }]"),
        "use width = 64",
    );
    none(
        Check::Width,
        &guarded("prctl", "[{ arg = 1, width = 64, in = [0] }]"),
    );
    none(
        Check::Width,
        &guarded("mmap", "[{ arg = 2, width = 32, clear = 4 }]"),
    );
    // A mode has 16 bits.
    one(
        Check::Width,
        Severity::Error,
        &(allow("chmod") + &denied("chmod", "[{ arg = 1, width = 32, in = [0o4755] }]")),
        "16 bits",
    );
}

#[test]
fn conditions_on_addresses_and_on_registers_that_no_one_reads_are_found() {
    one(
        Check::Pointer,
        Severity::Warning,
        &guarded("openat", "[{ arg = 1, width = 64, in = [4096] }]"),
        "filename (argument 1)",
    );
    none(
        Check::Pointer,
        &guarded("openat", "[{ arg = 1, width = 64, not_in = [0] }]"),
    );
    one(
        Check::Pointer,
        Severity::Error,
        &guarded("close", "[{ arg = 1, width = 32, in = [0] }]"),
        "1 arguments only",
    );
    none(
        Check::Pointer,
        &guarded("close", "[{ arg = 0, width = 32, in = [0] }]"),
    );
}

#[test]
fn the_shipped_profiles_have_no_finding_beyond_notes() {
    for name in embedded::names() {
        let profile = Profile::parse(name, embedded::shipped(name).unwrap()).unwrap();
        let mut findings = lint(&profile).unwrap();
        findings.retain(|finding| finding.severity != Severity::Note);
        assert_eq!(findings, [], "{name}");
    }
}

#[test]
fn a_call_dropped_without_a_word_is_found_and_one_with_a_reason_is_not() {
    let reasons = |drop: &str| {
        let text = format!(
            "version = 1\nname = \"made\"\ndescription = \"d\"\nextends = \"agent\"\ndrop = {drop}\n"
        );
        let profile = Profile::parse("made.toml", &text).unwrap();
        let mut findings = lint(&profile).unwrap();
        findings.retain(|finding| finding.check == Check::Reason);
        findings.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let [told] = &*reasons("[\"mq_open\"]") else {
        panic!("one finding")
    };
    assert!(
        told.starts_with("made.toml:5: warning: drop gives no reason"),
        "{told}"
    );
    let with_reason = "[{ why = \"Queues that nobody here reads.\", calls = [\"mq_open\"] }]";
    assert_eq!(reasons(with_reason), [""; 0]);
}

#[test]
fn findings_come_gravest_first_with_file_and_line() {
    let findings = lint(&read(
        &(allow("bpf") + &guarded("close", "[{ arg = 1, width = 32, in = [0] }]")),
    ))
    .unwrap();
    assert!(findings.is_sorted_by_key(|finding| finding.severity));
    assert_eq!(
        findings[0].to_string().split(": ").next(),
        Some("made.toml:10")
    );
}
