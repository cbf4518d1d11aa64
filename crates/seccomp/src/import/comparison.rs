//! One comparison of a rule in JSON as conditions of ours.
//!
//! Not for: joining rules. All comparisons look at 64 bits, and a profile's numbers are signed, so
//! the highest bit is asked for with a range.

use serde::Deserialize;

use crate::condition::{ARGUMENTS, Condition, Test, Width};

use super::error::Defect;

/// Alternatives of conditions that must hold together. None never holds, an empty one always.
pub(super) type Alternatives = Vec<Vec<Condition>>;

/// Most alternatives of one rule: each becomes several instructions, of which there are 4,096.
pub(super) const ALTERNATIVES_MAX: usize = 256;

const HIGHEST: u64 = 1 << 63;
const BELOW_HIGHEST: u64 = HIGHEST - 1;

/// A comparison as the JSON has it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RawComparison {
    index: u64,
    value: u64,
    #[serde(default)]
    value_two: Option<u64>,
    op: RawOperator,
}

#[derive(Deserialize, Clone, Copy)]
enum RawOperator {
    #[serde(rename = "SCMP_CMP_NE")]
    NotEqual,
    #[serde(rename = "SCMP_CMP_LT")]
    Less,
    #[serde(rename = "SCMP_CMP_LE")]
    LessOrEqual,
    #[serde(rename = "SCMP_CMP_EQ")]
    Equal,
    #[serde(rename = "SCMP_CMP_GE")]
    GreaterOrEqual,
    #[serde(rename = "SCMP_CMP_GT")]
    Greater,
    #[serde(rename = "SCMP_CMP_MASKED_EQ")]
    Masked,
}

impl RawComparison {
    /// Index of the argument.
    pub(super) fn argument(&self) -> Result<usize, Defect> {
        usize::try_from(self.index)
            .ok()
            .filter(|index| *index < ARGUMENTS)
            .ok_or(Defect::Argument { given: self.index })
    }

    /// The same question in our conditions.
    pub(super) fn alternatives(&self) -> Result<Alternatives, Defect> {
        let register = Register(self.argument()?);
        let found = match self.op {
            RawOperator::Equal => Some(register.equal(self.value)),
            RawOperator::NotEqual => Some(register.not_equal(self.value)),
            RawOperator::Less => register.below(self.value),
            RawOperator::GreaterOrEqual => register.from(self.value),
            RawOperator::LessOrEqual => match self.value.checked_add(1) {
                Some(above) => register.below(above),
                None => Some(always()),
            },
            RawOperator::Greater => match self.value.checked_add(1) {
                Some(above) => register.from(above),
                None => Some(Vec::new()),
            },
            // libseccomp's order: the mask first, then what the masked argument must be.
            RawOperator::Masked => Some(register.masked(self.value, self.value_two.unwrap_or(0))),
        };
        found.ok_or_else(|| Defect::Value {
            op: self.op.name(),
            value: self.value,
        })
    }
}

impl RawOperator {
    const fn name(self) -> &'static str {
        match self {
            Self::NotEqual => "SCMP_CMP_NE",
            Self::Less => "SCMP_CMP_LT",
            Self::LessOrEqual => "SCMP_CMP_LE",
            Self::Equal => "SCMP_CMP_EQ",
            Self::GreaterOrEqual => "SCMP_CMP_GE",
            Self::Greater => "SCMP_CMP_GT",
            Self::Masked => "SCMP_CMP_MASKED_EQ",
        }
    }
}

fn always() -> Alternatives {
    vec![Vec::new()]
}

/// An argument by index, below [`ARGUMENTS`].
#[derive(Clone, Copy)]
struct Register(usize);

impl Register {
    fn condition(self, mask: u64, test: Test) -> Condition {
        // A mask within 32 bits looks at no others, and is easier to read as such.
        let width = if mask <= Width::Low32.ones() {
            Width::Low32
        } else {
            Width::Full64
        };
        Condition {
            argument: self.0,
            width,
            mask,
            test,
        }
    }

    fn whole(self, test: Test) -> Condition {
        self.condition(u64::MAX, test)
    }

    fn equal(self, value: u64) -> Alternatives {
        if value < HIGHEST {
            return vec![vec![self.whole(Test::In(vec![value]))]];
        }
        vec![vec![
            self.highest(true),
            self.condition(BELOW_HIGHEST, Test::In(vec![value & BELOW_HIGHEST])),
        ]]
    }

    fn not_equal(self, value: u64) -> Alternatives {
        if value < HIGHEST {
            return vec![vec![self.whole(Test::NotIn(vec![value]))]];
        }
        let rest = self.condition(BELOW_HIGHEST, Test::NotIn(vec![value & BELOW_HIGHEST]));
        vec![vec![self.highest(false)], vec![rest]]
    }

    fn highest(self, set: bool) -> Condition {
        self.whole(if set {
            Test::Outside(0, BELOW_HIGHEST)
        } else {
            Test::Between(0, BELOW_HIGHEST)
        })
    }

    fn below(self, value: u64) -> Option<Alternatives> {
        match value {
            0 => Some(Vec::new()),
            1..=HIGHEST => Some(vec![vec![self.whole(Test::Between(0, value - 1))]]),
            _ => None,
        }
    }

    fn from(self, value: u64) -> Option<Alternatives> {
        match value {
            0 => Some(always()),
            1..=HIGHEST => Some(vec![vec![self.whole(Test::Outside(0, value - 1))]]),
            _ => None,
        }
    }

    /// `(argument & mask) == (value & mask)`, as `seccomp_rule_add(3)` has it.
    fn masked(self, mask: u64, value: u64) -> Alternatives {
        if mask == u64::MAX {
            return self.equal(value);
        }
        let mut all = Vec::new();
        if mask & HIGHEST != 0 {
            all.push(self.highest(value & HIGHEST != 0));
        }
        let mask = mask & BELOW_HIGHEST;
        if mask != 0 {
            all.push(self.condition(mask, Test::In(vec![value & mask])));
        }
        vec![all]
    }
}

/// Both must hold; `None` when that takes too many alternatives.
pub(super) fn both(one: &Alternatives, other: &Alternatives) -> Option<Alternatives> {
    if one.len().saturating_mul(other.len()) > ALTERNATIVES_MAX {
        return None;
    }
    let mut joined: Alternatives = Vec::new();
    for left in one {
        for right in other {
            let extra = right.iter().filter(|condition| !left.contains(condition));
            let all: Vec<Condition> = left.iter().chain(extra).cloned().collect();
            if !joined.contains(&all) {
                joined.push(all);
            }
        }
    }
    Some(joined)
}

/// None of these holds; `None` when that takes too many alternatives.
pub(super) fn neither(alternatives: &Alternatives) -> Option<Alternatives> {
    alternatives.iter().try_fold(always(), |so_far, all| {
        let failing: Alternatives = all.iter().map(|one| vec![opposite(one)]).collect();
        both(&so_far, &failing)
    })
}

fn opposite(condition: &Condition) -> Condition {
    let test = match condition.test().clone() {
        Test::In(values) => Test::NotIn(values),
        Test::NotIn(values) => Test::In(values),
        Test::Between(low, high) => Test::Outside(low, high),
        Test::Outside(low, high) => Test::Between(low, high),
    };
    Condition {
        test,
        ..condition.clone()
    }
}
