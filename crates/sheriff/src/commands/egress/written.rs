//! A line of a record as far as egress is concerned: an entry of the audit log, or an event by itself as
//! `egress tail --json` prints it.
//!
//! Not for: where lines come from.

use audit::{Entry, Kind};
use model::EgressEvent;
use serde_json::Value;

/// What an alert of this name counts: denials that are not on record one by one.
const SUPPRESSED: &str = "denials_suppressed";

/// What a line says.
#[derive(Debug)]
pub(super) enum Written {
    /// A decision, or a close.
    Event(Box<EgressEvent>),
    /// So many denials were counted and not recorded.
    Suppressed(u64),
    /// Nothing about egress.
    Other,
}

/// A line that is neither.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WrittenError {
    #[error("no entry of an audit log: {0}")]
    Entry(serde_json::Error),
    #[error("neither an entry of an audit log nor an egress event: {0}")]
    Neither(serde_json::Error),
}

impl Written {
    /// Reads a line without its end.
    pub(super) fn read(line: &[u8]) -> Result<Self, WrittenError> {
        let neither = match serde_json::from_slice(line) {
            Ok(event) => return Ok(Self::Event(event)),
            Err(error) => error,
        };
        // As the log has it or as `audit tail --json` prints it: whether it was edited is for
        // `audit verify` to say.
        match serde_json::from_slice::<Value>(line) {
            Ok(value) if value.get("hash").is_some() => {
                Self::of(serde_json::from_value(value).map_err(WrittenError::Entry)?)
            }
            _ => Err(WrittenError::Neither(neither)),
        }
    }

    /// Reads an entry.
    pub(super) fn of(entry: Entry) -> Result<Self, WrittenError> {
        let is_suppressed = || entry.data.get("alert").and_then(Value::as_str) == Some(SUPPRESSED);
        Ok(match entry.kind {
            Kind::EgressDecision | Kind::EgressClose => {
                let event = serde_json::from_value(entry.data);
                Self::Event(event.map_err(WrittenError::Neither)?)
            }
            Kind::Alert if is_suppressed() => {
                let count = entry.data.get("count").and_then(Value::as_u64);
                Self::Suppressed(count.unwrap_or_default())
            }
            _ => Self::Other,
        })
    }
}
