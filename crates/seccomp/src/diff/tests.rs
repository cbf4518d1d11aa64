//! Comparisons of shipped, written and generated profiles.
//!
//! Not for: the classes themselves.

use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;
use crate::action::Action;
use crate::classes::tests::{condition, value};
use crate::condition::{Condition, Test, Width};
use crate::embedded;
use crate::verdict::verdict;

fn read(rules: &str) -> Profile {
    let text = format!(
        "version = 1\nname = \"made\"\ndescription = \"d\"\n[[allow]]\nwhy = \"w\"\ncalls = [\"exit\"]\n{rules}"
    );
    Profile::parse("made.toml", &text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn allow(call: &str, more: &str) -> String {
    format!("[[allow]]\nwhy = \"because of {call}\"\ncalls = [\"{call}\"]\n{more}\n")
}

fn socket(family: &str) -> String {
    allow("socket", &socket_guard(family))
}

fn socket_guard(family: &str) -> String {
    format!("when = [[{{ arg = 0, width = 32, {family} }}]]\notherwise = \"EPERM\"")
}

fn change<'a>(difference: &'a Difference, call: &str) -> Option<&'a Change> {
    difference.changes.iter().find(|change| change.call == call)
}

#[test]
fn a_profile_does_not_differ_from_itself_and_all_of_it_is_compared() {
    for name in embedded::names() {
        let profile = Profile::parse(name, embedded::shipped(name).unwrap()).unwrap();
        let difference = diff(&profile, &profile.clone()).unwrap();
        assert!(difference.is_none());
        let calls: usize = Arch::ALL
            .iter()
            .map(|arch| syscalls::calls(*arch).count())
            .sum();
        assert_eq!(difference.compared.calls, calls);
        assert!(difference.compared.classes > calls);
        assert!(!difference.widens());
        assert!(difference.to_string().contains("no difference"));
    }
}

#[test]
fn the_office_differs_from_the_agent_where_their_texts_say_so() {
    let [agent, office] = ["agent", "office"]
        .map(|name| Profile::parse(name, embedded::shipped(name).unwrap()).unwrap());
    let difference = diff(&agent, &office).unwrap();
    let execve = change(&difference, "execve").unwrap();
    assert_eq!(execve.on.len(), 2);
    let [case] = execve.cases.as_slice() else {
        panic!("{execve:?}")
    };
    assert_eq!(case.direction, Direction::Narrower);
    assert!(case.when.is_empty());
    let why = &case.right.rule.as_ref().unwrap().why;
    assert!(why.contains("Starts other programs"), "{why}");
    assert_eq!(
        change(&difference, "splice").unwrap().cases[0].direction,
        Direction::Wider
    );
    assert!(change(&difference, "read").is_none());
    assert!(difference.widens());
    let back = diff(&office, &agent).unwrap();
    let names = |one: &Difference| {
        one.changes
            .iter()
            .map(|change| change.call.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&back), names(&difference));
}

#[test]
fn says_for_which_arguments_they_differ_with_the_reasons_of_both() {
    let difference = diff(
        &read(&socket("in = [1, 2]")),
        &read(&socket("in = [1, 40]")),
    )
    .unwrap();
    let [change] = difference.changes.as_slice() else {
        panic!("{difference}")
    };
    let told: Vec<(Direction, &str)> = change
        .cases
        .iter()
        .map(|case| (case.direction, case.when[0].as_str()))
        .collect();
    assert_eq!(told.len(), 2);
    for expected in [
        (Direction::Narrower, "family (argument 0) is 2"),
        (Direction::Wider, "family (argument 0) is 40"),
    ] {
        assert!(told.contains(&expected), "{told:?}");
    }
    let text = difference.to_string();
    assert!(text.contains("made.toml:"), "{text}");
    assert!(text.contains("because of socket"), "{text}");
}

#[test]
fn a_call_of_one_architecture_and_a_half_of_a_register_are_not_missed() {
    let difference = diff(&read(&allow("open", "")), &read("")).unwrap();
    let [change] = difference.changes.as_slice() else {
        panic!("{difference}")
    };
    assert_eq!(
        change.on,
        [Place {
            arch: Arch::X86_64,
            number: 2
        }]
    );

    let wide = socket("in = [1]").replace("32", "64");
    let difference = diff(&read(&socket("in = [1]")), &read(&wide)).unwrap();
    let [case] = difference.changes[0].cases.as_slice() else {
        panic!("{difference}")
    };
    assert_eq!(case.direction, Direction::Narrower);
    assert_eq!(case.example[0], 0x1_0000_0001);
}

#[test]
fn refuses_to_answer_in_part_when_there_are_too_many_classes() {
    let bits: Vec<String> = (0..14)
        .map(|bit| format!("[{{ arg = 0, width = 32, any_of = {} }}]", 1_u32 << bit))
        .collect();
    let rule = |count: usize| {
        let when = bits[..count].join(", ");
        read(&allow(
            "read",
            &format!("when = [{when}]\notherwise = \"EPERM\""),
        ))
    };
    assert_eq!(diff(&rule(14), &rule(3)).unwrap_err().call, "read");
    assert!(diff(&rule(8), &rule(3)).is_ok());
}

#[test]
fn a_refusal_that_is_no_event_any_more_is_a_difference() {
    let agent = embedded::shipped("agent").unwrap();
    let bpf = "calls = [\"bpf\", \"perf_event_open\", \"userfaultfd\"]\n";
    assert!(agent.contains(bpf));
    let silenced = agent.replace(bpf, &format!("{bpf}quiet = true\n"));
    let [loud, silent] = [agent, &silenced].map(|text| Profile::parse("agent.toml", text).unwrap());
    for (left, right, direction, words) in [
        (&loud, &silent, Direction::Quieter, "EPERM (quiet)"),
        (&silent, &loud, Direction::Louder, "reports refusals"),
    ] {
        let difference = diff(left, right).unwrap();
        let calls: Vec<&str> = difference.changes.iter().map(|one| &*one.call).collect();
        assert_eq!(calls, ["bpf", "perf_event_open", "userfaultfd"]);
        let case = &change(&difference, "bpf").unwrap().cases[0];
        assert_eq!(case.direction, direction);
        assert!(!difference.is_none() && !difference.widens());
        assert!(difference.to_string().contains(words), "{difference}");
    }
}

#[test]
fn what_other_profiles_may_enable_is_a_difference_though_it_is_off() {
    let offer = |group: &str, call: &str, more: &str| {
        allow(call, more).replacen("\ncalls", &format!("\noptional = \"{group}\"\ncalls"), 1)
    };
    let guarded = |family: &str| offer("a", "socket", &socket_guard(family));
    let left = read(&(guarded("in = [1]") + &offer("a", "tee", "")));
    let right = read(&(guarded("in = [2]") + &offer("b", "mount", "")));
    let difference = diff(&left, &right).unwrap();
    assert_eq!(difference.changes, []);
    assert!(!difference.is_none());
    let group = |group: &str, left, right, otherwise| GroupChange {
        group: group.to_owned(),
        left,
        right,
        otherwise,
    };
    assert_eq!(
        difference.groups,
        [
            group("a", vec!["tee"], vec![], vec!["socket"]),
            group("b", vec![], vec!["mount"], vec![]),
        ]
    );
    let text = difference.to_string();
    assert!(text.contains("b\n    only made offers mount\n"), "{text}");
    assert!(text.contains("    for other arguments: socket\n"), "{text}");
    assert!(diff(&left, &left.clone()).unwrap().is_none());
}

const CALLS: [&str; 4] = ["read", "socket", "open", "clone"];
const ARGUMENTS_USED: &[usize] = &[0, 1, 5];

/// A condition as a profile writes it.
fn toml(condition: &Condition) -> String {
    let width = condition.width().bits();
    // TOML's integers end below the highest bit of a register: such a mask can't be named.
    let whole = condition.mask() == condition.width().ones();
    let mask = if whole {
        String::new()
    } else {
        format!("mask = {}, ", condition.mask())
    };
    let test = match condition.test() {
        Test::In(set) => format!("{mask}in = {set:?}"),
        Test::NotIn(set) => format!("{mask}not_in = {set:?}"),
        Test::Between(low, high) => format!("between = [{low}, {high}]"),
        Test::Outside(low, high) => format!("outside = [{low}, {high}]"),
    };
    format!(
        "{{ arg = {}, width = {width}, {test} }}",
        condition.argument()
    )
}

type When = Vec<Vec<Condition>>;

fn when() -> impl Strategy<Value = When> {
    let all = prop::collection::vec(condition(ARGUMENTS_USED), 1..3);
    prop::collection::vec(all, 1..3)
}

fn written(when: &When) -> String {
    let all = |list: &Vec<Condition>| {
        format!("[{}]", list.iter().map(toml).collect::<Vec<_>>().join(", "))
    };
    format!(
        "when = [{}]",
        when.iter().map(all).collect::<Vec<_>>().join(", ")
    )
}

/// For each call: not named, or its guard and a denial.
type Rules = Vec<Option<(Option<When>, Option<When>)>>;

fn rules() -> impl Strategy<Value = Rules> {
    let rule = prop::option::of((prop::option::of(when()), prop::option::of(when())));
    prop::collection::vec(rule, CALLS.len())
}

fn profile(rules: &Rules) -> Option<Profile> {
    let mut text = String::new();
    for (call, rule) in CALLS.iter().zip(rules) {
        let Some((guard, denied)) = rule else {
            continue;
        };
        let guard = guard.as_ref().map_or_else(String::new, |guard| {
            format!("{}\notherwise = \"EACCES\"", written(guard))
        });
        text += &allow(call, &guard);
        if let Some(denied) = denied {
            writeln!(
                text,
                "[[deny]]\nwhy = \"w\"\ncalls = [\"{call}\"]\nerrno = \"ENOSYS\"\n{}",
                written(denied)
            )
            .unwrap();
        }
    }
    let text = format!(
        "version = 1\nname = \"made\"\ndescription = \"d\"\n[[allow]]\nwhy = \"w\"\ncalls = [\"exit\"]\n{text}"
    );
    Profile::parse("made.toml", &text).ok()
}

/// Where the examples of the report say that they are, the profiles really differ so.
fn examples_are_true(left: &Profile, right: &Profile, difference: &Difference) {
    for change in &difference.changes {
        for (place, case) in change
            .on
            .iter()
            .flat_map(|place| change.cases.iter().map(move |case| (place, case)))
        {
            let call = Data::new(place.arch, place.number, case.example);
            assert_eq!(verdict(left, place.arch, &call), case.left.action);
            assert_eq!(verdict(right, place.arch, &call), case.right.action);
            assert_ne!(case.left.action, case.right.action);
        }
    }
}

/// Whether the report has a case of this call with these two actions.
fn reported(difference: &Difference, arch: Arch, call: &str, actions: [Action; 2]) -> bool {
    difference
        .changes
        .iter()
        .filter(|change| change.call == call && change.on.iter().any(|place| place.arch == arch))
        .flat_map(|change| &change.cases)
        .any(|case| [case.left.action, case.right.action] == actions)
}

/// The first condition with one bit of its mask or of a value turned.
fn with_a_bit_turned(rules: &Rules, bit: u32) -> Rules {
    let mut turned = rules.clone();
    let whens = turned
        .iter_mut()
        .flatten()
        .flat_map(|(guard, denied)| guard.iter_mut().chain(denied));
    if let Some(condition) = whens.flatten().flatten().next() {
        let bit = 1_u64 << (bit % condition.width().bits().min(63));
        match &mut condition.test {
            Test::In(set) | Test::NotIn(set) => {
                let whole = condition.mask == condition.width.ones();
                condition.mask |= bit;
                set[0] ^= if whole { bit } else { 0 };
                set.sort_unstable();
                set.dedup();
            }
            Test::Between(_, high) | Test::Outside(_, high) => *high |= bit,
        }
        debug_assert!(condition.width == Width::Full64 || condition.mask <= u64::from(u32::MAX));
    }
    turned
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn a_call_on_which_two_profiles_differ_is_in_the_report(
        rules in rules(),
        other in rules(),
        mutated: bool,
        bit in 0..64_u32,
        samples in prop::collection::vec((prop::array::uniform6(value()), 0..64_u32, 0..3_usize), 60),
    ) {
        let second = if mutated { with_a_bit_turned(&rules, bit) } else { other };
        let (Some(left), Some(right)) = (profile(&rules), profile(&second)) else { return Ok(()) };
        let difference = diff(&left, &right).unwrap();
        examples_are_true(&left, &right, &difference);
        let conditions: Vec<u64> = rules.iter().chain(&second).flatten()
            .flat_map(|(guard, denied)| guard.iter().chain(denied)).flatten().flatten()
            .flat_map(|one| match one.test() {
                Test::In(set) | Test::NotIn(set) => set.clone(),
                Test::Between(low, high) | Test::Outside(low, high) => vec![*low, *high],
            })
            .collect();
        for (at, (mut arguments, flip, which)) in samples.into_iter().enumerate() {
            // Half of the samples lie one bit away from a number that a condition names.
            if let Some(near) = conditions.get(at % (2 * conditions.len()).max(1)) {
                arguments[ARGUMENTS_USED[which]] = near ^ (1 << flip);
            }
            for arch in Arch::ALL {
                for call in CALLS {
                    let Some(number) = syscalls::number(arch, call) else { continue };
                    let data = Data::new(arch, number, arguments);
                    let actions = [verdict(&left, arch, &data), verdict(&right, arch, &data)];
                    if actions[0] != actions[1] {
                        prop_assert!(reported(&difference, arch, call, actions), "{} {:x?}\n{}", call, arguments, difference);
                    }
                }
            }
        }
    }
}
