//! Points in time as RFC 3339 text in UTC with milliseconds.
//!
//! Not for: order. The clock may step back; `seq` alone orders entries.

use std::time::{SystemTime, UNIX_EPOCH};

use model::calendar::{date, days};

const DAY_SECONDS: u64 = 86_400;

/// `time` as `2025-01-31T23:59:59.999Z`; `None` before 1970 and after 9999, which only a broken clock
/// shows.
#[must_use]
pub fn rfc3339(time: SystemTime) -> Option<String> {
    let since = time.duration_since(UNIX_EPOCH).ok()?;
    let (seconds, millis) = (since.as_secs(), since.subsec_millis());
    let (year, month, day) = date(seconds / DAY_SECONDS);
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
