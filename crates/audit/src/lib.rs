//! Append-only, hash-chained, signed record of what was decided and done.
//!
//! Not for: deciding, nor for keeping secrets out of events; callers hand over data without them.
//!
//! A log is a folder: segments `audit-<first seq, 20 digits>.jsonl` with one [`Entry`] per line,
//! `audit-head` (the newest signed checkpoint's hash), `audit-key` and `audit-key.pub` unless kept
//! elsewhere, and `lock`. *Authorise, write, then act*: a caller acts only on an event for which
//! [`Log::append`] returned `Ok`.
#![forbid(unsafe_code)]

pub mod canonical;
mod chain;
pub mod checkpoint;
mod commit;
pub mod entry;
pub mod error;
pub mod event;
mod file;
mod hash;
mod hex;
mod judge;
pub mod key;
pub mod ledger;
mod lines;
pub mod ocsf;
pub mod otlp;
pub mod reader;
mod recover;
pub mod retention;
mod segment;
pub mod subscribe;
mod tail;
mod timestamp;
pub mod verify;
pub mod writer;

pub use canonical::CanonicalError;
pub use chain::TotalsError;
pub use checkpoint::{Checkpoint, Head};
pub use commit::{GATHER, Sync};
pub use entry::{Entry, LINE_MAX, LineError, Receipt};
pub use error::{LogError, ReadError};
pub use event::{Event, Kind, Principal};
pub use file::FileError;
pub use hash::{EntryHash, HashTextError};
pub use judge::Fault;
pub use key::{KeyError, PublicKey};
pub use ledger::{Ledger, SessionLedger};
pub use reader::{Filter, Reader};
pub use retention::{Pruned, Retention};
pub use segment::SEGMENTS_MAX;
pub use subscribe::{Hook, Interest, Live, Subscription};
pub use timestamp::rfc3339;
pub use verify::{Problem, Report, verify};
pub use writer::{Log, Options};
