//! Points in time as RFC 3339 text in UTC with milliseconds.
//!
//! Not for: order. The clock may step back; `seq` alone orders entries.

use std::time::{SystemTime, UNIX_EPOCH};

const DAY_SECONDS: u64 = 86_400;

/// `time` as `2025-01-31T23:59:59.999Z`; `None` before 1970, which only a broken clock shows.
#[must_use]
pub fn rfc3339(time: SystemTime) -> Option<String> {
    let since = time.duration_since(UNIX_EPOCH).ok()?;
    let (seconds, millis) = (since.as_secs(), since.subsec_millis());
    let (year, month, day) = civil(seconds / DAY_SECONDS);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    Some(format!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z"
    ))
}

/// Year, month and day of a number of days since 1970-01-01 in the Gregorian calendar. Years are
/// counted from March, so that the leap day comes last; an era is the 400 years after which the
/// calendar repeats.
fn civil(days: u64) -> (u64, u64, u64) {
    const ERA_DAYS: u64 = 146_097;
    let from_march_0000 = days + 719_468;
    let (era, day) = (from_march_0000 / ERA_DAYS, from_march_0000 % ERA_DAYS);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    (
        era * 400 + year + u64::from(month <= 2),
        month,
        day_of_month,
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn writes_known_instants() {
        for (millis, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (951_868_799_999, "2000-02-29T23:59:59.999Z"),
            (951_868_800_000, "2000-03-01T00:00:00.000Z"),
            (1_000_000_000_007, "2001-09-09T01:46:40.007Z"),
            (1_709_164_800_000, "2024-02-29T00:00:00.000Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ] {
            let time = UNIX_EPOCH + Duration::from_millis(millis);
            assert_eq!(rfc3339(time).as_deref(), Some(text));
        }
    }

    #[test]
    fn has_no_text_for_a_clock_before_1970() {
        assert_eq!(rfc3339(UNIX_EPOCH - Duration::from_millis(1)), None);
    }

    #[test]
    fn counts_every_day_of_four_centuries_once() {
        let mut previous = civil(0);
        for days in 1..=146_097 {
            let (year, month, day) = civil(days);
            let next_day = (year, month) == (previous.0, previous.1) && day == previous.2 + 1;
            let next_month = day == 1
                && previous.2 >= 28
                && (year * 12 + month) == (previous.0 * 12 + previous.1 + 1);
            assert!(
                next_day || next_month,
                "{previous:?} {:?}",
                (year, month, day)
            );
            previous = (year, month, day);
        }
        assert_eq!(previous, (2370, 1, 1));
    }
}
