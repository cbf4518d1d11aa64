//! Keeps a flood of denials out of the log: so many a second are recorded, the rest counted.
//!
//! Not for: permissions, which are always recorded, nor for verdicts, which stay the same.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::limits::{DENIALS_FIRST, DENIALS_PER_SECOND};

/// A count per second of wall-clock time, after an allowance of its own.
#[derive(Debug)]
pub struct Noise {
    per_second: u32,
    window: Mutex<Window>,
}

#[derive(Debug)]
struct Window {
    /// What is left of the allowance.
    first: u32,
    since: Instant,
    admitted: u32,
    suppressed: u64,
}

/// What to do with one more event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// Record it, after a note of so many that were not.
    Record {
        /// Events suppressed since the last note; mostly 0.
        suppressed: u64,
    },
    /// It has been counted.
    Suppress,
}

impl Noise {
    /// The bound on what one session's denials may write: the first [`DENIALS_FIRST`], then
    /// [`DENIALS_PER_SECOND`].
    #[must_use]
    pub fn of_denials() -> Self {
        Self::after(DENIALS_FIRST, DENIALS_PER_SECOND)
    }

    /// So many a second, from the first one on.
    pub(crate) fn new(per_second: u32) -> Self {
        Self::after(0, per_second)
    }

    fn after(first: u32, per_second: u32) -> Self {
        let window = Window {
            first,
            since: Instant::now(),
            admitted: 0,
            suppressed: 0,
        };
        Self {
            per_second,
            window: Mutex::new(window),
        }
    }

    /// Counts one more event and says whether it is to be recorded.
    pub fn admit(&self) -> Admission {
        self.admit_at(Instant::now())
    }

    /// Counts one more event; true when it is to be recorded, and nobody asks for what was not.
    pub(crate) fn is_admitted(&self) -> bool {
        matches!(self.admit(), Admission::Record { .. })
    }

    /// Takes the count of what was suppressed and not noted yet.
    pub fn take_suppressed(&self) -> u64 {
        std::mem::take(&mut self.window().suppressed)
    }

    fn admit_at(&self, now: Instant) -> Admission {
        let mut window = self.window();
        if let Some(rest) = window.first.checked_sub(1) {
            window.first = rest;
            return Admission::Record { suppressed: 0 };
        }
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

    fn window(&self) -> MutexGuard<'_, Window> {
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
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

    #[test]
    fn an_allowance_comes_before_the_rate_and_is_not_renewed() {
        let noise = Noise::after(3, 1);
        let start = Instant::now();
        for _ in 0..4 {
            assert_eq!(noise.admit_at(start), Admission::Record { suppressed: 0 });
        }
        assert_eq!(noise.admit_at(start), Admission::Suppress);
        let later = start + Duration::from_secs(60);
        assert_eq!(noise.admit_at(later), Admission::Record { suppressed: 1 });
        assert_eq!(noise.admit_at(later), Admission::Suppress);
        assert_eq!(noise.take_suppressed(), 1);
    }
}
