//! Durations of many runs of one thing, and their percentiles.
//!
//! Not for: taking them.

use std::time::Duration;

/// Durations, ascending.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sample {
    ascending: Vec<Duration>,
}

impl Sample {
    /// A sample of these durations in any order.
    pub(crate) fn of(mut durations: Vec<Duration>) -> Self {
        durations.sort_unstable();
        Self {
            ascending: durations,
        }
    }

    /// How many there are.
    pub(crate) const fn len(&self) -> usize {
        self.ascending.len()
    }

    /// The nearest-rank percentile; zero of an empty sample.
    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        let rank = (self.ascending.len() * percent).div_ceil(100).max(1);
        let last = self.ascending.last();
        let found = self.ascending.get(rank - 1).or(last);
        found.copied().unwrap_or_default()
    }

    /// The percentile in milliseconds.
    pub(crate) fn milliseconds(&self, percent: usize) -> f64 {
        self.percentile(percent).as_secs_f64() * 1e3
    }

    /// The percentile in microseconds.
    pub(crate) fn microseconds(&self, percent: usize) -> f64 {
        self.percentile(percent).as_secs_f64() * 1e6
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_the_smallest_value_that_so_many_do_not_exceed() {
        let hundred = Sample::of((1..=100).rev().map(Duration::from_millis).collect());
        assert_eq!(hundred.percentile(50), Duration::from_millis(50));
        assert_eq!(hundred.percentile(99), Duration::from_millis(99));
        assert_eq!(hundred.percentile(100), Duration::from_millis(100));
        let three = Sample::of([3, 1, 2].map(Duration::from_millis).to_vec());
        assert_eq!(three.percentile(50), Duration::from_millis(2));
        assert_eq!(three.percentile(99), Duration::from_millis(3));
        assert_eq!(Sample::default().percentile(50), Duration::ZERO);
    }
}
