//! The audit log for asynchronous callers: an append that has to wait for the disk waits elsewhere.
//!
//! Not for: what is recorded; callers make their events.

use std::sync::Arc;

use audit::{Event, Log, LogError, Receipt};

/// Appends to the log without holding up the runtime.
#[derive(Debug, Clone)]
pub struct Recorder {
    log: Arc<Log>,
    /// True when an append waits for the disk (`audit.sync = "always"`).
    waits: bool,
}

impl Recorder {
    /// A recorder over a log that was opened with this sync mode.
    #[must_use]
    pub const fn new(log: Arc<Log>, waits: bool) -> Self {
        Self { log, waits }
    }

    /// Records an event; what it permits may be done once this returned `Ok`.
    ///
    /// # Errors
    /// The log's; the effect must not happen then.
    pub async fn append(&self, event: Event) -> Result<Receipt, LogError> {
        if !self.waits {
            return self.log.append(&event);
        }
        self.elsewhere(move |log| log.append(&event)).await
    }

    /// Seals what stands behind the log's last checkpoint, and waits until that is on disk.
    ///
    /// # Errors
    /// The log's.
    pub async fn seal(&self) -> Result<(), LogError> {
        self.elsewhere(|log| match log.seal()? {
            Some(_checkpoint) => log.flush(),
            None => Ok(()),
        })
        .await
    }

    async fn elsewhere<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Log) -> Result<T, LogError> + Send + 'static,
    ) -> Result<T, LogError> {
        let log = Arc::clone(&self.log);
        let done = tokio::task::spawn_blocking(move || work(&log)).await;
        done.unwrap_or_else(|error| {
            Err(LogError::Broken {
                cause: error.to_string(),
            })
        })
    }

    /// Records what has happened already. There is nothing to refuse any more, so a failure only
    /// goes to the diagnostics.
    pub async fn note(&self, event: Event) {
        let kind = event.kind;
        if let Err(error) = self.append(event).await {
            tracing::error!(%kind, %error, "not on record");
        }
    }

    /// The log itself.
    #[must_use]
    pub const fn log(&self) -> &Arc<Log> {
        &self.log
    }
}
