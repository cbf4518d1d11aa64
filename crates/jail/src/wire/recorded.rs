//! The bytes of a record of calls: how many were odd, then number and count of the others.
//!
//! Not for: making one (`recording`).

use model::Recorded;
use model::recorded::NUMBERS_MAX;

use super::input::Input;
use super::{Malformed, put_number};

pub(super) fn put(out: &mut Vec<u8>, recorded: &Recorded) {
    out.extend(recorded.odd.to_le_bytes());
    for (number, count) in &recorded.calls {
        put_number(out, *number);
        out.extend(count.to_le_bytes());
    }
}

/// Numbers that are too high, out of order or without a count are no record.
pub(super) fn take(input: &mut Input<'_>) -> Result<Recorded, Malformed> {
    let odd = input.long()?;
    let mut calls: Vec<(u32, u64)> = Vec::new();
    while !input.0.is_empty() {
        let (number, count) = (input.number()?, input.long()?);
        let ascends = calls.last().is_none_or(|(last, _)| *last < number);
        let known = usize::try_from(number).is_ok_and(|number| number < NUMBERS_MAX);
        if !ascends || !known || count == 0 {
            return Err(Malformed);
        }
        calls.push((number, count));
    }
    Ok(Recorded { calls, odd })
}

#[cfg(test)]
mod tests {
    use super::super::Report;
    use super::*;

    fn report(calls: Vec<(u32, u64)>) -> Report {
        Report::Recorded(Recorded { calls, odd: 3 })
    }

    #[test]
    fn a_record_survives_the_wire_even_when_it_is_the_longest() {
        for most in [0, 1, 1024] {
            let report = report((0..most).map(|number| (number, u64::MAX)).collect());
            let bytes = report.encode();
            assert!(bytes.len() <= sys::seqpacket::MESSAGE_MAX);
            assert_eq!(Report::decode(&bytes), Ok(report));
        }
    }

    #[test]
    fn refuses_cuts_repetitions_disorder_zeros_and_numbers_beyond_the_table() {
        let good = report(vec![(1, 2), (3, 4)]).encode();
        // After the head and after each call it is a shorter record.
        for length in (0..good.len()).filter(|length| ![9, 21].contains(length)) {
            assert_eq!(Report::decode(&good[..length]), Err(Malformed), "{length}");
        }
        for calls in [
            vec![(1, 1), (1, 1)],
            vec![(2, 1), (1, 1)],
            vec![(1, 0)],
            vec![(1024, 1)],
        ] {
            assert_eq!(Report::decode(&report(calls).encode()), Err(Malformed));
        }
    }
}
