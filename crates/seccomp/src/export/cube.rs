//! The values of one argument, split into blocks that no condition divides.
//!
//! Not for: several arguments at once (`rules`).

use crate::condition::{ARGUMENTS, Condition, Test};

/// Most blocks of one argument.
const CUBES_MAX: usize = 4096;
const BITS: u32 = u64::BITS;

/// Values whose bits under the mask are these: what `SCMP_CMP_MASKED_EQ` compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Cube {
    /// The bits that are fixed.
    pub(super) mask: u64,
    /// Their values; 0 elsewhere.
    pub(super) value: u64,
}

/// Which conditions hold, in their order.
pub(super) type Truths = Vec<bool>;

/// A binary tree over an argument's bits.
pub(super) enum Bits {
    /// No condition asks further.
    Leaf(Truths),
    /// One more bit decides.
    Fork {
        bit: u32,
        clear: Box<Self>,
        set: Box<Self>,
    },
}

impl Cube {
    pub(super) const EVERYTHING: Self = Self { mask: 0, value: 0 };

    const fn with(self, bit: u32, set: bool) -> Self {
        let at = 1 << bit;
        Self {
            mask: self.mask | at,
            value: if set { self.value | at } else { self.value },
        }
    }

    /// Whether a condition holds for all of the block, for none of it, or depends.
    fn judge(self, condition: &Condition) -> Option<bool> {
        let seen = condition.mask() & condition.width().ones();
        match condition.test() {
            Test::In(values) => self.among(values, seen),
            Test::NotIn(values) => self.among(values, seen).map(|inside| !inside),
            Test::Between(low, high) => self.within(*low, *high, seen),
            Test::Outside(low, high) => self.within(*low, *high, seen).map(|inside| !inside),
        }
    }

    fn among(self, values: &[u64], seen: u64) -> Option<bool> {
        let fits = |value: &u64| (value ^ self.value) & seen & self.mask == 0;
        if !values.iter().any(fits) {
            return Some(false);
        }
        (seen & !self.mask == 0).then_some(true)
    }

    fn within(self, low: u64, high: u64, seen: u64) -> Option<bool> {
        let least = self.value & seen;
        let most = (self.value | !self.mask) & seen;
        if low <= least && most <= high {
            return Some(true);
        }
        (most < low || high < least).then_some(false)
    }
}

impl Bits {
    /// The tree for these conditions, all of one argument; `None` when it gets too large.
    pub(super) fn of(conditions: &[&Condition]) -> Option<Self> {
        let mut left = CUBES_MAX;
        Self::below(conditions, Cube::EVERYTHING, &mut left)
    }

    fn below(conditions: &[&Condition], cube: Cube, left: &mut usize) -> Option<Self> {
        let judged: Vec<Option<bool>> = conditions.iter().map(|one| cube.judge(one)).collect();
        let open = conditions
            .iter()
            .zip(&judged)
            .filter(|(_, truth)| truth.is_none());
        let asked = open.fold(0, |bits, (one, _)| bits | one.mask() & one.width().ones());
        let asked = asked & !cube.mask;
        if asked == 0 {
            *left = left.checked_sub(1)?;
            return Some(Self::Leaf(
                judged.into_iter().map(|t| t == Some(true)).collect(),
            ));
        }
        let bit = BITS - 1 - asked.leading_zeros();
        Some(Self::Fork {
            bit,
            clear: Box::new(Self::below(conditions, cube.with(bit, false), left)?),
            set: Box::new(Self::below(conditions, cube.with(bit, true), left)?),
        })
    }

    /// All that conditions can be together, each with a value.
    pub(super) fn classes(&self) -> Vec<(Truths, u64)> {
        let mut classes: Vec<(Truths, u64)> = Vec::new();
        self.visit(Cube::EVERYTHING, &mut |cube, truths| {
            if !classes.iter().any(|(known, _)| known == truths) {
                classes.push((truths.clone(), cube.value));
            }
        });
        classes
    }

    fn visit(&self, cube: Cube, each: &mut dyn FnMut(Cube, &Truths)) {
        match self {
            Self::Leaf(truths) => each(cube, truths),
            Self::Fork { bit, clear, set } => {
                clear.visit(cube.with(*bit, false), each);
                set.visit(cube.with(*bit, true), each);
            }
        }
    }

    /// Blocks with their labels; blocks of one label are joined where they share a fork.
    pub(super) fn labelled(&self, label: &dyn Fn(&Truths) -> usize) -> Vec<(Cube, usize)> {
        let mut cubes = Vec::new();
        if let Some(whole) = self.collect(Cube::EVERYTHING, label, &mut cubes) {
            cubes.push((Cube::EVERYTHING, whole));
        }
        cubes
    }

    /// The label of the whole block, or its parts' blocks in `cubes`.
    fn collect(
        &self,
        cube: Cube,
        label: &dyn Fn(&Truths) -> usize,
        cubes: &mut Vec<(Cube, usize)>,
    ) -> Option<usize> {
        let (bit, clear, set) = match self {
            Self::Leaf(truths) => return Some(label(truths)),
            Self::Fork { bit, clear, set } => (*bit, clear, set),
        };
        let (low, high) = (cube.with(bit, false), cube.with(bit, true));
        let one = clear.collect(low, label, cubes);
        let other = set.collect(high, label, cubes);
        if one.is_some() && one == other {
            return one;
        }
        cubes.extend(one.map(|label| (low, label)));
        cubes.extend(other.map(|label| (high, label)));
        None
    }
}

/// The arguments that conditions look at, ascending.
pub(super) fn examined(conditions: &[&Condition]) -> Vec<usize> {
    (0..ARGUMENTS)
        .filter(|index| conditions.iter().any(|one| one.argument() == *index))
        .collect()
}
