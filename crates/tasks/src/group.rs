//! A group of tasks with one stop signal, closed under a grace period.
//!
//! Not for: results; a task that has something to say says it over a channel.

use std::future::Future;
use std::io;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

/// Tasks that end together. Dropping the last clone stops them too.
#[derive(Debug, Clone)]
pub struct Group {
    name: &'static str,
    tracker: TaskTracker,
    stop: Stop,
    /// Cancelled when the grace period is over: then tasks are dropped where they stand.
    cut: CancellationToken,
}

/// Says when a task should end by itself.
#[derive(Debug, Clone)]
pub struct Stop(CancellationToken);

impl Group {
    /// A group of its own.
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        let stop = Stop(CancellationToken::new());
        Self {
            name,
            tracker: TaskTracker::new(),
            stop,
            cut: CancellationToken::new(),
        }
    }

    /// A group that also stops when this one does, but can be closed alone.
    #[must_use]
    pub fn child(&self, name: &'static str) -> Self {
        let stop = Stop(self.stop.0.child_token());
        Self {
            name,
            tracker: TaskTracker::new(),
            stop,
            cut: self.cut.child_token(),
        }
    }

    /// Runs a task until it is done, or until the group has been closed and its grace is over.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that spawns tasks"
    )]
    pub fn spawn<F>(&self, name: &'static str, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let cut = self.cut.clone();
        let span = tracing::debug_span!("task", group = self.name, name);
        let bounded = async move {
            tokio::select! {
                () = task => {}
                () = cut.cancelled() => tracing::debug!("cut short"),
            }
        };
        tokio::spawn(self.tracker.track_future(bounded.instrument(span)));
    }

    /// The signal that this group's tasks should watch.
    #[must_use]
    pub fn stop(&self) -> Stop {
        self.stop.clone()
    }

    /// How many tasks are running.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tracker.len()
    }

    /// True when no task is running.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tracker.is_empty()
    }

    /// Asks all tasks to end, waits `grace` for them, then cuts the rest; says how many those were.
    pub async fn close(&self, grace: Duration) -> usize {
        self.stop.0.cancel();
        self.tracker.close();
        if tokio::time::timeout(grace, self.tracker.wait())
            .await
            .is_ok()
        {
            return 0;
        }
        let late = self.tracker.len();
        self.cut.cancel();
        self.tracker.wait().await;
        late
    }
}

impl Stop {
    /// Waits until the group is asked to end.
    pub async fn requested(&self) {
        self.0.cancelled().await;
    }

    /// True once the group has been asked to end.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Asks the group to end without waiting for it.
    pub fn request(&self) {
        self.0.cancel();
    }
}

/// Starts a named thread. The caller owns the handle and joins it.
///
/// # Errors
/// The system's, when no thread can be had.
pub fn thread<F, T>(name: &str, body: F) -> io::Result<JoinHandle<T>>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn close_waits_for_tasks_that_heed_the_signal() {
        let group = Group::new("test");
        let stop = group.stop();
        group.spawn("heeds", async move { stop.requested().await });
        assert_eq!(group.close(Duration::from_secs(1)).await, 0);
        assert!(group.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn close_cuts_tasks_that_do_not() {
        let group = Group::new("test");
        group.spawn("deaf", std::future::pending());
        assert_eq!(group.close(Duration::from_secs(1)).await, 1);
        assert!(group.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_child_stops_with_its_parent_but_not_the_reverse() {
        let parent = Group::new("parent");
        let child = parent.child("child");
        let other = parent.child("other");
        child.close(Duration::ZERO).await;
        assert!(!parent.stop().is_requested());
        parent.close(Duration::ZERO).await;
        assert!(other.stop().is_requested());
    }
}
