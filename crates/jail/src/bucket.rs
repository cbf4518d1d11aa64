//! A bound on how often something may be said: so many at once, then so many a second.
//!
//! Not for: what becomes of the rest; whoever asks counts it.

use std::time::{Duration, Instant};

/// Tokens that are taken one by one and come back with time.
#[derive(Debug)]
pub(crate) struct Bucket {
    most: u32,
    tokens: u32,
    /// Time in which one token comes back.
    pace: Duration,
    /// When the last token came back, or the bucket was last full.
    since: Instant,
}

impl Bucket {
    /// A full bucket.
    pub(crate) fn new(most: u32, per_second: u32) -> Self {
        Self {
            most,
            tokens: most,
            pace: Duration::from_secs(1) / per_second.max(1),
            since: Instant::now(),
        }
    }

    /// Takes a token if there is one, and says whether there was.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        self.refill(now);
        let left = self.tokens.checked_sub(1);
        self.tokens = left.unwrap_or(0);
        left.is_some()
    }

    /// How long until there is a token.
    pub(crate) fn wait(&mut self, now: Instant) -> Duration {
        self.refill(now);
        if self.tokens > 0 {
            return Duration::ZERO;
        }
        (self.since + self.pace).saturating_duration_since(now)
    }

    fn refill(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.since);
        let back = elapsed.as_nanos() / self.pace.as_nanos().max(1);
        let room = self.most.saturating_sub(self.tokens);
        match u32::try_from(back) {
            Ok(back) if back < room => {
                self.tokens = self.tokens.saturating_add(back);
                self.since += self.pace * back;
            }
            _full => {
                self.tokens = self.most;
                self.since = now;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_what_it_holds_and_then_keeps_the_pace() {
        let mut bucket = Bucket::new(3, 10);
        let start = Instant::now();
        let taken = |bucket: &mut Bucket, now| (0..100).filter(|_| bucket.take(now)).count();
        assert_eq!(taken(&mut bucket, start), 3);
        assert!(bucket.wait(start) <= Duration::from_millis(100));
        assert_eq!(taken(&mut bucket, start + Duration::from_millis(250)), 2);
        let later = start + Duration::from_millis(310);
        assert_eq!(taken(&mut bucket, later), 1);
        assert!(bucket.wait(later) > Duration::ZERO);
        // However long nothing was asked for, it holds no more than at first.
        assert_eq!(taken(&mut bucket, start + Duration::from_secs(3600)), 3);
    }

    #[test]
    fn a_clock_that_stands_still_gives_nothing_back() {
        let mut bucket = Bucket::new(1, 1000);
        let start = Instant::now();
        assert!(bucket.take(start));
        assert!(!bucket.take(start) && !bucket.take(start));
    }
}
