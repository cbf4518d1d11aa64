//! Generated profiles, and seccompiler's programs as a second opinion.
//!
//! Not for: the shipped profiles alone.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

use super::*;
use crate::profile::Problem;
use crate::program::Instruction;
use crate::verdict::verdict;

const CALLS: [&str; 8] = [
    "read",
    "write",
    "socket",
    "ioctl",
    "openat",
    "clone",
    "getpid",
    "rseq_slice_yield",
];
const ERRNOS: [&str; 3] = ["EPERM", "ENOSYS", "EACCES"];

fn value() -> impl Strategy<Value = u64> {
    prop_oneof![
        0..6_u64,
        prop::sample::select(vec![
            0x7FFF_FFFF,
            0x8000_0000,
            0xFFFF_FFFE,
            0xFFFF_FFFF,
            0x1_0000_0000,
            0x1_0000_0005,
            0x2_FFFF_FFFF,
            0x7FFF_FFFF_FFFF_FFFF,
        ]),
        0..=0x7FFF_FFFF_FFFF_FFFF_u64,
    ]
}

fn condition() -> impl Strategy<Value = String> {
    let set = prop::collection::btree_set(value(), 1..5);
    (0..3_usize, any::<bool>(), 0..8_u8, set, value()).prop_map(|(arg, wide, kind, set, mask)| {
        let ones = if wide {
            0x7FFF_FFFF_FFFF_FFFF
        } else {
            0xFFFF_FFFF
        };
        let mask = (mask & ones).max(1);
        let bounds = if kind < 2 { mask } else { ones };
        let set: BTreeSet<u64> = set.iter().map(|v| v & bounds).collect();
        let set: Vec<u64> = set.into_iter().collect();
        let low = set.first().unwrap().max(&1);
        let high = set.last().unwrap().max(low);
        let test = match kind {
            0 => format!("mask = {mask}, in = {set:?}"),
            1 => format!("mask = {mask}, not_in = {set:?}"),
            2 => format!("in = {set:?}"),
            3 => format!("not_in = {set:?}"),
            4 => format!("between = [{low}, {high}]"),
            5 => format!("outside = [{low}, {high}]"),
            6 => format!("clear = {mask}"),
            _ => format!("any_of = {mask}"),
        };
        let width = if wide { 64 } else { 32 };
        format!("{{ arg = {}, width = {width}, {test} }}", [0, 1, 5][arg])
    })
}

fn when() -> impl Strategy<Value = String> {
    let all = prop::collection::vec(condition(), 1..4)
        .prop_map(|tests| format!("[{}]", tests.join(", ")));
    prop::collection::vec(all, 1..4).prop_map(|any| format!("when = [{}]\n", any.join(", ")))
}

fn rules(call: &'static str) -> impl Strategy<Value = String> {
    let errno = || prop::sample::select(ERRNOS.to_vec());
    let head = move |table: &str| format!("[[{table}]]\nwhy = \"w\"\ncalls = [\"{call}\"]\n");
    let plain = || Just(head("allow"));
    let guarded = || {
        (when(), errno()).prop_map(move |(when, errno)| {
            format!("{}{when}otherwise = \"{errno}\"\n", head("allow"))
        })
    };
    let total = errno().prop_map(move |errno| format!("{}errno = \"{errno}\"\n", head("deny")));
    let trapped = || Just(format!("{}trap = true\n", head("deny")));
    let logged = || plain().prop_map(|rule| rule + "log = true\n");
    let quiet = (when(), errno()).prop_map(move |(when, errno)| {
        format!("{}{when}errno = \"{errno}\"\nquiet = true\n", head("deny"))
    });
    let optional = (plain(), any::<bool>()).prop_map(move |(rule, denied)| {
        let denial = format!("{}errno = \"EPERM\"\n", head("deny"));
        rule + "optional = \"extra\"\n" + if denied { &denial } else { "" }
    });
    let by_arch = (plain(), guarded())
        .prop_map(|(one, other)| one + "arch = [\"x86_64\"]\n" + &other + "arch = [\"aarch64\"]\n");
    let fatal = when().prop_map(move |when| format!("{}{when}kill = true\n", head("deny")));
    let partly = || {
        (when(), errno())
            .prop_map(move |(when, errno)| format!("{}{when}errno = \"{errno}\"\n", head("deny")))
    };
    let some = || prop_oneof![plain(), guarded()];
    prop_oneof![
        some(),
        total,
        (some(), fatal).prop_map(|(a, b)| a + &b),
        (some(), partly(), partly()).prop_map(|(a, b, c)| a + &b + &c),
        trapped(),
        (logged(), quiet).prop_map(|(a, b)| a + &b),
        optional,
        by_arch,
        Just(String::new()),
    ]
}

fn one_of<T: Copy + std::fmt::Debug + 'static, const N: usize>(
    all: [T; N],
) -> impl Strategy<Value = T> {
    prop::sample::select(all.to_vec())
}

/// A profile and one that extends it.
fn family() -> impl Strategy<Value = (Profile, Profile)> {
    let change = (
        0..3_u8,
        prop::collection::btree_set(0..CALLS.len(), 1..3),
        when(),
    );
    (texts(), change, any::<bool>()).prop_filter_map(
        "a change that changes nothing",
        |(text, (kind, calls, when), enable)| {
            let parent = Profile::parse("made", &text).ok()?;
            let calls: Vec<&str> = calls.into_iter().map(|index| CALLS[index]).collect();
            let deny = "[[deny]]\nwhy = \"w\"\nerrno = \"EACCES\"\n";
            let change = match kind {
                0 => format!("drop = {calls:?}\n"),
                1 => format!("keep = {calls:?}\n"),
                _ => format!("{deny}calls = {calls:?}\n{when}"),
            };
            let enable = if enable { "enable = [\"extra\"]\n" } else { "" };
            let child = format!(
                "version = 1\nname = \"child\"\ndescription = \"d\"\nextends = \"made\"\n{enable}{change}"
            );
            let child = Profile::parse_with("child", &child, &|_| {
                Some(("made".to_owned(), text.clone()))
            });
            Some((parent, child.ok()?))
        },
    )
}

fn texts() -> impl Strategy<Value = String> {
    let rules: Vec<_> = CALLS.into_iter().map(rules).collect();
    rules.prop_map(|rules| {
        format!(
            "version = 1\nname = \"made\"\ndescription = \"d\"\n[[allow]]\nwhy = \"w\"\ncalls = [\"exit\"]\n{}",
            rules.concat()
        )
    })
}

fn profile() -> impl Strategy<Value = Profile> {
    texts().prop_filter_map("rules that repeat each other", |text| match Profile::parse(
        "made", &text,
    ) {
        Ok(profile) => Some(profile),
        Err(error) => {
            let repeats = matches!(
                error.problem,
                Problem::Duplicate { .. } | Problem::Contradiction { .. }
            );
            assert!(repeats, "{error}\n{text}");
            None
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn generated_profiles_agree_with_the_model(
        profile in profile(), arch in one_of(Arch::ALL), purpose in one_of(Purpose::ALL),
    ) {
        let subject = Subject::new(profile, arch, purpose);
        for (number, name) in syscalls::calls(arch) {
            let lists = corpus::arguments(&subject.profile, name);
            for arguments in lists.iter().step_by(lists.len().div_ceil(400)) {
                subject.agree(&Data::new(arch, number, *arguments));
            }
        }
    }

    #[test]
    fn generated_children_agree_with_the_model_and_only_take_away(
        (parent, child) in family(), arch in one_of(Arch::ALL), purpose in one_of(Purpose::ALL),
    ) {
        let subject = Subject::new(child, arch, purpose);
        for (number, name) in syscalls::calls(arch) {
            let lists = corpus::arguments(&subject.profile, name);
            for arguments in lists.iter().step_by(lists.len().div_ceil(400)) {
                let call = Data::new(arch, number, *arguments);
                subject.agree(&call);
                let (above, below) =
                    (verdict(&parent, arch, &call), verdict(&subject.profile, arch, &call));
                // Unless it switched on the group that has the call.
                let enabled = subject
                    .profile
                    .allowance_on(arch, name)
                    .is_some_and(|rule| rule.group().is_some());
                prop_assert!(above.permits() || !below.permits() || enabled, "{name} {above} {below}");
                let deadly = matches!(above, Action::KillProcess | Action::Trap);
                prop_assert!(!deadly || above == below, "{name} {above} {below}");
            }
        }
    }
}

/// The part of the agent profile that seccompiler can express: one action for a match, another
/// for a mismatch, comparisons joined by AND.
fn second_opinion(profile: &Profile, arch: Arch, target: TargetArch) -> Program {
    let clear = SeccompCondition::new(
        0,
        SeccompCmpArgLen::Dword,
        SeccompCmpOp::MaskedEq(0x7E02_0080),
        0,
    );
    let clone = vec![SeccompRule::new(vec![clear.unwrap()]).unwrap()];
    let rules: BTreeMap<i64, Vec<SeccompRule>> = syscalls::calls(arch)
        .filter_map(|(number, name)| {
            let allowance = profile.allowance_of(name)?;
            let rules = if name == "clone" {
                clone.clone()
            } else {
                Vec::new()
            };
            (rules.len() == 1 || allowance.guard().is_none()).then_some((i64::from(number), rules))
        })
        .collect();
    let (mismatch, matched) = (SeccompAction::Errno(1), SeccompAction::Allow);
    let filter = SeccompFilter::new(rules, mismatch, matched, target).unwrap();
    let code = BpfProgram::try_from(filter).unwrap();
    let own = |i: &seccompiler::sock_filter| Instruction {
        code: i.code,
        jt: i.jt,
        jf: i.jf,
        k: i.k,
    };
    Program::from_instructions(code.iter().map(own).collect())
}

#[test]
fn seccompiler_allows_the_same_calls_where_it_can_express_the_rules() {
    let agent = read(embedded::shipped("agent").unwrap());
    for (arch, target) in [
        (Arch::X86_64, TargetArch::x86_64),
        (Arch::Aarch64, TargetArch::aarch64),
    ] {
        let ours = compile(&agent, arch).unwrap();
        let theirs = second_opinion(&agent, arch, target);
        let mut compared = 0;
        for number in 0..1024 {
            let name = syscalls::name(arch, number).unwrap_or("");
            let guarded = agent
                .allowance_of(name)
                .is_some_and(|a| a.guard().is_some());
            if (guarded && name != "clone") || agent.denials_of(name).any(|d| !d.is_total()) {
                continue;
            }
            for first in [0, 17, 0x1000_0000, 0x80, 1 << 32, 0x7E02_0080, u64::MAX] {
                let call = Data::new(arch, number, [first, 0, 0, 0, 0, 0]);
                let allows = |program| simulate(program, &call) == Ok(Action::Allow);
                assert_eq!(allows(&ours), allows(&theirs), "{name} {first:#x}");
                compared += 1;
            }
        }
        assert!(compared > 6000, "{compared}");
    }
}
