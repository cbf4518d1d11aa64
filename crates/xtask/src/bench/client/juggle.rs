//! Requests on many connections at once by one thread, so that the client takes as little as it can of the
//! processors that the proxy needs.
//!
//! Not for: the latency of one connection (`crowd`), which a thread that waits for it sees best.

use std::io;
use std::time::{Duration, Instant};

use sys::epoll::Poller;

use super::Seen;
use super::crowd::{ERRORS_MAX, Hand, sum};
use super::line::Line;
use super::way::Way;
use crate::error::Error;

/// A connection with a request under way.
struct Ball<'w> {
    line: Line<'w>,
    sent: Instant,
    /// Which of its connections the poller knows. Descriptors won't do: their numbers come again.
    known: u64,
}

/// Keeps a request under way on each of so many connections for so long.
pub(super) fn juggle(way: &Way, at_once: usize, seconds: f64) -> Result<Seen, Error> {
    let poller = Poller::new().map_err(|error| Error::Unmet(error.to_string()))?;
    let mut hand = Hand::default();
    let mut balls: Vec<Option<Ball<'_>>> =
        (0..at_once).map(|_| Ball::first(way, &mut hand)).collect();
    let started = Instant::now();
    for (place, ball) in balls.iter_mut().enumerate() {
        throw(ball, place, &poller, &mut hand);
    }
    let limit = Duration::from_secs_f64(seconds);
    while started.elapsed() < limit && hand.errors.len() < ERRORS_MAX {
        let ready = poller.wait(Some(WAIT));
        let ready = ready.map_err(|error| Error::Unmet(error.to_string()))?;
        for place in ready {
            let place = usize::try_from(place).unwrap_or(usize::MAX);
            if let Some(ball) = balls.get_mut(place) {
                catch(ball, &mut hand);
                throw(ball, place, &poller, &mut hand);
            }
        }
    }
    Ok(sum(vec![hand], started.elapsed()))
}

/// Longest wait before the clock is looked at again.
const WAIT: Duration = Duration::from_millis(100);

impl<'w> Ball<'w> {
    /// The first request makes connections and warms caches; only its failure counts.
    fn first(way: &'w Way, hand: &mut Hand) -> Option<Self> {
        let mut line = Line::new(way, "/small");
        let outcome = line.request();
        let failed = outcome.is_err();
        hand.take(outcome, None);
        let ball = Self {
            line,
            sent: Instant::now(),
            known: 0,
        };
        (!failed).then_some(ball)
    }

    fn send(&mut self, place: usize, poller: &Poller) -> io::Result<()> {
        self.sent = Instant::now();
        self.line.send()?;
        let Some(socket) = self.line.socket() else {
            return Ok(());
        };
        if self.line.dialled != self.known {
            self.known = self.line.dialled;
            let added = poller.add(socket, place as u64);
            added.map_err(io::Error::other)?;
        }
        Ok(())
    }
}

/// Sends the next request; a connection on which that fails is given up.
fn throw(ball: &mut Option<Ball<'_>>, place: usize, poller: &Poller, hand: &mut Hand) {
    let Some(open) = ball else { return };
    if let Err(error) = open.send(place, poller) {
        hand.take(Err(error), None);
        *ball = None;
    }
}

/// Reads the answer that has come.
fn catch(ball: &mut Option<Ball<'_>>, hand: &mut Hand) {
    let Some(open) = ball else { return };
    let outcome = open.line.receive();
    let failed = outcome.is_err();
    hand.take(outcome, Some(open.sent.elapsed()));
    if failed {
        *ball = None;
    }
}
