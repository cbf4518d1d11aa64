//! A call's rules as alternatives of comparisons that all must hold, which is what seccompiler takes.
//!
//! Not for: deciding anything; calls that would need too many are left out of the comparison.

use seccomp::Profile;
use seccomp::condition::{Condition, Test, Width};
use seccompiler::{SeccompCmpArgLen, SeccompCmpOp, SeccompCondition};

use crate::error::Error;

/// Most alternatives of one call: beyond, the other maker's program outgrows what the kernel takes.
const ALTERNATIVES_MAX: usize = 48;

/// One comparison.
#[derive(Debug, Clone)]
pub(super) struct Comparison {
    argument: usize,
    width: Width,
    op: SeccompCmpOp,
    value: u64,
}

/// Alternatives of comparisons joined by AND. One empty alternative always holds.
pub(super) type Alternatives = Vec<Vec<Comparison>>;

/// When the call is allowed; `None` when it never is, or when that takes too many alternatives.
pub(super) fn of_call(profile: &Profile, call: &str) -> Option<Alternatives> {
    let allowance = profile.allowance_of(call)?;
    let mut all = match allowance.guard() {
        None => vec![Vec::new()],
        Some(guard) => {
            guard
                .alternatives()
                .iter()
                .try_fold(Vec::new(), |mut sum, conditions| {
                    let mut held = conditions.iter().map(holds);
                    sum.extend(
                        held.try_fold(vec![Vec::new()], |so_far, next| both(&so_far, &next?))?,
                    );
                    Some(sum)
                })?
        }
    };
    for denial in profile.denials_of(call) {
        if denial.is_total() {
            return None;
        }
        for conditions in denial.when() {
            let escapes = conditions.iter().map(fails).collect::<Option<Vec<_>>>()?;
            all = both(&all, &escapes.concat())?;
        }
    }
    Some(all)
}

fn both(one: &Alternatives, other: &Alternatives) -> Option<Alternatives> {
    if one.len() * other.len() > ALTERNATIVES_MAX {
        return None;
    }
    let join = |left: &Vec<Comparison>| {
        let left = left.clone();
        other
            .iter()
            .map(move |right| [left.clone(), right.clone()].concat())
    };
    Some(one.iter().flat_map(join).collect())
}

fn holds(condition: &Condition) -> Option<Alternatives> {
    match condition.test() {
        Test::In(values) => Some(one_of(condition, values)),
        Test::NotIn(values) => none_of(condition, values),
        Test::Between(low, high) => Some(between(condition, *low, *high)),
        Test::Outside(low, high) => Some(outside(condition, *low, *high)),
    }
}

fn fails(condition: &Condition) -> Option<Alternatives> {
    match condition.test() {
        Test::In(values) => none_of(condition, values),
        Test::NotIn(values) => Some(one_of(condition, values)),
        Test::Between(low, high) => Some(outside(condition, *low, *high)),
        Test::Outside(low, high) => Some(between(condition, *low, *high)),
    }
}

fn one_of(condition: &Condition, values: &[u64]) -> Alternatives {
    let op = || match condition.mask() {
        mask if mask == condition.width().ones() => SeccompCmpOp::Eq,
        mask => SeccompCmpOp::MaskedEq(mask),
    };
    values
        .iter()
        .map(|value| vec![compare(condition, op(), *value)])
        .collect()
}

fn none_of(condition: &Condition, values: &[u64]) -> Option<Alternatives> {
    if condition.mask() == condition.width().ones() {
        let differs = |value: &u64| compare(condition, SeccompCmpOp::Ne, *value);
        return Some(vec![values.iter().map(differs).collect()]);
    }
    // There is no masked comparison for inequality; of zero it is any of the bits.
    let bits = (0..u64::BITS)
        .map(|bit| 1 << bit)
        .filter(|bit| condition.mask() & bit != 0);
    let set = |bit: u64| vec![compare(condition, SeccompCmpOp::MaskedEq(bit), bit)];
    (*values == [0]).then(|| bits.map(set).collect())
}

fn between(condition: &Condition, low: u64, high: u64) -> Alternatives {
    vec![vec![
        compare(condition, SeccompCmpOp::Ge, low),
        compare(condition, SeccompCmpOp::Le, high),
    ]]
}

fn outside(condition: &Condition, low: u64, high: u64) -> Alternatives {
    vec![
        vec![compare(condition, SeccompCmpOp::Lt, low)],
        vec![compare(condition, SeccompCmpOp::Gt, high)],
    ]
}

const fn compare(condition: &Condition, op: SeccompCmpOp, value: u64) -> Comparison {
    Comparison {
        argument: condition.argument(),
        width: condition.width(),
        op,
        value,
    }
}

impl Comparison {
    /// The same in seccompiler's words.
    pub(super) fn condition(&self) -> Result<SeccompCondition, Error> {
        let length = match self.width {
            Width::Low32 => SeccompCmpArgLen::Dword,
            Width::Full64 => SeccompCmpArgLen::Qword,
        };
        let argument = u8::try_from(self.argument).unwrap_or(u8::MAX);
        SeccompCondition::new(argument, length, self.op.clone(), self.value)
            .map_err(|error| Error::Unmet(error.to_string()))
    }
}
