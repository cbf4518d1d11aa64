//! The states of a session and the only ways between them.
//!
//! Not for: carrying a transition out; the session's owner asks the warden first.

use std::fmt;

/// Where a session is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Its jail is being built or waits for its start to be recorded.
    Starting,
    /// Its command runs.
    Running,
    /// Its processes are frozen.
    Paused,
    /// Its jail is gone. Nothing follows.
    Ended,
}

/// A step from one state to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transition {
    /// The command starts.
    Start,
    /// An operator freezes it.
    Pause,
    /// An operator lets it go on.
    Resume,
    /// The jail is gone, whatever was before.
    End,
}

/// A step that the state does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a session that is {from} can't {transition}")]
pub struct TransitionError {
    /// Where it is.
    pub from: State,
    /// What was asked.
    pub transition: Transition,
}

impl State {
    /// The state after a transition.
    ///
    /// # Errors
    /// When there is no such way.
    pub const fn after(self, transition: Transition) -> Result<Self, TransitionError> {
        match (self, transition) {
            (Self::Starting, Transition::Start) | (Self::Paused, Transition::Resume) => {
                Ok(Self::Running)
            }
            (Self::Running, Transition::Pause) => Ok(Self::Paused),
            (Self::Starting | Self::Running | Self::Paused, Transition::End) => Ok(Self::Ended),
            (from, transition) => Err(TransitionError { from, transition }),
        }
    }

    /// The state's name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Ended => "ended",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Transition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Start => "start",
            Self::Pause => "be paused",
            Self::Resume => "be resumed",
            Self::End => "end",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_six_ways_and_no_others() {
        let states = [State::Starting, State::Running, State::Paused, State::Ended];
        let ways = [
            (State::Starting, Transition::Start, State::Running),
            (State::Running, Transition::Pause, State::Paused),
            (State::Paused, Transition::Resume, State::Running),
            (State::Starting, Transition::End, State::Ended),
            (State::Running, Transition::End, State::Ended),
            (State::Paused, Transition::End, State::Ended),
        ];
        for from in states {
            for transition in [
                Transition::Start,
                Transition::Pause,
                Transition::Resume,
                Transition::End,
            ] {
                let way = ways.iter().find(|way| (way.0, way.1) == (from, transition));
                let expected = way.map(|way| way.2);
                assert_eq!(from.after(transition).ok(), expected, "{from} {transition}");
            }
        }
    }
}
