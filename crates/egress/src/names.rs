//! How many new names below wildcards a session may ask for: each look-up tells something to whoever
//! answers for that zone, even when no connection follows (CVE-2025-55284).
//!
//! Not for: the shape of one name (`policy::label`), nor names that rules spell out.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::limits::{NAMES_KNOWN, NEW_NAMES};
use crate::reason::Cause;

/// The window of [`NEW_NAMES`].
const WINDOW: Duration = Duration::from_secs(60);

/// The names that a session has been let through with, and how many of them are new.
#[derive(Debug, Default)]
pub(crate) struct Names {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    known: HashSet<Box<str>>,
    /// When the present window began; `None` before the first name.
    since: Option<Instant>,
    fresh: u32,
}

impl Names {
    /// What stands against a name that a rule allows: the first `open` bytes of it are the jail's own
    /// choice, `None` for a name that the rule spells out. Both for requests and for look-ups, and a
    /// name that was let through with one is known to the other.
    pub(crate) fn objection(&self, name: &str, open: Option<usize>) -> Option<Cause> {
        let chosen = name.get(..open?)?;
        if policy::check_open(chosen).is_err() {
            return Some(Cause::OpaqueName);
        }
        (!self.admit(name)).then_some(Cause::TooManyNames)
    }

    /// True when the name is known, or new and one of the first in this minute.
    pub(crate) fn admit(&self, name: &str) -> bool {
        self.admit_at(name, Instant::now())
    }

    fn admit_at(&self, name: &str, now: Instant) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.known.contains(name) {
            return true;
        }
        let over = |since: Instant| now.saturating_duration_since(since) >= WINDOW;
        if state.since.is_none_or(over) {
            state.since = Some(now);
            state.fresh = 0;
        }
        if state.fresh >= NEW_NAMES {
            return false;
        }
        state.fresh = state.fresh.saturating_add(1);
        if state.known.len() >= NAMES_KNOWN {
            // All are new again, and count again: forgetting must not open anything.
            state.known.clear();
        }
        state.known.insert(name.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn admits_so_many_new_names_a_minute_and_known_ones_always() {
        let names = Names::default();
        let start = Instant::now();
        for number in 0..NEW_NAMES {
            assert!(names.admit_at(&format!("n{number}"), start), "{number}");
        }
        let soon = start + Duration::from_secs(59);
        assert!(!names.admit_at("one more", soon));
        assert!(
            !names.admit_at("one more", soon),
            "asking again is no way in"
        );
        assert!(names.admit_at("n0", soon));
        assert!(names.admit_at("one more", start + WINDOW));
    }

    #[test]
    fn forgets_rather_than_grows_and_what_is_forgotten_counts_again() {
        let names = Names::default();
        let mut now = Instant::now();
        for number in 0..=NAMES_KNOWN {
            if number % usize::try_from(NEW_NAMES).unwrap() == 0 {
                now += WINDOW;
            }
            assert!(names.admit_at(&number.to_string(), now));
        }
        assert_eq!(names.state.lock().unwrap().known.len(), 1);
        while names.admit_at(&format!("x{}", names.state.lock().unwrap().fresh), now) {}
        assert!(!names.admit_at("0", now));
    }
}
