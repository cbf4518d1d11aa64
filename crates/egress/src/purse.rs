//! A byte budget of one direction, reserved before bytes move and settled at once after.
//!
//! Not for: counting what was used by whom (`meter`).

use std::sync::{Mutex, MutexGuard, PoisonError};

/// A budget that many connections draw on.
#[derive(Debug)]
pub(crate) struct Purse {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    limit: Option<u64>,
    /// Spent or reserved.
    taken: u64,
    /// Of it reserved by transfers in progress, which may give some back.
    reserved: u64,
}

/// What a reservation got.
#[derive(Debug)]
pub(crate) enum Reservation<'a> {
    /// So many bytes may move.
    Granted(Grant<'a>),
    /// All is reserved, but some of it may come back within microseconds: try again.
    Contended,
    /// All is spent.
    Exhausted,
}

/// Permission for some bytes. Never kept across an await, so that nobody waits for it long.
#[derive(Debug)]
pub(crate) struct Grant<'a> {
    purse: &'a Purse,
    bytes: u64,
    moved: u64,
}

impl Purse {
    pub(crate) fn new(limit: Option<u64>) -> Self {
        let state = State {
            limit,
            ..State::default()
        };
        Self {
            state: Mutex::new(state),
        }
    }

    /// Another limit; what is taken stays taken.
    pub(crate) fn set_limit(&self, limit: Option<u64>) {
        self.lock().limit = limit;
    }

    /// Reserves at most `wanted` bytes.
    pub(crate) fn reserve(&self, wanted: usize) -> Reservation<'_> {
        let wanted = wanted as u64;
        let mut state = self.lock();
        let free = state
            .limit
            .map_or(wanted, |limit| limit.saturating_sub(state.taken));
        let bytes = wanted.min(free);
        if bytes == 0 && wanted > 0 {
            return if state.reserved > 0 {
                Reservation::Contended
            } else {
                Reservation::Exhausted
            };
        }
        state.taken = state.taken.saturating_add(bytes);
        state.reserved = state.reserved.saturating_add(bytes);
        Reservation::Granted(Grant {
            purse: self,
            bytes,
            moved: 0,
        })
    }

    /// Gives back bytes that were spent but never left.
    pub(crate) fn refund(&self, bytes: u64) {
        let mut state = self.lock();
        state.taken = state.taken.saturating_sub(bytes);
    }

    /// True when nothing is left.
    pub(crate) fn is_empty(&self) -> bool {
        let state = self.lock();
        state.limit.is_some_and(|limit| state.taken >= limit)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The two sums are changed together without a panic in between.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Grant<'_> {
    /// How many bytes may move.
    pub(crate) fn bytes(&self) -> usize {
        usize::try_from(self.bytes).unwrap_or(usize::MAX)
    }

    /// Spends what moved and gives back the rest; dropping a grant gives back all of it.
    pub(crate) fn settle(mut self, moved: usize) {
        self.moved = (moved as u64).min(self.bytes);
    }
}

impl Drop for Grant<'_> {
    fn drop(&mut self) {
        let mut state = self.purse.lock();
        state.taken = state
            .taken
            .saturating_sub(self.bytes.saturating_sub(self.moved));
        state.reserved = state.reserved.saturating_sub(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn granted(purse: &Purse, wanted: usize) -> Option<usize> {
        match purse.reserve(wanted) {
            Reservation::Granted(grant) => {
                let bytes = grant.bytes();
                grant.settle(bytes);
                Some(bytes)
            }
            Reservation::Contended | Reservation::Exhausted => None,
        }
    }

    #[test]
    fn gives_out_exactly_the_limit() {
        let purse = Purse::new(Some(10));
        assert_eq!(granted(&purse, 7), Some(7));
        assert!(!purse.is_empty());
        assert_eq!(granted(&purse, 7), Some(3));
        assert_eq!(granted(&purse, 1), None);
        assert!(purse.is_empty());
        purse.refund(2);
        assert_eq!(granted(&purse, 5), Some(2));
    }

    #[test]
    fn what_is_reserved_and_unused_comes_back() {
        let purse = Purse::new(Some(10));
        let Reservation::Granted(grant) = purse.reserve(100) else {
            panic!("nothing granted")
        };
        assert_eq!(grant.bytes(), 10);
        assert!(matches!(purse.reserve(1), Reservation::Contended));
        grant.settle(4);
        assert_eq!(granted(&purse, 100), Some(6));
        assert!(matches!(purse.reserve(1), Reservation::Exhausted));
    }

    #[test]
    fn another_limit_counts_what_was_used_before() {
        let purse = Purse::new(Some(10));
        assert_eq!(granted(&purse, 8), Some(8));
        purse.set_limit(Some(5));
        assert!(purse.is_empty());
        assert_eq!(granted(&purse, 1), None);
        purse.set_limit(Some(12));
        assert_eq!(granted(&purse, 9), Some(4));
        purse.set_limit(None);
        assert_eq!(granted(&purse, 9), Some(9));
    }

    #[test]
    fn no_limit_never_runs_out() {
        let purse = Purse::new(None);
        assert_eq!(granted(&purse, usize::MAX), Some(usize::MAX));
        assert_eq!(granted(&purse, 9), Some(9));
        assert!(!purse.is_empty());
    }
}
