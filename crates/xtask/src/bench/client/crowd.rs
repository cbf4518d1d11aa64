//! A deed done over and over by each of some threads until a time is over.
//!
//! Not for: the deeds.

use std::io;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use super::Seen;
use crate::bench::sample::Sample;

/// Runs a deed over and over on each of some threads until the time is over. `make` makes each thread its own.
pub(super) fn crowd<D>(at_once: usize, seconds: f64, make: impl Fn() -> D + Sync) -> Seen
where
    D: FnMut() -> io::Result<()>,
{
    let ready = Barrier::new(at_once + 1);
    let limit = Duration::from_secs_f64(seconds);
    let work = || {
        let mut deed = make();
        let mut hand = Hand::default();
        // The first one makes connections and warms caches; only its failure counts.
        hand.take(deed(), None);
        ready.wait();
        let started = Instant::now();
        while started.elapsed() < limit && hand.errors.len() < ERRORS_MAX {
            let before = Instant::now();
            let outcome = deed();
            hand.take(outcome, Some(before.elapsed()));
        }
        hand
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..at_once).map(|_| scope.spawn(work)).collect();
        ready.wait();
        let started = Instant::now();
        let hands: Vec<Hand> = threads
            .into_iter()
            .filter_map(|it| it.join().ok())
            .collect();
        sum(hands, started.elapsed())
    })
}

/// A thread that has seen so many failures has seen enough.
pub(super) const ERRORS_MAX: usize = 20;

/// What one thread has done.
#[derive(Debug, Default)]
pub(super) struct Hand {
    durations: Vec<Duration>,
    pub(super) errors: Vec<String>,
}

impl Hand {
    pub(super) fn take(&mut self, outcome: io::Result<()>, duration: Option<Duration>) {
        match outcome {
            Ok(()) => self.durations.extend(duration),
            Err(error) => self.errors.push(error.to_string()),
        }
    }
}

/// What all of them have seen.
pub(super) fn sum(hands: Vec<Hand>, elapsed: Duration) -> Seen {
    let mut durations = Vec::new();
    let mut errors = Vec::new();
    for mut hand in hands {
        durations.append(&mut hand.durations);
        errors.append(&mut hand.errors);
    }
    let sample = Sample::of(durations);
    Seen {
        count: sample.len() as u64,
        seconds: elapsed.as_secs_f64(),
        p50_us: sample.microseconds(50),
        p99_us: sample.microseconds(99),
        errors: errors.len() as u64,
        first_error: errors.into_iter().next(),
        ..Seen::default()
    }
}
