//! How often requests may pass: one token bucket per rule and session.
//!
//! The rule is the key, not the host: a rule for `*.example.com` has one bucket for all names below
//! it, so changing the name does not fill it. Buckets live as long as the session does in one
//! office; a new office starts with full ones, one burst at most.
//!
//! Not for: which rates apply (`policy`), nor for what is spent in all (`meter`).

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use policy::{Origin, Rate};

use crate::limits::BUCKETS_KEPT;

/// The buckets of a session.
#[derive(Debug, Default)]
pub(crate) struct Rates {
    /// When each bucket will be full again; one that is not here is full.
    full_at: Mutex<BTreeMap<(Origin, Rate), Instant>>,
}

impl Rates {
    /// Takes one request out of every bucket, or out of none.
    ///
    /// # Errors
    /// How long until all of them hold one again.
    pub(crate) fn admit(&self, rates: &[(Origin, Rate)], now: Instant) -> Result<(), Duration> {
        if rates.is_empty() {
            return Ok(());
        }
        // Every change is whole in itself.
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        let next: Vec<_> = rates
            .iter()
            .map(|key| after_one(key.1, full_at.get(key).copied(), now))
            .collect();
        let wait = next.iter().map(|next| next.wait).max().unwrap_or_default();
        if !wait.is_zero() {
            return Err(wait);
        }
        if full_at.len().saturating_add(rates.len()) > BUCKETS_KEPT {
            full_at.retain(|_, full| *full > now);
        }
        for (key, next) in rates.iter().zip(next) {
            full_at.insert(key.clone(), next.full_at);
        }
        Ok(())
    }
}

/// A bucket after one more request.
struct Next {
    full_at: Instant,
    /// Zero when it holds one now.
    wait: Duration,
}

/// A bucket of `n` requests lacks as many as fit between now and when it is full; it may lack `n`.
fn after_one(rate: Rate, full_at: Option<Instant>, now: Instant) -> Next {
    let one = rate.period() / rate.requests();
    let full_at = full_at.unwrap_or(now).max(now) + one;
    let lacking = full_at.saturating_duration_since(now);
    // Division cuts nanoseconds off, so `n` of them are never more than the period.
    Next {
        full_at,
        wait: lacking.saturating_sub(rate.period()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(number: u32, rate: &str) -> (Origin, Rate) {
        (Origin::cli(number), rate.parse().unwrap())
    }

    #[test]
    fn lets_a_burst_pass_and_then_one_at_a_time() {
        let (rates, start) = (Rates::default(), Instant::now());
        let rule = [rule(0, "3/m")];
        for _ in 0..3 {
            assert_eq!(rates.admit(&rule, start), Ok(()));
        }
        assert_eq!(rates.admit(&rule, start), Err(Duration::from_secs(20)));
        let later = start + Duration::from_secs(15);
        assert_eq!(rates.admit(&rule, later), Err(Duration::from_secs(5)));
        let later = start + Duration::from_secs(20);
        assert_eq!(rates.admit(&rule, later), Ok(()));
        assert!(rates.admit(&rule, later).is_err());
        let much_later = start + Duration::from_secs(3600);
        for _ in 0..3 {
            assert_eq!(rates.admit(&rule, much_later), Ok(()));
        }
        assert!(rates.admit(&rule, much_later).is_err());
    }

    #[test]
    fn a_refused_request_takes_nothing_out_of_any_bucket() {
        let (rates, start) = (Rates::default(), Instant::now());
        let (narrow, wide) = (rule(0, "1/h"), rule(1, "2/s"));
        let both = [narrow.clone(), wide.clone()];
        assert_eq!(rates.admit(&both, start), Ok(()));
        for _ in 0..5 {
            assert!(rates.admit(&both, start).unwrap_err() > Duration::from_secs(3000));
        }
        assert_eq!(rates.admit(&[wide], start), Ok(()));
        assert!(rates.admit(&[narrow], start).is_err());
        assert_eq!(rates.admit(&[], start), Ok(()));
    }

    #[test]
    fn odd_rates_are_exact_in_the_long_run_and_buckets_are_bounded() {
        let (rates, start) = (Rates::default(), Instant::now());
        let rule_of_seven = [rule(0, "7/s")];
        let at = |milli: u64| start + Duration::from_millis(milli);
        let passed = (0..60_000).filter(|milli| rates.admit(&rule_of_seven, at(*milli)).is_ok());
        assert!((426..=427).contains(&passed.count()));
        for number in 1..u32::try_from(BUCKETS_KEPT).unwrap() * 2 {
            let later = start + Duration::from_secs(3600 + u64::from(number));
            assert_eq!(rates.admit(&[rule(number, "1000/s")], later), Ok(()));
        }
        assert!(rates.full_at.lock().unwrap().len() <= BUCKETS_KEPT);
    }
}
