//! Now, as records write it: RFC 3339 in UTC with milliseconds.
//!
//! Not for: measuring durations; that is `Instant`'s.

use std::time::{SystemTime, UNIX_EPOCH};

/// The present time. A clock before 1970 reads as 1970.
pub(crate) fn now() -> String {
    audit::rfc3339(SystemTime::now().max(UNIX_EPOCH)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_neither_before_nor_after_itself() {
        let text = |time| audit::rfc3339(time).unwrap();
        let (before, now, after) = (text(SystemTime::now()), now(), text(SystemTime::now()));
        assert!(before <= now && now <= after, "{before} {now} {after}");
    }
}
