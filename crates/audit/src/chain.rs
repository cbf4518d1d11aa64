//! Where the next entry goes: its number, its predecessor, and the byte totals so far.
//!
//! Not for: files (`tail`).

use serde_json::Value;

use crate::canonical::INTEGER_MAX;
use crate::checkpoint::Checkpoint;
use crate::entry::{Draft, Receipt};
use crate::{EntryHash, Kind};

/// Sums over the `egress.close` entries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) bytes_up: u64,
    pub(crate) bytes_down: u64,
}

/// The byte counts of an `egress.close` event can't be summed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TotalsError {
    /// No `bytes_up` and `bytes_down`, or no whole numbers.
    #[error("egress.close needs bytes_up and bytes_down as whole numbers in its data")]
    Missing,
    /// The sum would pass 2^53 - 1, 9 PB.
    #[error("the log's byte total would pass 2^53 - 1: start a new log")]
    Overflow,
}

impl Totals {
    /// The totals with this entry's share.
    pub(crate) fn with(self, kind: Kind, data: &Value) -> Result<Self, TotalsError> {
        if kind != Kind::EgressClose {
            return Ok(self);
        }
        let add = |total: u64, key| {
            let more = data
                .get(key)
                .and_then(Value::as_u64)
                .ok_or(TotalsError::Missing)?;
            let sum = total.checked_add(more).filter(|sum| *sum <= INTEGER_MAX);
            sum.ok_or(TotalsError::Overflow)
        };
        Ok(Self {
            bytes_up: add(self.bytes_up, "bytes_up")?,
            bytes_down: add(self.bytes_down, "bytes_down")?,
        })
    }
}

impl From<&Checkpoint> for Totals {
    fn from(checkpoint: &Checkpoint) -> Self {
        Self {
            bytes_up: checkpoint.bytes_up,
            bytes_down: checkpoint.bytes_down,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chain {
    pub(crate) next_seq: u64,
    pub(crate) prev: EntryHash,
    pub(crate) totals: Totals,
    /// Entries since the last checkpoint.
    pub(crate) unsealed: u64,
}

impl Chain {
    pub(crate) const fn new() -> Self {
        let totals = Totals {
            bytes_up: 0,
            bytes_down: 0,
        };
        Self {
            next_seq: 1,
            prev: EntryHash::GENESIS,
            totals,
            unsealed: 0,
        }
    }

    /// 0 when there is no entry.
    pub(crate) const fn last_seq(&self) -> u64 {
        self.next_seq.saturating_sub(1)
    }

    /// The line, newline included, that this event would be here, and its receipt.
    pub(crate) fn place(&self, draft: &Draft<'_>, time: String) -> (Vec<u8>, Receipt) {
        let encoded = draft.place(self.next_seq, &time, &self.prev);
        let hash = encoded.hash();
        let mut line = encoded.into_line(&hash);
        line.push(b'\n');
        (
            line,
            Receipt {
                seq: self.next_seq,
                hash,
                time,
            },
        )
    }

    /// Goes on after an entry of this hash.
    pub(crate) fn advance(&mut self, kind: Kind, hash: EntryHash, totals: Totals) {
        self.next_seq = self.next_seq.saturating_add(1);
        self.prev = hash;
        self.totals = totals;
        self.unsealed = if kind == Kind::Checkpoint {
            0
        } else {
            self.unsealed + 1
        };
    }
}
