//! One condition on an argument as it is written, and its check.
//!
//! Not for: evaluating it.

use serde::Deserialize;

use crate::condition::{ARGUMENTS, Condition, Test, Width};

use super::error::Problem;
use super::reader::{Outcome, not_empty};

/// `{ arg, width, mask?, in | not_in | between | outside | clear | any_of }`.
///
/// TOML's integers are signed, so the highest bit of a 64-bit argument can't be named.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCondition {
    arg: i64,
    width: i64,
    mask: Option<i64>,
    #[serde(rename = "in")]
    within: Option<Vec<i64>>,
    not_in: Option<Vec<i64>>,
    between: Option<[i64; 2]>,
    outside: Option<[i64; 2]>,
    clear: Option<i64>,
    any_of: Option<i64>,
}

impl RawCondition {
    pub(super) fn checked(&self) -> Outcome<Condition> {
        let argument = usize::try_from(self.arg)
            .ok()
            .filter(|index| *index < ARGUMENTS)
            .ok_or(Problem::Argument { given: self.arg })?;
        let width = match self.width {
            32 => Width::Low32,
            64 => Width::Full64,
            given => return Err(Problem::Width { given }),
        };
        let (mask, test) = self.comparison(width)?;
        Ok(Condition {
            argument,
            width,
            mask,
            test,
        })
    }

    fn comparison(&self, width: Width) -> Outcome<(u64, Test)> {
        if self.comparisons() != 1 {
            return Err(Problem::Comparison);
        }
        if let Some(values) = &self.within {
            let (mask, values) = self.set(width, values)?;
            return Ok((mask, Test::In(values)));
        }
        if let Some(values) = &self.not_in {
            let (mask, values) = self.set(width, values)?;
            return Ok((mask, Test::NotIn(values)));
        }
        if self.mask.is_some() {
            return Err(Problem::Mask);
        }
        if let Some(bits) = self.clear {
            return Ok((mask(width, bits)?, Test::In(vec![0])));
        }
        if let Some(bits) = self.any_of {
            return Ok((mask(width, bits)?, Test::NotIn(vec![0])));
        }
        self.range(width)
    }

    fn comparisons(&self) -> usize {
        [
            self.within.is_some(),
            self.not_in.is_some(),
            self.between.is_some(),
            self.outside.is_some(),
            self.clear.is_some(),
            self.any_of.is_some(),
        ]
        .into_iter()
        .filter(|given| *given)
        .count()
    }

    fn set(&self, width: Width, given: &Vec<i64>) -> Outcome<(u64, Vec<u64>)> {
        not_empty(given)?;
        let mask = self
            .mask
            .map_or_else(|| Ok(width.ones()), |bits| mask(width, bits))?;
        let mut values = given
            .iter()
            .map(|value| bounded(*value, mask))
            .collect::<Outcome<Vec<u64>>>()?;
        values.sort_unstable();
        let mut neighbours = values.iter().zip(values.iter().skip(1));
        match neighbours.find(|(one, next)| one == next) {
            Some((given, _)) => Err(Problem::Repeated { given: *given }),
            None => Ok((mask, values)),
        }
    }

    fn range(&self, width: Width) -> Outcome<(u64, Test)> {
        let [low, high] = self.between.or(self.outside).ok_or(Problem::Comparison)?;
        let ones = width.ones();
        let (low, high) = (bounded(low, ones)?, bounded(high, ones)?);
        if low > high || (low == 0 && high == ones) {
            return Err(Problem::Vacuous);
        }
        let test = match self.between {
            Some(_) => Test::Between(low, high),
            None => Test::Outside(low, high),
        };
        Ok((ones, test))
    }
}

fn mask(width: Width, bits: i64) -> Outcome<u64> {
    match bounded(bits, width.ones())? {
        0 => Err(Problem::Vacuous),
        bits => Ok(bits),
    }
}

/// The number, if all its bits are among those that are looked at.
fn bounded(given: i64, bounds: u64) -> Outcome<u64> {
    u64::try_from(given)
        .ok()
        .filter(|value| value & !bounds == 0)
        .ok_or(Problem::OutOfBounds { given, bounds })
}
