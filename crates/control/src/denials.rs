//! Refused system calls of one session, from the warden's word to the log, bounded on the way.
//!
//! Not for: which rule refused them (`syscalls`), nor for refused requests of the network; those are
//! the proxy's.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use audit::{Event, Kind, Principal};
use egress::{Admission, Noise};
use model::{Denials, DeniedCall, SessionId};
use serde_json::json;

use crate::{Office, Session};

/// Most that wait for the log. The warden's word comes through the same reader as the answers to
/// launches, so nothing waits there for a disk; what is too much here is counted.
const WAITING_MAX: usize = 256;

/// The refused calls of one session.
#[derive(Debug)]
pub struct SyscallDenials {
    noise: Noise,
    pile: Mutex<Pile>,
    /// Held while entries are written, so that they keep their order and the session's end is last.
    writing: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Pile {
    waiting: VecDeque<Denials>,
    count: u64,
    /// Counted, and in no entry yet.
    untold: u64,
}

impl SyscallDenials {
    /// None yet under this office; `before` under earlier ones.
    #[must_use]
    pub fn new(before: u64) -> Self {
        let pile = Pile {
            count: before,
            ..Pile::default()
        };
        Self {
            noise: Noise::of_denials(),
            pile: Mutex::new(pile),
            writing: tokio::sync::Mutex::new(()),
        }
    }

    /// How many calls were refused that somebody heard of. Calls of a jail's last moment before it
    /// was killed, and those of rules marked `quiet`, are not among them.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.pile().count
    }

    /// Takes in the warden's word, and says whether somebody must now write it down.
    fn take_in(&self, denials: Denials) -> bool {
        let mut pile = self.pile();
        pile.count = pile.count.saturating_add(denials.count());
        let full = pile.waiting.len() >= WAITING_MAX;
        if full || self.noise.admit() == Admission::Suppress {
            pile.untold = pile.untold.saturating_add(denials.count());
            return false;
        }
        let untold = std::mem::take(&mut pile.untold);
        pile.waiting.push_back(Denials {
            untold: denials.untold.saturating_add(untold),
            ..denials
        });
        pile.waiting.len() == 1
    }

    fn next(&self) -> Option<Denials> {
        self.pile().waiting.pop_front()
    }

    /// What was counted and would be in no entry otherwise.
    fn rest(&self) -> Option<Denials> {
        let untold = std::mem::take(&mut self.pile().untold);
        (untold > 0).then_some(Denials { call: None, untold })
    }

    fn pile(&self) -> MutexGuard<'_, Pile> {
        self.pile.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Office {
    /// Takes in the warden's word on refused calls. Returns at once.
    pub(crate) fn hear_of_denials(self: &Arc<Self>, id: &SessionId, denials: Denials) {
        let Some(session) = self.registry.get(id) else {
            return tracing::debug!(session = %id, "calls of an unknown jail were refused");
        };
        if session.syscall_denials().take_in(denials) {
            let office = Arc::clone(self);
            self.parts.group.spawn("denials", async move {
                office.record_denials(&session).await;
            });
        }
    }

    /// Writes down what waits.
    pub(crate) async fn record_denials(&self, session: &Session) {
        let denials = session.syscall_denials();
        let turn = denials.writing.lock().await;
        while let Some(next) = denials.next() {
            self.parts.recorder.note(entry(session, next)).await;
        }
        drop(turn);
    }

    /// Writes down what waits and what was only counted: nothing more will come.
    pub(crate) async fn conclude_denials(&self, session: &Session) {
        self.record_denials(session).await;
        if let Some(rest) = session.syscall_denials().rest() {
            self.parts.recorder.note(entry(session, rest)).await;
        }
    }
}

/// One call with the count of those before it, or the bare count.
fn entry(session: &Session, denials: Denials) -> Event {
    let Denials { call, untold } = denials;
    let event = match call {
        Some(call) => refused(session, &call, untold),
        None => Event::new(Kind::Alert, Principal::Sheriff).data(json!({
            "alert": "denials_suppressed",
            "kind": Kind::SyscallDenied.as_str(),
            "count": untold,
        })),
    };
    let event = event.session(session.id().clone());
    let data = audit::canonical::tame(event.data.clone());
    event.data(data)
}

fn refused(session: &Session, call: &DeniedCall, suppressed: u64) -> Event {
    let found = session.rules().syscalls.find(call);
    let agent = Principal::Agent {
        session: session.id().clone(),
    };
    let arguments = call.arguments.map(|argument| format!("{argument:#x}"));
    Event::new(Kind::SyscallDenied, agent).data(json!({
        "process": call.thread,
        "syscall": found.name,
        "number": call.number,
        "arch": found.arch,
        "args": arguments,
        "action": if found.errno.is_some() { "errno" } else { "kill" },
        "errno": found.errno,
        "why": found.why,
        "cves": found.cves,
        "profile": found.profile,
        "rule": found.rule,
        "suppressed": suppressed,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALL: DeniedCall = DeniedCall {
        thread: 2,
        number: 165,
        arch: 0,
        arguments: [0; 6],
        errno: Some(1),
    };

    fn told(untold: u64) -> Denials {
        Denials {
            call: Some(CALL),
            untold,
        }
    }

    #[test]
    fn only_the_first_of_those_that_wait_asks_for_a_writer() {
        let denials = SyscallDenials::new(5);
        assert!(denials.take_in(told(0)));
        assert!(!denials.take_in(told(3)));
        assert_eq!(denials.next(), Some(told(0)));
        assert_eq!(denials.next(), Some(told(3)));
        assert_eq!(denials.next(), None);
        assert!(denials.take_in(Denials {
            call: None,
            untold: 2
        }));
        assert_eq!(denials.count(), 5 + 1 + 4 + 2);
    }

    #[test]
    fn a_flood_is_bounded_in_memory_and_in_the_log_and_no_call_is_missing_in_the_counts() {
        let denials = SyscallDenials::new(0);
        let mut entries: Vec<Denials> = Vec::new();
        for _ in 0..WAITING_MAX + 100 {
            denials.take_in(told(1));
        }
        entries.extend(std::iter::from_fn(|| denials.next()));
        assert_eq!(entries.len(), WAITING_MAX);
        for _ in 0..100_000 {
            denials.take_in(told(1));
            entries.extend(denials.next());
        }
        assert!((1000..2000).contains(&entries.len()), "{}", entries.len());
        entries.extend(denials.rest());
        let counted: u64 = entries.iter().map(Denials::count).sum();
        assert_eq!((counted, denials.count()), (200_712, 200_712));
    }
}
