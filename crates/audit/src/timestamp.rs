//! Points in time as RFC 3339 text in UTC with milliseconds.
//!
//! Not for: order. The clock may step back; `seq` alone orders entries.

use std::time::{SystemTime, UNIX_EPOCH};

const DAY_SECONDS: u64 = 86_400;

/// `time` as `2025-01-31T23:59:59.999Z`; `None` before 1970 and after 9999, which only a broken clock
/// shows.
#[must_use]
pub fn rfc3339(time: SystemTime) -> Option<String> {
    let since = time.duration_since(UNIX_EPOCH).ok()?;
    let (seconds, millis) = (since.as_secs(), since.subsec_millis());
    let (year, month, day) = civil(seconds / DAY_SECONDS);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    let parts = [
        (year, 4, '-'),
        (month, 2, '-'),
        (day, 2, 'T'),
        (hour, 2, ':'),
        (minute, 2, ':'),
        (second, 2, '.'),
        (u64::from(millis), 3, 'Z'),
    ];
    // Several of these are written for each request; the formatter takes four times as long.
    let mut text = String::with_capacity(24);
    for (number, digits, mark) in parts {
        write_digits(&mut text, number, digits);
        text.push(mark);
    }
    (year < 10_000).then_some(text)
}

/// The last so many decimal digits of a number.
fn write_digits(text: &mut String, number: u64, digits: u32) {
    for place in (0..digits).rev() {
        let digit = number / 10_u64.pow(place) % 10;
        // Below ten.
        text.extend(char::from_digit(
            u32::try_from(digit).unwrap_or_default(),
            10,
        ));
    }
}

/// Milliseconds since 1970 of a text as [`rfc3339`] writes it; `None` for any other.
#[must_use]
pub(crate) fn millis(text: &str) -> Option<u64> {
    let part = |range: std::ops::Range<usize>| {
        let digits = text.get(range)?;
        let plain = digits.bytes().all(|b| b.is_ascii_digit());
        digits.parse::<u64>().ok().filter(|_| plain)
    };
    let (year, month, day) = (part(0..4)?, part(5..7)?, part(8..10)?);
    let (hour, minute, second) = (part(11..13)?, part(14..16)?, part(17..19)?);
    let days = days(year, month, day)?;
    let seconds = days * DAY_SECONDS + hour * 3600 + minute * 60 + second;
    let millis = seconds * 1000 + part(20..23)?;
    // Whatever is not exactly that form, or no such day, does not come back as itself.
    let again = rfc3339(UNIX_EPOCH + std::time::Duration::from_millis(millis))?;
    (again == text).then_some(millis)
}

/// Days since 1970-01-01, the inverse of [`civil`].
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    const ERA_DAYS: u64 = 146_097;
    if year < 1970 || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let year = year - u64::from(month <= 2);
    let from_march = (month + 9) % 12;
    let day_of_year = (153 * from_march + 2) / 5 + day - 1;
    let (era, year) = (year / 400, year % 400);
    let day_of_era = year * 365 + year / 4 - year / 100 + day_of_year;
    (era * ERA_DAYS + day_of_era).checked_sub(719_468)
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
    fn has_no_text_for_a_clock_before_1970_or_after_9999() {
        assert_eq!(rfc3339(UNIX_EPOCH - Duration::from_millis(1)), None);
        let last = UNIX_EPOCH + Duration::from_millis(253_402_300_799_999);
        assert_eq!(rfc3339(last).as_deref(), Some("9999-12-31T23:59:59.999Z"));
        assert_eq!(rfc3339(last + Duration::from_millis(1)), None);
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

    #[test]
    fn reads_back_what_it_writes_and_nothing_else() {
        for day in 0..60_000_u64 {
            let millis_then = day * 86_400_000 + day;
            let text = rfc3339(UNIX_EPOCH + Duration::from_millis(millis_then)).unwrap();
            assert_eq!(millis(&text), Some(millis_then), "{text}");
        }
        for bad in [
            "",
            "2025-02-30T00:00:00.000Z",
            "2025-01-01T25:00:00.000Z",
            "2025-01-01T00:00:00Z",
            "1969-12-31T00:00:00.000Z",
            "2025-01-01 00:00:00.000Z",
            "2025-01-01T00:00:00.000+",
        ] {
            assert_eq!(millis(bad), None, "{bad}");
        }
    }
}
