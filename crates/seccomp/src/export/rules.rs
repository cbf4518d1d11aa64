//! One call's answers as rules without order, `or` and `not`: what libseccomp takes.
//!
//! Not for: their JSON (`policy`).

use crate::action::Action;
use crate::arch::Arch;
use crate::condition::{ARGUMENTS, Condition, Test};
use crate::data::Data;
use crate::decision;
use crate::errno::Errno;
use crate::profile::Profile;
use crate::verdict::verdict;

use super::cube::{Bits, Cube, examined};
use super::{CALL_RULES_MAX, Divergence, ExportError};

/// The answer to what no rule names, so it needs no rule.
pub(super) const DEFAULT: Action = Action::Errno(Errno::ENOSYS);

/// Highest number that families, types, protocols, options and the like have.
const REMOTE: u64 = 0xFFFF;

/// Most combinations of argument classes that are judged for one call.
const CASES_MAX: usize = 1 << 16;

/// Most rules that one call is split into before some of them are left out: each takes memory.
const SPLIT_MAX: usize = 1 << 16;

/// Arguments within these blocks, at most one an argument, and their answer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rule {
    pub(super) action: Action,
    pub(super) args: Vec<(usize, Cube)>,
}

/// The rules of a call.
pub(super) fn rules(
    profile: &Profile,
    arch: Arch,
    (number, call): (u32, &'static str),
    divergences: &mut Vec<Divergence>,
) -> Result<Vec<Rule>, ExportError> {
    let too_many = || too_many(profile, arch, call);
    let conditions = conditions(profile, arch, call);
    let mut judge = Judge {
        profile,
        arch,
        number,
        conditions: &conditions,
        left: CASES_MAX,
    };
    let examined = examined(&conditions);
    let tree = judge.tree(&examined, [0; ARGUMENTS]).ok_or_else(too_many)?;
    let mut rules = Vec::new();
    tree.flatten(&mut Vec::new(), &mut rules)
        .ok_or_else(too_many)?;
    thinned(rules, call, divergences).ok_or_else(too_many)
}

/// The error, with the place of the call's longest rule.
fn too_many(profile: &Profile, arch: Arch, call: &'static str) -> ExportError {
    let allowing = profile.allowance_on(arch, call).map(|rule| {
        let conditions = rule.guard().map_or(0, |guard| weight(guard.alternatives()));
        (conditions, decision::allowance_rule(rule, call))
    });
    let denying = profile.denials_on(arch, call).map(|rule| {
        let place = decision::denial_rule(profile, rule, call);
        (weight(rule.when()), place)
    });
    let longest = allowing
        .into_iter()
        .chain(denying)
        .max_by_key(|(weight, _)| *weight);
    let (file, line) = longest.map_or_else(
        || (profile.file().to_owned(), 0),
        |(_, rule)| (rule.file, rule.line),
    );
    ExportError::TooManyRules { call, file, line }
}

/// How many values the alternatives compare with.
fn weight(alternatives: &[Vec<Condition>]) -> usize {
    let values = |condition: &Condition| match condition.test() {
        Test::In(values) | Test::NotIn(values) => values.len(),
        Test::Between(..) | Test::Outside(..) => 2,
    };
    alternatives.iter().flatten().map(values).sum()
}

fn conditions<'a>(profile: &'a Profile, arch: Arch, call: &str) -> Vec<&'a Condition> {
    let guard = profile
        .allowance_on(arch, call)
        .and_then(|rule| rule.guard());
    let allowing = guard.into_iter().flat_map(|guard| guard.alternatives());
    let denying = profile.denials_on(arch, call).flat_map(|rule| rule.when());
    allowing.chain(denying).flatten().collect()
}

/// Leaves out errors until few enough rules are left, those for remote values first, then the error
/// that takes the most: ENOSYS takes their place. Nothing more is let through, nothing is killed
/// less. `None` when they are too many all the same.
fn thinned(
    mut rules: Vec<Rule>,
    call: &'static str,
    divergences: &mut Vec<Divergence>,
) -> Option<Vec<Rule>> {
    if rules.len() > CALL_RULES_MAX {
        rules.retain(|rule| !rule.is_error() || !rule.is_remote());
        divergences.push(Divergence::Remote { call });
    }
    while rules.len() > CALL_RULES_MAX {
        let count = |action: Action| rules.iter().filter(|rule| rule.action == action).count();
        let errors = rules.iter().filter(|rule| rule.is_error());
        let answer = errors
            .map(|rule| rule.action)
            .max_by_key(|action| count(*action))?;
        rules.retain(|rule| rule.action != answer);
        divergences.push(Divergence::Answer { call, answer });
    }
    rules.sort();
    Some(rules)
}

impl Rule {
    const fn is_error(&self) -> bool {
        matches!(self.action, Action::Errno(_))
    }

    /// Whether it is about numbers that no program has reason to pass.
    fn is_remote(&self) -> bool {
        self.args.iter().any(|(_, cube)| cube.value > REMOTE)
    }
}

/// An answer, or the argument that decides between some.
#[derive(PartialEq, Eq)]
enum Tree {
    Answer(Action),
    Depends {
        argument: usize,
        branches: Vec<(Vec<Cube>, Self)>,
    },
}

struct Judge<'a> {
    profile: &'a Profile,
    arch: Arch,
    number: u32,
    conditions: &'a [&'a Condition],
    left: usize,
}

impl Judge<'_> {
    /// The tree over the remaining arguments, the others being fixed; `None` when it gets too large.
    fn tree(&mut self, remaining: &[usize], arguments: [u64; ARGUMENTS]) -> Option<Tree> {
        let Some((argument, rest)) = remaining.split_first() else {
            self.left = self.left.checked_sub(1)?;
            let call = Data::new(self.arch, self.number, arguments);
            return Some(Tree::Answer(verdict(self.profile, self.arch, &call)));
        };
        let own = self
            .conditions
            .iter()
            .filter(|one| one.argument() == *argument);
        let own: Vec<&Condition> = own.copied().collect();
        let bits = Bits::of(&own)?;
        let mut trees: Vec<Tree> = Vec::new();
        let mut labels = Vec::new();
        for (truths, value) in bits.classes() {
            let mut arguments = arguments;
            *arguments.get_mut(*argument)? = value;
            let tree = self.tree(rest, arguments)?;
            let known = trees.iter().position(|other| *other == tree);
            labels.push((truths, known.unwrap_or(trees.len())));
            if known.is_none() {
                trees.push(tree);
            }
        }
        if trees.len() == 1 {
            return trees.pop();
        }
        let label = |truths: &Vec<bool>| {
            let found = labels.iter().find(|(known, _)| known == truths);
            found.map_or(usize::MAX, |(_, label)| *label)
        };
        let cubes = bits.labelled(&label);
        let branch = |(at, tree): (usize, Tree)| {
            let own = cubes.iter().filter(|(_, label)| *label == at);
            (own.map(|(cube, _)| *cube).collect(), tree)
        };
        Some(Tree::Depends {
            argument: *argument,
            branches: trees.into_iter().enumerate().map(branch).collect(),
        })
    }
}

impl Tree {
    /// A rule for each path to an answer that is not the default; `None` when they get too many.
    fn flatten(&self, path: &mut Vec<(usize, Cube)>, rules: &mut Vec<Rule>) -> Option<()> {
        match self {
            Self::Answer(action) if *action == DEFAULT => {}
            Self::Answer(_) if rules.len() == SPLIT_MAX => return None,
            Self::Answer(action) => rules.push(Rule {
                action: *action,
                args: path.clone(),
            }),
            Self::Depends { argument, branches } => {
                for (cubes, below) in branches {
                    for cube in cubes {
                        path.push((*argument, *cube));
                        below.flatten(path, rules)?;
                        path.pop();
                    }
                }
            }
        }
        Some(())
    }
}
