//! Puts egress events into the audit log: before an effect, or after it.
//!
//! Not for: what the events say (`exchange`).

use std::sync::Arc;

use audit::{Event, Kind, Log, Principal};
use model::{EgressEvent, SessionId};
use serde_json::{Value, json};

/// The log, and whether an append waits for the disk.
#[derive(Debug, Clone)]
pub(crate) struct Recorder {
    log: Arc<Log>,
    durable: bool,
}

/// An event was not recorded, so what it permits must not happen. The cause is in the log file of
/// the process, not here: a jail must not read about the host's disks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the decision could not be recorded")]
pub(crate) struct NotRecorded;

impl Recorder {
    pub(crate) const fn new(log: Arc<Log>, durable: bool) -> Self {
        Self { log, durable }
    }

    /// Records a decision. Its effect may happen once this returned `Ok`.
    pub(crate) async fn decision(&self, event: &EgressEvent) -> Result<(), NotRecorded> {
        if !self.durable {
            return append(&self.log, event);
        }
        let (log, event) = (Arc::clone(&self.log), event.clone());
        let waiting = tokio::task::spawn_blocking(move || append(&log, &event));
        waiting.await.unwrap_or(Err(NotRecorded))
    }

    /// Records the end of an exchange, whose effects are done already.
    pub(crate) fn close(&self, event: &EgressEvent) {
        // A failure has been reported by then, and the bytes have moved already.
        if self.durable {
            let event = event.clone();
            self.detached(move |log| append(log, &event).unwrap_or(()));
        } else {
            append(&self.log, event).unwrap_or(());
        }
    }

    /// Records something that an operator should look at; `data` holds numbers and fixed words.
    pub(crate) fn alert(&self, session: &SessionId, data: Value) {
        let event = Event::new(Kind::Alert, Principal::Sheriff)
            .session(session.clone())
            .data(data);
        self.detached(move |log| {
            if let Err(error) = log.append(&event) {
                tracing::error!(%error, "alert was not recorded");
            }
        });
    }

    /// Records how many denials, or closes of what never began, were counted and not recorded one by one.
    pub(crate) fn suppressed(&self, session: &SessionId, count: u64) {
        if count > 0 {
            let data = json!({
                "alert": "denials_suppressed",
                "kind": "egress.decision",
                "count": count,
            });
            self.alert(session, data);
        }
    }

    /// Does it without making an async thread wait for the disk. Nobody waits for the outcome.
    fn detached(&self, append: impl FnOnce(&Log) + Send + 'static) {
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) if self.durable => {
                let log = Arc::clone(&self.log);
                drop(runtime.spawn_blocking(move || append(&log)));
            }
            _ => append(&self.log),
        }
    }
}

fn append(log: &Log, event: &EgressEvent) -> Result<(), NotRecorded> {
    let id = &event.id;
    let event = Event::egress(event).map_err(|error| {
        tracing::error!(%id, %error, "egress event has no JSON form");
        NotRecorded
    })?;
    match log.record(event) {
        Ok(_receipt) => Ok(()),
        Err(error) => {
            tracing::error!(%id, %error, "egress event was not recorded");
            Err(NotRecorded)
        }
    }
}
