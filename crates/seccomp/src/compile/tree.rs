//! The search for a number's range: a tree of comparisons that is short first, and shallow where many
//! numbers are.
//!
//! Not for: what is done with a call of a range.
//!
//! Installing is what pays: the kernel translates each instruction twice, and walks the program once for
//! every number to learn which are always allowed (`seccomp_cache_prepare`). The tree with the least of
//! both is found by dynamic programming over all intervals of ranges.

use crate::program::operation;

use super::Range;
use super::assembler::{Assembler, Label};

/// What an instruction costs beside one step of one number's walk, as measured on installs: 0.2 µs to
/// 4 ns.
const INSTRUCTION: u64 = 50;
/// Most single numbers that are compared one after the other.
const SINGLES_MAX: usize = 4;
/// Ranges that such a row can span: the singles, and what lies around and between.
const ROW_MAX: usize = 2 * SINGLES_MAX + 1;
/// Numbers that the kernel walks beyond the last known one: next to none.
const OPEN_END: u64 = 1;

/// Code that finds the range of the number in the accumulator; ranges ascend, and there is one at least.
pub(super) fn tree(assembler: &mut Assembler, ranges: &[Range]) -> Label {
    let search = Search::over(ranges);
    search.write(assembler, 0, ranges.len())
}

/// How an interval of ranges is told apart best.
#[derive(Clone, Copy)]
enum Way {
    /// Nothing is left to tell.
    One,
    /// Numbers from this range's start on go one way, those below another.
    At(usize),
    /// Each range with another target than this one's has one number, and is asked for by it.
    Singles(usize),
}

#[derive(Clone, Copy)]
struct Choice {
    cost: u64,
    way: Way,
    /// Where the interval would be split, whether or not it is.
    split: usize,
}

struct Search<'a> {
    ranges: &'a [Range],
    /// By first range, then by length, from 1.
    choices: Vec<Vec<Choice>>,
}

impl<'a> Search<'a> {
    fn over(ranges: &'a [Range]) -> Self {
        let one = |first| Choice {
            cost: 0,
            way: Way::One,
            split: first,
        };
        let choices = (0..ranges.len()).map(|first| vec![one(first)]).collect();
        let mut search = Self { ranges, choices };
        for length in 2..=ranges.len() {
            for first in 0..=ranges.len() - length {
                let best = search.best(first, first + length);
                if let Some(row) = search.choices.get_mut(first) {
                    row.push(best);
                }
            }
        }
        search
    }

    /// The cheaper of the two ways. Where the best split of an interval lies between those of its
    /// neighbours (Knuth 1971), only these are tried; where it does not, the tree is merely not the best.
    fn best(&self, first: usize, end: usize) -> Choice {
        let least = self.choice(first, end - 1).split.max(first + 1);
        let most = self.choice(first + 1, end).split.clamp(least, end - 1);
        let cost = |at: &usize| self.choice(first, *at).cost + self.choice(*at, end).cost;
        let split = (least..=most).min_by_key(cost).unwrap_or(least);
        let splitting = cost(&split) + INSTRUCTION + self.numbers(first, end);
        let row = self.singles(first, end);
        let (cost, way) = match row {
            Some((cost, rest)) if cost < splitting => (cost, Way::Singles(rest)),
            _ => (splitting, Way::At(split)),
        };
        Choice { cost, way, split }
    }

    /// What it costs to ask for single numbers, and a range of those that are left.
    fn singles(&self, first: usize, end: usize) -> Option<(u64, usize)> {
        if end - first > ROW_MAX {
            return None;
        }
        let rests = [first, first + 1].into_iter().filter(|rest| *rest < end);
        let costs = rests.filter_map(|rest| Some((self.row_cost(first, end, rest)?, rest)));
        costs.min()
    }

    fn row_cost(&self, first: usize, end: usize, rest: usize) -> Option<u64> {
        let (mut asked, mut steps, mut left) = (0, 0, 0);
        for at in first..end {
            let numbers = self.numbers(at, at + 1);
            if self.leads_alike(at, rest) {
                left += numbers;
            } else if self.is_single(at) {
                asked += 1;
                steps += asked;
            } else {
                return None;
            }
        }
        let within = usize::try_from(asked).is_ok_and(|asked| asked <= SINGLES_MAX);
        within.then_some(asked * INSTRUCTION + steps + left * asked)
    }

    fn write(&self, assembler: &mut Assembler, first: usize, end: usize) -> Label {
        match self.choice(first, end).way {
            Way::One => self.range(first).target,
            Way::At(split) => {
                let yes = self.write(assembler, split, end);
                let no = self.write(assembler, first, split);
                let start = self.range(split).start;
                assembler.compare(operation::JUMP_AT_LEAST, start, yes, no)
            }
            Way::Singles(rest) => {
                let asked = (first..end).rev().filter(|at| !self.leads_alike(*at, rest));
                asked.fold(self.range(rest).target, |no, at| {
                    let Range { start, target } = self.range(at);
                    assembler.compare(operation::JUMP_EQUAL, start, target, no)
                })
            }
        }
    }

    fn choice(&self, first: usize, end: usize) -> Choice {
        let row = self.choices.get(first);
        let found = row.and_then(|row| row.get(end.checked_sub(first + 1)?));
        found.copied().unwrap_or(Choice {
            cost: 0,
            way: Way::One,
            split: first,
        })
    }

    fn leads_alike(&self, one: usize, other: usize) -> bool {
        self.range(one).target == self.range(other).target
    }

    fn is_single(&self, at: usize) -> bool {
        at + 1 < self.ranges.len() && self.numbers(at, at + 1) == 1
    }

    /// How many numbers lie in an interval of ranges.
    fn numbers(&self, first: usize, end: usize) -> u64 {
        let from = self.range(first).start;
        match self.ranges.get(end) {
            Some(next) => u64::from(next.start - from),
            None => u64::from(self.range(self.ranges.len() - 1).start - from) + OPEN_END,
        }
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "every index comes from the bounds that `over` walks"
    )]
    fn range(&self, at: usize) -> Range {
        self.ranges[at]
    }
}
