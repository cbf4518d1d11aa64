//! Counts streams that were begun and given up at once, which cost the jail nothing and everybody else
//! some work (CVE-2023-44487).
//!
//! Not for: streams that end in any other way.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::limits::{RESETS_MAX, RESETS_WINDOW};

/// The count of one connection.
#[derive(Debug)]
pub(crate) struct Resets {
    window: Mutex<(Instant, u32)>,
}

impl Default for Resets {
    fn default() -> Self {
        Self {
            window: Mutex::new((Instant::now(), 0)),
        }
    }
}

impl Resets {
    /// Counts one more.
    pub(crate) fn add(&self) {
        self.add_at(Instant::now());
    }

    /// True when there were more than any honest client has.
    pub(crate) fn is_flood(&self) -> bool {
        self.window.lock().unwrap_or_else(PoisonError::into_inner).1 > RESETS_MAX
    }

    fn add_at(&self, now: Instant) {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, count) = *window;
        let over = now.saturating_duration_since(since) > RESETS_WINDOW && count <= RESETS_MAX;
        *window = if over {
            (now, 1)
        } else {
            (since, count.saturating_add(1))
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_within_the_window_are_a_flood_and_as_many_over_time_are_not() {
        let (calm, flood) = (Resets::default(), Resets::default());
        let start = Instant::now();
        for number in 0..=RESETS_MAX {
            calm.add_at(start + RESETS_WINDOW * number);
            flood.add_at(start);
        }
        assert!(!calm.is_flood());
        assert!(flood.is_flood());
    }
}
