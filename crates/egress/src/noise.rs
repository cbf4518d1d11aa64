//! Keeps a flood of cheap denials out of the log: so many a second are recorded, the rest counted.
//!
//! Not for: verdicts of policy, which are always recorded.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A count per second of wall-clock time.
#[derive(Debug)]
pub(crate) struct Noise {
    per_second: u32,
    window: Mutex<Window>,
}

#[derive(Debug)]
struct Window {
    since: Instant,
    admitted: u32,
    suppressed: u64,
}

/// What to do with one more event.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// Record it, after a note of so many that were not.
    Record {
        /// Events suppressed since the last note; mostly 0.
        suppressed: u64,
    },
    /// It has been counted.
    Suppress,
}

impl Noise {
    pub(crate) fn new(per_second: u32) -> Self {
        let window = Window {
            since: Instant::now(),
            admitted: 0,
            suppressed: 0,
        };
        Self {
            per_second,
            window: Mutex::new(window),
        }
    }

    pub(crate) fn admit(&self) -> Admission {
        self.admit_at(Instant::now())
    }

    /// Takes the count of what was suppressed and not noted yet.
    pub(crate) fn take_suppressed(&self) -> u64 {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut window.suppressed)
    }

    fn admit_at(&self, now: Instant) -> Admission {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(window.since) >= Duration::from_secs(1) {
            window.since = now;
            window.admitted = 0;
        }
        if window.admitted >= self.per_second {
            window.suppressed = window.suppressed.saturating_add(1);
            return Admission::Suppress;
        }
        window.admitted = window.admitted.saturating_add(1);
        Admission::Record {
            suppressed: std::mem::take(&mut window.suppressed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_it_does_not_admit() {
        let noise = Noise::new(2);
        let start = Instant::now();
        assert_eq!(noise.admit_at(start), Admission::Record { suppressed: 0 });
        assert_eq!(noise.admit_at(start), Admission::Record { suppressed: 0 });
        for _ in 0..3 {
            assert_eq!(noise.admit_at(start), Admission::Suppress);
        }
        let later = start + Duration::from_secs(1);
        assert_eq!(noise.admit_at(later), Admission::Record { suppressed: 3 });
        assert_eq!(noise.take_suppressed(), 0);
    }
}
