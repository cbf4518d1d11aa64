//! What can be wrong with an entry at its place in the chain.
//!
//! Not for: walking the files (`verify`, `recover`).

use serde::Serialize;

use crate::chain::{Chain, Totals, TotalsError};
use crate::checkpoint::Checkpoint;
use crate::entry::LineError;
use crate::{Entry, Kind, PublicKey};

/// One finding about a log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize)]
#[serde(tag = "fault", rename_all = "snake_case")]
pub enum Fault {
    /// The line is no entry in the form in which the log writes it.
    #[error("{line}")]
    Line {
        /// What is wrong with it.
        line: LineError,
    },
    /// Entries were cut, inserted, repeated or moved.
    #[error("entry {expected} should be here, not {found}")]
    Seq {
        /// Number after the entry before.
        expected: u64,
        /// Number of this one.
        found: u64,
    },
    /// The entry before is not the one that this entry was written after.
    #[error("does not follow from the entry before")]
    Prev,
    /// The content is not what was hashed.
    #[error("the content does not have the hash that it states")]
    Hash,
    /// An `egress.close` can't be summed.
    #[error("{totals}")]
    Totals {
        /// Why.
        totals: TotalsError,
    },
    /// The data of a checkpoint is no checkpoint.
    #[error("the checkpoint's data is malformed")]
    Checkpoint,
    /// The checkpoint was made elsewhere in the chain.
    #[error("the checkpoint is about another place in the chain")]
    CheckpointPlace,
    /// The entries before sum to something else.
    #[error(
        "the checkpoint says {stated_up} bytes up and {stated_down} down, the entries say {summed_up} and {summed_down}"
    )]
    CheckpointTotals {
        /// `bytes_up` of the checkpoint.
        stated_up: u64,
        /// `bytes_down` of the checkpoint.
        stated_down: u64,
        /// Sum of the entries.
        summed_up: u64,
        /// Sum of the entries.
        summed_down: u64,
    },
    /// Another key signs from here on.
    #[error("signed with another key, {found}")]
    Key {
        /// The key stated.
        found: PublicKey,
    },
    /// The signature does not fit.
    #[error("the signature is not of the stated key over this content")]
    Signature,
    /// The file's name does not go with its first entry.
    #[error("the file's name says entry {named}, its first is {found}")]
    Name {
        /// From the name.
        named: u64,
        /// From the entry.
        found: u64,
    },
    /// A file that looks like a segment but can't be one.
    #[error("not a segment's name")]
    Misnamed,
    /// A segment without entries before another one.
    #[error("an empty segment before others")]
    EmptySegment,
    /// The file ends within a line.
    #[error("{bytes} bytes of an unfinished line")]
    Torn {
        /// Bytes after the last newline.
        bytes: u64,
    },
    /// There is nothing: a log begins with an entry as soon as it is opened.
    #[error("no entries")]
    Empty,
    /// The signed head is gone.
    #[error("the signed head is missing")]
    HeadMissing,
    /// The signed head is not readable.
    #[error("the signed head is malformed")]
    HeadMalformed,
    /// Entries before the first one are gone, and no sealed `log.pruned` allows that.
    #[error(
        "the beginning was cut: the first entry is {first}, entries through {allowed} may be gone"
    )]
    BeginningCut {
        /// First seq found.
        first: u64,
        /// What the log itself removed.
        allowed: u64,
    },
    /// The log ends before the checkpoint that the signed head names.
    #[error("the end was cut: the signed head is entry {head}, the last one here is {last}")]
    Cut {
        /// Seq of the head.
        head: u64,
        /// Last seq found.
        last: u64,
    },
    /// The log has another entry where the signed head is.
    #[error("entry {head} is not the one that the signed head names")]
    HeadDiffers {
        /// Seq of the head.
        head: u64,
    },
}

/// Everything wrong with `entry` as the next of `chain`, signatures checked against `key`.
pub(crate) fn judge(chain: &Chain, entry: &Entry, key: Option<&PublicKey>) -> Vec<Fault> {
    let mut faults = Vec::new();
    if entry.seq != chain.next_seq {
        faults.push(Fault::Seq {
            expected: chain.next_seq,
            found: entry.seq,
        });
    }
    if entry.prev != chain.prev {
        faults.push(Fault::Prev);
    }
    if entry.computed_hash() != Ok(entry.hash) {
        faults.push(Fault::Hash);
    }
    if let Err(totals) = chain.totals.with(entry.kind, &entry.data) {
        faults.push(Fault::Totals { totals });
    }
    if entry.kind == Kind::Checkpoint {
        match Checkpoint::in_data(&entry.data) {
            Some(checkpoint) => judge_checkpoint(&mut faults, chain, &checkpoint, key),
            None => faults.push(Fault::Checkpoint),
        }
    }
    faults
}

/// Goes on after `entry`, right or wrong, so that one fault is not reported at every line after it.
pub(crate) fn follow(chain: &mut Chain, entry: &Entry) {
    let summed = chain
        .totals
        .with(entry.kind, &entry.data)
        .unwrap_or(chain.totals);
    let stated = (entry.kind == Kind::Checkpoint).then(|| Checkpoint::in_data(&entry.data));
    let totals = stated.flatten().as_ref().map_or(summed, Totals::from);
    chain.next_seq = entry.seq;
    chain.advance(entry.kind, entry.hash, totals);
}

fn judge_checkpoint(
    faults: &mut Vec<Fault>,
    chain: &Chain,
    checkpoint: &Checkpoint,
    key: Option<&PublicKey>,
) {
    if checkpoint.entries != chain.last_seq() || checkpoint.head != chain.prev {
        faults.push(Fault::CheckpointPlace);
    }
    if Totals::from(checkpoint) != chain.totals {
        faults.push(Fault::CheckpointTotals {
            stated_up: checkpoint.bytes_up,
            stated_down: checkpoint.bytes_down,
            summed_up: chain.totals.bytes_up,
            summed_down: chain.totals.bytes_down,
        });
    }
    if key.is_some_and(|key| *key != checkpoint.key) {
        faults.push(Fault::Key {
            found: checkpoint.key,
        });
    }
    if !checkpoint.is_signed_by(&checkpoint.key) {
        faults.push(Fault::Signature);
    }
}
