//! One reading of both clocks: dates go into certificates, and spans into limits.
//!
//! Not for: waiting.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;

/// Now, or a time near it in tests.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    /// The clock that never jumps.
    pub(crate) steady: Instant,
    /// Seconds of the calendar since 1970, as the host believes.
    pub(crate) unix: u64,
}

impl Moment {
    /// Reads the clocks.
    pub(crate) fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            steady: Instant::now(),
            unix: since.map_or(0, |since| since.as_secs()),
        }
    }

    /// Both clocks later by this.
    #[cfg(test)]
    pub(crate) fn later(self, by: std::time::Duration) -> Self {
        Self {
            steady: self.steady + by,
            unix: self.unix + by.as_secs(),
        }
    }
}

/// A date as certificates have it. Years beyond 9999 don't exist there.
pub(crate) fn date(unix: u64) -> OffsetDateTime {
    const LAST: i64 = 253_402_300_799;
    let seconds = i64::try_from(unix).unwrap_or(LAST).min(LAST);
    OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}
