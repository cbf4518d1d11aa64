//! Rules of a foreign policy, and the plan of a profile that gives every call the same answer.
//!
//! Not for: any one source's format, nor for TOML.

use std::collections::BTreeSet;

use crate::action::Action;
use crate::arch::Arch;
use crate::condition::{Condition, Test, Width};
use crate::errno::Errno;
use crate::syscalls;

use super::comparison::{Alternatives, neither};
use super::error::{Defect, ImportError};
use super::note::{Difference, Note};

/// A policy as its reader understood it.
pub(super) struct Draft {
    /// The answer to calls that no rule names.
    pub(super) fallback: Action,
    pub(super) rules: Vec<Rule>,
    pub(super) notes: Vec<Note>,
    pub(super) skipped: Vec<usize>,
}

/// Calls with some arguments, and their answer.
pub(super) struct Rule {
    pub(super) line: usize,
    /// What the rule is, in a few words.
    pub(super) why: String,
    pub(super) calls: BTreeSet<&'static str>,
    pub(super) action: Action,
    /// None never holds; an empty alternative always does.
    pub(super) when: Alternatives,
}

/// A group of the profile: its text but for the calls.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) why: String,
    pub(super) form: Form,
}

/// What a group says.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Form {
    Allow {
        log: bool,
        guard: Option<(Alternatives, Errno)>,
    },
    /// Without alternatives it always applies.
    Deny { action: Action, when: Alternatives },
}

/// Groups with their calls, in the order of the source's rules.
pub(super) type Plan = Vec<(Group, Vec<&'static str>)>;

/// Every name that a profile may have, ascending.
pub(super) fn known() -> BTreeSet<&'static str> {
    let calls = Arch::ALL.into_iter().flat_map(syscalls::calls);
    calls.map(|(_, name)| name).collect()
}

/// The profile of these rules.
pub(super) fn plan(
    file: &str,
    rules: &[Rule],
    fallback: Action,
    notes: &mut Vec<Note>,
) -> Result<Plan, ImportError> {
    if fallback != Action::Errno(Errno::ENOSYS) {
        notes.push(Note::whole(Difference::UnknownNumbers { answer: fallback }));
    }
    let mut entries: Vec<(usize, Group, &'static str)> = Vec::new();
    for call in known() {
        let own: Vec<&Rule> = rules
            .iter()
            .filter(|rule| rule.calls.contains(call))
            .collect();
        let case = Case {
            call,
            fallback,
            rules: own,
        };
        let groups = case.groups(notes).ok_or_else(|| ImportError::Rule {
            file: file.to_owned(),
            line: case.line(),
            defect: Defect::Entangled { call },
        })?;
        entries.extend(groups.into_iter().map(|(line, group)| (line, group, call)));
    }
    entries.sort_by_key(|(line, _, _)| *line);
    Ok(gathered(entries))
}

fn gathered(entries: Vec<(usize, Group, &'static str)>) -> Plan {
    let mut plan: Plan = Vec::new();
    for (_, group, call) in entries {
        match plan.iter_mut().find(|(known, _)| *known == group) {
            Some((_, calls)) => calls.push(call),
            None => plan.push((group, vec![call])),
        }
    }
    plan
}

/// One call and the rules that name it.
struct Case<'a> {
    call: &'static str,
    fallback: Action,
    rules: Vec<&'a Rule>,
}

/// Most alternatives of one call, which are all compared with each other.
const CALL_ALTERNATIVES_MAX: usize = 2048;

/// Where a group of the default answer is sorted: behind all rules.
const LAST: usize = usize::MAX;

impl Case<'_> {
    fn line(&self) -> usize {
        self.rules.first().map_or(1, |rule| rule.line)
    }

    /// The call's groups with the line that each comes from; `None` when they get too many.
    fn groups(&self, notes: &mut Vec<Note>) -> Option<Vec<(usize, Group)>> {
        let alternatives = self.rules.iter().map(|rule| rule.when.len());
        if alternatives.sum::<usize>() > CALL_ALTERNATIVES_MAX {
            return None;
        }
        self.note_conflicts(notes);
        let mut refusing: Vec<&Rule> = self.matching(|action| !action.permits());
        refusing.sort_by_key(|rule| (rule.action, rule.line));
        if let Some(total) = refusing.iter().find(|rule| always(&rule.when)) {
            let denial = Group::deny(total.why.clone(), total.action, Vec::new());
            return Some(vec![(total.line, denial)]);
        }
        let mut denials = distinct_denials(&refusing);
        let groups = match self.allowance(notes) {
            Some(allowance) if self.fallback.permits() || allowance.1.always() => vec![allowance],
            Some(allowance) => self.guarded(allowance, &mut denials)?,
            None if self.fallback == Action::Errno(Errno::EPERM) && denials.is_empty() => vec![],
            None => self.refused(&mut denials)?,
        };
        Some(groups.into_iter().chain(denials).collect())
    }

    fn matching(&self, wanted: impl Fn(Action) -> bool) -> Vec<&Rule> {
        let holds = |rule: &&&Rule| !rule.when.is_empty() && wanted(rule.action);
        self.rules.iter().filter(holds).copied().collect()
    }

    /// The allowance: the first rule's words, all rules' arguments.
    fn allowance(&self, notes: &mut Vec<Note>) -> Option<(usize, Group)> {
        let permitting = self.matching(Action::permits);
        let all = permitting.iter().find(|rule| always(&rule.when));
        let log = self.logs(&permitting, notes);
        if let Some(rule) = all {
            return Some((rule.line, Group::allow(rule.why.clone(), log, None)));
        }
        if self.fallback.permits() {
            let why = "The source's default lets through what no rule of it names.".to_owned();
            return Some((LAST, Group::allow(why, log, None)));
        }
        let first = permitting.first()?;
        let when = permitting.iter().flat_map(|rule| rule.when.iter().cloned());
        let when = folded(self.not_denied(when.collect()));
        if when.is_empty() {
            return None;
        }
        // The error is filled in by whoever knows the fallback.
        let guard = Some((when, Errno::EPERM));
        let why = first.reason(permitting.len());
        Some((first.line, Group::allow(why, log, guard)))
    }

    /// Whether calls that take place are logged: all of them, if some are in the source.
    fn logs(&self, permitting: &[&Rule], notes: &mut Vec<Note>) -> bool {
        let by_default = Some(self.fallback).filter(|action| action.permits());
        let answers = permitting.iter().map(|rule| rule.action).chain(by_default);
        let (logged, plain): (Vec<_>, Vec<_>) = answers.partition(|one| *one == Action::Log);
        if !logged.is_empty() && !plain.is_empty() {
            let call = self.call;
            notes.push(Note::at(self.line(), Difference::LogsMore { call }));
        }
        !logged.is_empty()
    }

    /// Without what a denial refuses word for word, which a profile's reader calls a contradiction.
    fn not_denied(&self, mut when: Alternatives) -> Alternatives {
        let refusing = self.matching(|action| !action.permits());
        when.retain(|all| !refusing.iter().any(|rule| rule.when.contains(all)));
        when
    }

    /// The allowance with the fallback's error, or with a denial in its place.
    fn guarded(
        &self,
        (line, group): (usize, Group),
        denials: &mut Vec<(usize, Group)>,
    ) -> Option<Vec<(usize, Group)>> {
        let Form::Allow {
            log,
            guard: Some((when, _)),
        } = group.form
        else {
            return Some(Vec::new());
        };
        if let Action::Errno(otherwise) = self.fallback {
            let guard = Some((when, otherwise));
            return Some(vec![(line, Group::allow(group.why, log, guard))]);
        }
        let why = format!("{} Other arguments get the source's default.", group.why);
        let rest = neither(&when)?;
        denials.push((LAST, Group::deny(why, self.fallback, rest)));
        Some(vec![(line, Group::allow(group.why, log, None))])
    }

    /// Nothing allows the call, but some denials have an answer of their own.
    fn refused(&self, denials: &mut Vec<(usize, Group)>) -> Option<Vec<(usize, Group)>> {
        let why = "The source's default answer to what no rule of it names.".to_owned();
        let own = |group: &Group| matches!(group.form, Form::Deny { action, .. } if action != self.fallback);
        if !denials.iter().any(|(_, group)| own(group)) {
            denials.clear();
            return Some(vec![(LAST, Group::deny(why, self.fallback, Vec::new()))]);
        }
        let named = "Named for the denials alone, which come before it.";
        let line = self.line();
        if let Action::Errno(otherwise) = self.fallback {
            let never = Group::allow(named.to_owned(), false, Some((impossible(), otherwise)));
            return Some(vec![(line, never)]);
        }
        let claimed = denials.iter().flat_map(|(_, group)| group.form.when());
        let rest = neither(&claimed.cloned().collect())?;
        denials.push((LAST, Group::deny(why, self.fallback, rest)));
        Some(vec![(line, Group::allow(named.to_owned(), false, None))])
    }

    /// Notes rules that may meet with different answers.
    fn note_conflicts(&self, notes: &mut Vec<Note>) {
        let found = self.rules.iter().enumerate().find_map(|(at, rule)| {
            let rest = self.rules.get(at + 1..)?;
            let other = rest.iter().find(|other| {
                let same = rule.action == other.action;
                !same && !apart(&rule.when, &other.when)
            });
            other.map(|other| (other.line, rule.line))
        });
        if let Some((line, other)) = found {
            let call = self.call;
            notes.push(Note::at(line, Difference::Conflict { call, other }));
        }
    }
}

impl Rule {
    /// The reason, if rules of the same kind were joined with this one.
    fn reason(&self, rules: usize) -> String {
        match rules {
            0 | 1 => self.why.clone(),
            2 => format!("{} And another.", self.why),
            more => format!("{} And {} more.", self.why, more - 1),
        }
    }
}

impl Group {
    const fn allow(why: String, log: bool, guard: Option<(Alternatives, Errno)>) -> Self {
        let form = Form::Allow { log, guard };
        Self { why, form }
    }

    const fn deny(why: String, action: Action, when: Alternatives) -> Self {
        let form = Form::Deny { action, when };
        Self { why, form }
    }

    const fn always(&self) -> bool {
        matches!(self.form, Form::Allow { guard: None, .. })
    }
}

impl Form {
    fn when(&self) -> &[Vec<Condition>] {
        match self {
            Self::Allow { .. } => &[],
            Self::Deny { when, .. } => when,
        }
    }
}

/// Holds for no arguments, so that an allowance with it answers its error to all.
fn impossible() -> Alternatives {
    let equals = |value| Condition {
        argument: 0,
        width: Width::Low32,
        mask: Width::Low32.ones(),
        test: Test::In(vec![value]),
    };
    vec![vec![equals(0), equals(1)]]
}

fn always(when: &Alternatives) -> bool {
    when.iter().any(Vec::is_empty)
}

/// A denial for each action, each alternative only once: the strictest comes first and holds.
fn distinct_denials(refusing: &[&Rule]) -> Vec<(usize, Group)> {
    let mut seen: Alternatives = Vec::new();
    let mut denials: Vec<(usize, Group)> = Vec::new();
    for same in refusing.chunk_by(|one, other| one.action == other.action) {
        let Some(first) = same.first() else { continue };
        let mut when: Alternatives = same.iter().flat_map(|rule| rule.when.clone()).collect();
        when.retain(|all| !seen.contains(all));
        seen.extend(when.iter().cloned());
        let when = folded(when);
        if !when.is_empty() {
            let why = first.reason(same.len());
            denials.push((first.line, Group::deny(why, first.action, when)));
        }
    }
    denials
}

/// Whether no arguments can satisfy both, as far as single conditions show.
fn apart(one: &Alternatives, other: &Alternatives) -> bool {
    let pair = |left: &Condition, right: &Condition| {
        left.argument() == right.argument() && exclude(left, right)
    };
    one.iter().all(|left| {
        other
            .iter()
            .all(|right| left.iter().any(|a| right.iter().any(|b| pair(a, b))))
    })
}

fn exclude(left: &Condition, right: &Condition) -> bool {
    if let (Test::In(a), Test::In(b)) = (left.test(), right.test()) {
        let common = left.mask() & right.mask();
        return a.iter().all(|a| b.iter().all(|b| (a ^ b) & common != 0));
    }
    if left.width() != right.width() || left.mask() != right.mask() {
        return false;
    }
    match (left.test(), right.test()) {
        (Test::In(a), Test::NotIn(b)) | (Test::NotIn(b), Test::In(a)) => {
            a.iter().all(|value| b.contains(value))
        }
        (Test::In(a), Test::Between(low, high)) | (Test::Between(low, high), Test::In(a)) => {
            !a.iter().any(|value| (*low..=*high).contains(value))
        }
        (Test::In(a), Test::Outside(low, high)) | (Test::Outside(low, high), Test::In(a)) => {
            a.iter().all(|value| (*low..=*high).contains(value))
        }
        (Test::Between(a, b), Test::Outside(c, d)) | (Test::Outside(c, d), Test::Between(a, b)) => {
            c <= a && b <= d
        }
        (Test::Between(a, b), Test::Between(c, d)) => b < c || d < a,
        _ => false,
    }
}

/// Alternatives that ask for one value each of the same argument, as one that asks for their set.
fn folded(alternatives: Alternatives) -> Alternatives {
    let mut folded: Alternatives = Vec::new();
    for all in alternatives {
        if !joined(&mut folded, &all) && !folded.contains(&all) {
            folded.push(all);
        }
    }
    folded
}

fn joined(folded: &mut Alternatives, all: &[Condition]) -> bool {
    let [one] = all else { return false };
    let Test::In(more) = one.test() else {
        return false;
    };
    let alike = |known: &&mut Condition| {
        known.argument() == one.argument()
            && known.width() == one.width()
            && known.mask() == one.mask()
    };
    let mut single = folded
        .iter_mut()
        .filter_map(|all| match all.as_mut_slice() {
            [known] => Some(known).filter(alike),
            _ => None,
        });
    let set = single.find_map(|known| match &mut known.test {
        Test::In(values) => Some(values),
        _ => None,
    });
    let Some(values) = set else { return false };
    values.extend(more);
    values.sort_unstable();
    values.dedup();
    true
}
