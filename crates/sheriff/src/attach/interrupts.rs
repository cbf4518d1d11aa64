//! When a second ^C means "now": twice within a short time closes the connection.
//!
//! Not for: delivering signals.

use std::time::{Duration, Instant};

/// Two interrupts within this time mean that the first was not obeyed and someone is impatient.
const SECOND_WITHIN: Duration = Duration::from_secs(2);

/// Remembers the last interrupt.
#[derive(Debug, Default)]
pub(super) struct Interrupts {
    last: Option<Instant>,
}

impl Interrupts {
    /// Notes an interrupt at this time; true when it is the second of two in a row.
    pub(super) fn is_second(&mut self, now: Instant) -> bool {
        let before = self.last.replace(now);
        before.is_some_and(|before| now.duration_since(before) <= SECOND_WITHIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_two_in_quick_succession_count() {
        let start = Instant::now();
        let mut interrupts = Interrupts::default();
        assert!(!interrupts.is_second(start));
        let late = start + SECOND_WITHIN + Duration::from_millis(1);
        assert!(!interrupts.is_second(late));
        assert!(interrupts.is_second(late + SECOND_WITHIN));
    }
}
