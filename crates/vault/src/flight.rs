//! A token that many requests want at once: asked for once, kept while it holds, asked for again.
//!
//! Not for: what is asked (`oauth`).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::watch;

use crate::credential::{Present, Unavailable};

/// How long before its end a token is no longer used: clocks differ and requests take their time.
const SKEW: Duration = Duration::from_secs(30);
/// How long a failure is the answer to everybody: an endpoint that is down is not asked by each
/// request in turn.
const FAILURE_KEPT: Duration = Duration::from_secs(2);

/// The outcome that all who wait for a token share.
pub(crate) type Outcome = Result<Arc<Present>, Unavailable>;
type Waiting = watch::Receiver<Option<Outcome>>;

/// The token of one secret.
#[derive(Debug, Default)]
pub(crate) struct Flight(Mutex<State>);

#[derive(Debug, Default)]
enum State {
    #[default]
    Empty,
    Asking(Waiting),
    Done(Outcome, Until),
}

/// What somebody who wants the token is to do.
pub(crate) enum Turn {
    /// Here it is.
    Done(Outcome),
    /// Somebody asks already.
    Wait(Waiting),
    /// Ask, and say what came of it to the sender; the receiver is for oneself.
    Ask(watch::Sender<Option<Outcome>>, Waiting),
}

/// An end on both clocks: the monotonic one stands still while the host sleeps, the other one can be
/// set back.
#[derive(Debug, Clone, Copy)]
struct Until {
    instant: Instant,
    wall: SystemTime,
}

impl Flight {
    /// Whoever gets [`Turn::Ask`] has to call [`Self::land`].
    pub(crate) fn turn(&self) -> Turn {
        let mut state = self.lock();
        match &*state {
            State::Done(outcome, until) if until.is_ahead() => Turn::Done(outcome.clone()),
            // A sender that is gone without a word: its task was cut short.
            State::Asking(waiting) if waiting.has_changed().is_ok() => Turn::Wait(waiting.clone()),
            _ => {
                let (sender, waiting) = watch::channel(None);
                *state = State::Asking(waiting.clone());
                Turn::Ask(sender, waiting)
            }
        }
    }

    /// The token that was asked for last, even if it holds no more.
    pub(crate) fn landed(&self) -> Option<Arc<Present>> {
        match &*self.lock() {
            State::Done(outcome, _) => outcome.as_ref().ok().map(Arc::clone),
            State::Empty | State::Asking(_) => None,
        }
    }

    /// Keeps an outcome: a token for its lifetime less the skew, a failure for a moment.
    pub(crate) fn land(
        &self,
        outcome: Outcome,
        lifetime: Duration,
        sender: &watch::Sender<Option<Outcome>>,
    ) {
        let kept = match &outcome {
            Ok(_) => lifetime.saturating_sub(SKEW.min(lifetime / 10)),
            Err(_) => FAILURE_KEPT,
        };
        *self.lock() = State::Done(outcome.clone(), Until::after(kept));
        sender.send_replace(Some(outcome));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits for the outcome; `None` if whoever asked went without a word.
pub(crate) async fn outcome(mut waiting: Waiting) -> Option<Outcome> {
    let landed = waiting.wait_for(Option::is_some).await.ok()?;
    landed.clone()
}

impl Until {
    fn after(time: Duration) -> Self {
        let (instant, wall) = (Instant::now(), SystemTime::now());
        Self {
            instant: instant.checked_add(time).unwrap_or(instant),
            wall: wall.checked_add(time).unwrap_or(wall),
        }
    }

    fn is_ahead(self) -> bool {
        Instant::now() < self.instant && SystemTime::now() < self.wall
    }
}
