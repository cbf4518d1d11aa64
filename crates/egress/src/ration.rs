//! What one more allowed request takes: a token of each rate, one of the budget of requests, and a place
//! among the requests to language models.
//!
//! Not for: bytes, which are reserved as they move (`purse`).

use std::time::{Duration, Instant};

use policy::Terms;

use crate::meter::Meter;
use crate::purse::Reservation;
use crate::rate::Rates;
use crate::spend::SpendError;

/// How long a request waits that others under way leave no room for; they take seconds.
const UNDER_WAY: Duration = Duration::from_secs(1);

/// Why there is nothing to take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rationed {
    /// Not yet: a rate, or requests under way that may use up what is left of a budget.
    Later(Duration),
    /// A budget is used up.
    UsedUp,
}

/// Takes what a request of these terms needs. Of one that is refused, a rate may keep its token: there is
/// nothing left that it could be for. With `terms.llm`, [`crate::meter::Account::spends`] must follow.
///
/// # Errors
/// [`Rationed`].
pub(crate) fn take(
    (meter, rates): (&Meter, &Rates),
    terms: &Terms,
    now: Instant,
) -> Result<(), Rationed> {
    rates.admit(&terms.rates, now).map_err(Rationed::Later)?;
    if terms.llm.is_some() {
        meter.spend.begin().map_err(|error| match error {
            SpendError::UsedUp => Rationed::UsedUp,
            SpendError::UnderWay => Rationed::Later(UNDER_WAY),
        })?;
    }
    match meter.requests.reserve(1) {
        Reservation::Granted(grant) => {
            grant.settle(1);
            Ok(())
        }
        Reservation::Contended | Reservation::Exhausted => {
            if terms.llm.is_some() {
                meter.spend.end();
            }
            Err(Rationed::UsedUp)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use llm::PriceTable;
    use model::{LlmKind, LlmUsage, Verdict};
    use policy::{Budget, Origin};

    use super::*;

    struct Bench {
        meter: Arc<Meter>,
        rates: Rates,
    }

    impl Bench {
        fn new(budget: &Budget) -> Self {
            Self {
                meter: Arc::new(Meter::new(budget)),
                rates: Rates::default(),
            }
        }

        fn take(&self, terms: &Terms) -> Result<(), Rationed> {
            take((&self.meter, &self.rates), terms, Instant::now())
        }
    }

    fn model() -> Terms {
        Terms {
            llm: Some(LlmKind::Openai),
            ..Terms::NONE
        }
    }

    #[test]
    fn the_budget_of_requests_is_one_for_all_rules_and_hosts() {
        let bench = Bench::new(&Budget {
            requests: Some(3),
            ..Budget::UNLIMITED
        });
        assert_eq!(bench.take(&Terms::NONE), Ok(()));
        assert_eq!(bench.take(&model()), Ok(()));
        assert!(!bench.meter.is_exhausted());
        assert_eq!(bench.take(&Terms::NONE), Ok(()));
        assert_eq!(bench.take(&Terms::NONE), Err(Rationed::UsedUp));
        assert_eq!(bench.take(&model()), Err(Rationed::UsedUp));
        assert!(bench.meter.is_exhausted());
    }

    #[test]
    fn a_rate_says_how_long_to_wait_and_other_rules_do_not() {
        let bench = Bench::new(&Budget::UNLIMITED);
        let limited = Terms {
            rates: vec![(Origin::cli(0), "1/h".parse().unwrap())],
            ..Terms::NONE
        };
        assert_eq!(bench.take(&limited), Ok(()));
        let Err(Rationed::Later(wait)) = bench.take(&limited) else {
            panic!("a second one passed")
        };
        assert!(wait > Duration::from_secs(3500));
        assert_eq!(bench.take(&Terms::NONE), Ok(()));
    }

    #[test]
    fn a_request_to_a_model_is_under_way_until_its_account_is_gone() {
        let bench = Bench::new(&Budget {
            llm_tokens: Some(1500),
            ..Budget::UNLIMITED
        });
        let begin = || {
            bench.take(&model()).map(|()| {
                let account = bench.meter.open("a.test", Verdict::Allow);
                account.spends();
                account
            })
        };
        let (first, second) = (begin().unwrap(), begin().unwrap());
        assert_eq!(begin().unwrap_err(), Rationed::Later(UNDER_WAY));
        drop(first);
        let third = begin().unwrap();
        let usage = LlmUsage {
            output: 1500,
            ..LlmUsage::default()
        };
        let charge = second.charge(usage, &PriceTable::default());
        assert_eq!(charge.cost, None);
        drop((second, third));
        assert_eq!(begin().unwrap_err(), Rationed::UsedUp);
        assert_eq!(bench.take(&Terms::NONE), Ok(()), "other hosts go on");
        assert_eq!(bench.meter.usage().llm.output, 1500);
    }
}
