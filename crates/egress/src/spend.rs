//! What a session spends on language models, and what its budgets still allow.
//!
//! An answer's price is known at its end only, so the answer that crosses a budget is not cut; the
//! next request is refused. So that a hundred requests at once can't all be that last one, each one
//! under way counts as much as the largest answer so far.
//!
//! Not for: reading answers (`llm`).

use std::sync::{Mutex, MutexGuard, PoisonError};

use model::{LlmCharge, LlmTotals, LlmUsage, Money};

/// What a request under way counts as long as no answer was larger: a short one.
const TOKENS_AT_LEAST: u64 = 1000;
/// See [`TOKENS_AT_LEAST`]; a cent.
const COST_AT_LEAST: Money = Money::from_micros(10_000);

/// Counters and budgets of a session's language models.
#[derive(Debug, Default)]
pub(crate) struct Spend {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    tokens: Option<u64>,
    cost: Option<Money>,
    totals: LlmTotals,
    under_way: u64,
    largest: (u64, Money),
}

/// Why a request may not begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SpendError {
    /// A budget is used up.
    UsedUp,
    /// What is under way may use the rest up; some of it may be left afterwards.
    UnderWay,
}

impl Spend {
    pub(crate) fn new(tokens: Option<u64>, cost: Option<Money>) -> Self {
        let state = State {
            tokens,
            cost,
            ..State::default()
        };
        Self {
            state: Mutex::new(state),
        }
    }

    /// Other limits; what is spent stays spent.
    pub(crate) fn set_limits(&self, tokens: Option<u64>, cost: Option<Money>) {
        let mut state = self.lock();
        (state.tokens, state.cost) = (tokens, cost);
    }

    /// Begins a request; each one is ended by [`Self::end`], once.
    pub(crate) fn begin(&self) -> Result<(), SpendError> {
        let mut state = self.lock();
        if state.is_used_up_by(0) {
            return Err(SpendError::UsedUp);
        }
        if state.is_used_up_by(state.under_way) {
            return Err(SpendError::UnderWay);
        }
        state.under_way = state.under_way.saturating_add(1);
        Ok(())
    }

    /// Ends a request.
    pub(crate) fn end(&self) {
        let mut state = self.lock();
        state.under_way = state.under_way.saturating_sub(1);
    }

    /// Counts an answer.
    pub(crate) fn charge(&self, usage: LlmUsage, cost: Option<Money>) -> LlmCharge {
        let charge = LlmCharge { usage, cost };
        let mut state = self.lock();
        state.totals.add(&charge);
        let (tokens, largest) = state.largest;
        state.largest = (
            tokens.max(charge.usage.tokens()),
            largest.max(cost.unwrap_or_default()),
        );
        charge
    }

    pub(crate) fn totals(&self) -> LlmTotals {
        self.lock().totals
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// True when so many requests, each as large as the largest, would use a budget up, or it is used
    /// up already. Without a price nothing is known of what is left.
    fn is_used_up_by(&self, requests: u64) -> bool {
        let (tokens, cost) = self.largest;
        let each = tokens.max(TOKENS_AT_LEAST);
        let tokens = requests
            .saturating_mul(each)
            .saturating_add(self.totals.tokens());
        let each = cost.max(COST_AT_LEAST).micros();
        let cost = requests
            .saturating_mul(each)
            .saturating_add(self.totals.cost.micros());
        self.tokens.is_some_and(|limit| tokens >= limit)
            || self
                .cost
                .is_some_and(|limit| cost >= limit.micros() || self.totals.unpriced > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(output: u64) -> LlmUsage {
        LlmUsage {
            output,
            ..LlmUsage::default()
        }
    }

    fn one(spend: &Spend, tokens: u64, cost: Option<u64>) -> Result<(), SpendError> {
        spend.begin()?;
        spend.charge(answer(tokens), cost.map(Money::from_micros));
        spend.end();
        Ok(())
    }

    #[test]
    fn the_answer_that_crosses_the_budget_is_the_last() {
        let spend = Spend::new(Some(5000), None);
        assert_eq!(one(&spend, 4999, None), Ok(()));
        assert_eq!(one(&spend, 4000, None), Ok(()));
        assert_eq!(one(&spend, 1, None), Err(SpendError::UsedUp));
        assert_eq!(spend.totals().tokens(), 8999);
        assert_eq!(one(&Spend::default(), u64::MAX, None), Ok(()));
    }

    #[test]
    fn many_at_once_cannot_all_be_the_last() {
        let spend = Spend::new(Some(100_000), None);
        assert_eq!(one(&spend, 40_000, None), Ok(()));
        assert_eq!(spend.begin(), Ok(()));
        assert_eq!(spend.begin(), Ok(()));
        assert_eq!(spend.begin(), Err(SpendError::UnderWay));
        spend.end();
        assert_eq!(spend.begin(), Ok(()));
    }

    #[test]
    fn a_cost_that_is_not_known_uses_a_cost_budget_up_and_no_other() {
        let spend = Spend::new(None, Some(Money::from_micros(5_000_000)));
        assert_eq!(one(&spend, 1, Some(4_000_000)), Ok(()));
        assert_eq!(one(&spend, 1, None), Ok(()));
        assert_eq!(one(&spend, 1, None), Err(SpendError::UsedUp));
        let tokens = Spend::new(Some(1_000_000), None);
        assert_eq!(one(&tokens, 1, None), Ok(()));
        assert_eq!(one(&tokens, 1, None), Ok(()));
        assert_eq!(tokens.totals().unpriced, 2);
    }
}
