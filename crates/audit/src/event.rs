//! What may be recorded: a closed set of kinds, who acted, and for which session.
//!
//! Not for: position, time and hash, which the log adds (`entry`).

use std::fmt;
use std::str::FromStr;

use model::{EgressEvent, Phase, SessionId};
use serde::{Deserialize, Serialize};
use serde_json::Value;

macro_rules! kinds {
    ($($(#[$doc:meta])+ $name:ident = $text:literal,)+) => {
        /// What happened. *Denied*, *failed* and *succeeded* are different kinds, never a flag.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum Kind {
            $($(#[$doc])+ #[serde(rename = $text)] $name,)+
        }

        impl Kind {
            /// Every kind, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The kind as it stands in the log.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),+ }
            }
        }
    };
}

kinds! {
    /// The log was opened for writing; data names the signing key. Written by the log itself.
    LogOpened = "log.opened",
    /// A torn last line was cut off and is described in data. Written by the log itself.
    LogRecovered = "log.recovered",
    /// The oldest segments are removed, as the log's retention has it; data names the last entry that is
    /// gone. Written by the log itself.
    LogPruned = "log.pruned",
    /// The daemon is up.
    DaemonStarted = "daemon.started",
    /// The daemon stops.
    DaemonStopped = "daemon.stopped",
    /// The unprivileged office was started anew.
    OfficeRestarted = "office.restarted",
    /// A jail is about to be built for a session.
    SessionPrepared = "session.prepared",
    /// A session's command starts; data holds the layers that the kernel confirmed.
    SessionStarted = "session.started",
    /// A session is over; data holds the exit record.
    SessionEnded = "session.ended",
    /// A session was asked for and refused.
    SessionRefused = "session.refused",
    /// An operator has a session's processes frozen. Like the next three it is written before it is
    /// done; a pause or resumption that then fails is followed by an `alert`.
    SessionPaused = "session.paused",
    /// An operator has them go on.
    SessionResumed = "session.resumed",
    /// An operator asks a session's command to end; `session.ended` tells when it did.
    SessionStopRequested = "session.stop_requested",
    /// A session is to be killed; data names the reason: `operator`, `budget` or `disconnected`.
    /// The principal is `sheriff` unless an operator asked for it.
    SessionKillRequested = "session.kill_requested",
    /// Other profiles are in force from now on, also for the sessions that are alive; data holds their
    /// generation. The principal is `sheriff` unless an operator asked for it.
    PolicyReloaded = "policy.reloaded",
    /// An operator asked for a reload and was refused; data holds the reason, and all is as it was.
    PolicyReloadRefused = "policy.reload_refused",
    /// An operator sets a secret, anew or to another value; data names it and where it may go, never a
    /// value. Written before it is done; one that then fails is followed by an `alert`.
    SecretSet = "secret.set",
    /// An operator removes a secret; likewise.
    SecretRemoved = "secret.removed",
    /// The office itself asks a secret's token endpoint for a token.
    SecretTokenRequested = "secret.token_requested",
    /// An egress request was judged; written before its first byte leaves.
    EgressDecision = "egress.decision",
    /// An egress exchange is over; data holds `bytes_up` and `bytes_down`.
    EgressClose = "egress.close",
    /// The jail's seccomp program refused a system call; data names the rule's reason, file and line,
    /// and how many before it were only counted.
    SyscallDenied = "syscall.denied",
    /// A capability was refused.
    CapabilityDenied = "capability.denied",
    /// A capability was permitted and failed.
    CapabilityFailed = "capability.failed",
    /// A capability was permitted and done.
    CapabilitySucceeded = "capability.succeeded",
    /// An operator's command starts in a running jail.
    ExecStarted = "exec.started",
    /// An operator's command in a jail is over.
    ExecEnded = "exec.ended",
    /// Something an operator should look at; for example `denials_suppressed`: so many denials of
    /// one session were counted and not recorded one by one.
    Alert = "alert",
    /// A signed statement of the chain's head and byte totals. Written by the log itself.
    Checkpoint = "checkpoint",
}

impl Kind {
    /// True for kinds that only the log writes; a caller that could would forge its totals.
    #[must_use]
    pub const fn is_reserved(self) -> bool {
        matches!(
            self,
            Self::LogOpened | Self::LogRecovered | Self::LogPruned | Self::Checkpoint
        )
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that names no kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is no kind of audit event")]
pub struct KindError {
    /// The text, cut to 64 characters.
    pub given: String,
}

impl FromStr for Kind {
    type Err = KindError;

    fn from_str(text: &str) -> Result<Self, KindError> {
        let found = Self::ALL.iter().find(|kind| kind.as_str() == text);
        found.copied().ok_or_else(|| KindError {
            given: text.chars().take(64).collect(),
        })
    }
}

/// Who acted. As text: `operator:UID`, `agent:SESSION` or `sheriff`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Principal {
    /// A person or program with access to the control socket.
    Operator {
        /// Its host user id, from the socket's peer credentials.
        uid: u32,
    },
    /// The jailed side of a session.
    Agent {
        /// The session, known from its socket or interface.
        session: SessionId,
    },
    /// Sheriff itself.
    Sheriff,
}

/// A text that is no principal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is no principal: write operator:UID, agent:SESSION or sheriff")]
pub struct PrincipalError {
    /// The text, cut to 64 characters.
    pub given: String,
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Operator { uid } => write!(f, "operator:{uid}"),
            Self::Agent { session } => write!(f, "agent:{session}"),
            Self::Sheriff => f.write_str("sheriff"),
        }
    }
}

impl FromStr for Principal {
    type Err = PrincipalError;

    fn from_str(text: &str) -> Result<Self, PrincipalError> {
        let parsed = match text.split_once(':') {
            None if text == "sheriff" => Some(Self::Sheriff),
            Some(("operator", uid)) => uid.parse().ok().map(|uid| Self::Operator { uid }),
            Some(("agent", id)) => id.parse().ok().map(|session| Self::Agent { session }),
            _ => None,
        };
        // One principal has one text: `operator:+5` and `operator:05` are none.
        let exact = parsed.filter(|principal: &Self| principal.to_string() == text);
        exact.ok_or_else(|| PrincipalError {
            given: text.chars().take(64).collect(),
        })
    }
}

impl TryFrom<String> for Principal {
    type Error = PrincipalError;

    fn try_from(text: String) -> Result<Self, PrincipalError> {
        text.parse()
    }
}

impl From<Principal> for String {
    fn from(principal: Principal) -> Self {
        principal.to_string()
    }
}

/// One thing to record. Text from jails goes in as it is: the encoding escapes it, and an event
/// that exceeds [`LINE_MAX`](crate::LINE_MAX) is refused whole. Secrets never belong in `data`.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// What happened.
    pub kind: Kind,
    /// The session it concerns.
    pub session: Option<SessionId>,
    /// The run it belongs to.
    pub run: Option<String>,
    /// The step within the run.
    pub step: Option<String>,
    /// Who acted.
    pub principal: Principal,
    /// Details: JSON with integers up to 2^53 - 1 and no fractions.
    pub data: Value,
}

impl Event {
    /// An event that concerns no session, without details.
    #[must_use]
    pub const fn new(kind: Kind, principal: Principal) -> Self {
        Self {
            kind,
            session: None,
            run: None,
            step: None,
            principal,
            data: Value::Null,
        }
    }

    /// The event of an egress decision or close; its agent is the principal.
    ///
    /// # Errors
    /// None in practice: every field of the type has a JSON form.
    pub fn egress(event: &EgressEvent) -> Result<Self, serde_json::Error> {
        let kind = match event.phase {
            Phase::Decision => Kind::EgressDecision,
            Phase::Close => Kind::EgressClose,
        };
        let agent = Principal::Agent {
            session: event.session.clone(),
        };
        let plain = Self::new(kind, agent).session(event.session.clone());
        Ok(Self {
            run: event.run.clone(),
            data: serde_json::to_value(event)?,
            ..plain
        })
    }

    /// The same event for this session.
    #[must_use]
    pub fn session(self, session: SessionId) -> Self {
        Self {
            session: Some(session),
            ..self
        }
    }

    /// The same event with these details.
    #[must_use]
    pub fn data(self, data: Value) -> Self {
        Self { data, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_round_trip_through_text_and_json() {
        for kind in Kind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(*kind));
            assert_eq!(
                serde_json::to_value(kind).unwrap(),
                Value::from(kind.as_str())
            );
        }
        assert!("session.exploded".parse::<Kind>().is_err());
    }

    #[test]
    fn principals_round_trip_and_nothing_else_parses() {
        let session = SessionId::from_random([7; 8]);
        for principal in [
            Principal::Operator { uid: 1000 },
            Principal::Agent { session },
            Principal::Sheriff,
        ] {
            assert_eq!(principal.to_string().parse(), Ok(principal));
        }
        for bad in [
            "",
            "root",
            "operator:",
            "operator:-1",
            "operator:+1",
            "operator:01",
            "agent:x",
            "sheriff:1",
            "Sheriff",
        ] {
            assert!(bad.parse::<Principal>().is_err(), "{bad:?}");
        }
    }
}
