//! The warden's own bound on a jail's reports of denials, whatever PID 1 says how fast.
//!
//! Not for: the bound that PID 1 keeps (`refusals`).

use std::time::Instant;

use model::Denials;

use crate::bucket::Bucket;

/// Reports passed on at once, and per second after that. PID 1 keeps a bound of a quarter of this by
/// itself; what exceeds this one did not come from our code, or waited for long.
const AT_ONCE: u32 = 256;
const PER_SECOND: u32 = 64;

/// Passes reports on as long as they are few; counts the rest.
#[derive(Debug)]
pub(crate) struct Ration {
    bucket: Bucket,
    untold: u64,
}

impl Ration {
    pub(crate) fn new() -> Self {
        Self {
            bucket: Bucket::new(AT_ONCE, PER_SECOND),
            untold: 0,
        }
    }

    /// A report to pass on, with the count of those that were not.
    pub(crate) fn admit(&mut self, denials: Denials) -> Option<Denials> {
        if !self.bucket.take(Instant::now()) {
            self.untold = self.untold.saturating_add(denials.count());
            return None;
        }
        let untold = std::mem::take(&mut self.untold);
        Some(Denials {
            untold: denials.untold.saturating_add(untold),
            ..denials
        })
    }

    /// What was only counted, when nothing more can come.
    pub(crate) fn rest(&mut self) -> Option<Denials> {
        let untold = std::mem::take(&mut self.untold);
        (untold > 0).then_some(Denials { call: None, untold })
    }
}

#[cfg(test)]
mod tests {
    use model::DeniedCall;

    use super::*;

    #[test]
    fn a_flood_is_cut_and_every_denial_is_in_some_count() {
        let call = DeniedCall {
            thread: 2,
            number: 165,
            arch: 0,
            arguments: [0; 6],
            errno: Some(1),
        };
        let denials = Denials {
            call: Some(call),
            untold: 2,
        };
        let mut ration = Ration::new();
        let passed: Vec<Denials> = (0..10_000).filter_map(|_| ration.admit(denials)).collect();
        assert!((256..2000).contains(&passed.len()), "{}", passed.len());
        assert_eq!(passed.first(), Some(&denials));
        let rest = ration.rest().map_or(0, |rest| rest.count());
        let told: u64 = passed.iter().map(Denials::count).sum();
        assert_eq!(told + rest, 30_000);
        assert_eq!(ration.rest(), None);
    }
}
