//! Days of the Gregorian calendar, for those who write or read dates.
//!
//! Not for: clocks, time zones or the forms in which dates are written.

/// After so many days, 400 years, the calendar repeats.
const ERA_DAYS: u64 = 146_097;
/// Days from 0000-03-01 to 1970-01-01: years are counted from March, so that the leap day comes last.
const EPOCH: u64 = 719_468;

/// Year, month and day of a number of days since 1970-01-01.
#[must_use]
pub const fn date(days: u64) -> (u64, u64, u64) {
    let from_march_0000 = days + EPOCH;
    let (era, day) = (from_march_0000 / ERA_DAYS, from_march_0000 % ERA_DAYS);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * from_march + 2) / 5 + 1;
    let january = from_march >= 10;
    let month = if january {
        from_march - 9
    } else {
        from_march + 3
    };
    (era * 400 + year + january as u64, month, day_of_month)
}

/// Days since 1970-01-01, the inverse of [`date`].
///
/// `None` before that, and for what is no month or could
/// be no day of any; a day that only this month has not, such as 30 February, counts on into the next.
#[must_use]
pub fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    if year < 1970 || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let year = year - u64::from(month <= 2);
    let from_march = (month + 9) % 12;
    let day_of_year = (153 * from_march + 2) / 5 + day - 1;
    let (era, year) = (year / 400, year % 400);
    let day_of_era = year * 365 + year / 4 - year / 100 + day_of_year;
    (era * ERA_DAYS + day_of_era).checked_sub(EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_leap_days_and_turns_of_years_both_ways() {
        for (count, at) in [
            (0, (1970, 1, 1)),
            (11_015, (2000, 2, 28)),
            (11_016, (2000, 2, 29)),
            (11_017, (2000, 3, 1)),
            (19_782, (2024, 2, 29)),
            (20_088, (2024, 12, 31)),
            (20_089, (2025, 1, 1)),
            (47_540, (2100, 2, 28)),
            (47_541, (2100, 3, 1)),
        ] {
            assert_eq!(date(count), at);
            assert_eq!(days(at.0, at.1, at.2), Some(count));
        }
    }

    #[test]
    fn refuses_what_is_no_month_or_day() {
        for (year, month, day) in [(1969, 12, 31), (2000, 0, 1), (2000, 13, 1), (2000, 1, 0)] {
            assert_eq!(days(year, month, day), None);
        }
        assert_eq!(days(2000, 1, 32), None);
        assert_eq!(days(2000, 1, 31), Some(10_987));
    }

    #[test]
    fn counts_every_day_of_four_centuries_once() {
        let mut previous = date(0);
        for days in 1..=146_097 {
            let (year, month, day) = date(days);
            let next_day = (year, month) == (previous.0, previous.1) && day == previous.2 + 1;
            let next_month = day == 1
                && previous.2 >= 28
                && (year * 12 + month) == (previous.0 * 12 + previous.1 + 1);
            assert!(
                next_day || next_month,
                "{previous:?} {:?}",
                (year, month, day)
            );
            assert_eq!(super::days(year, month, day), Some(days));
            previous = (year, month, day);
        }
        assert_eq!(previous, (2370, 1, 1));
    }
}
