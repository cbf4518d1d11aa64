//! What a filter does with a system call, and the kernel's encoding of it.
//!
//! Not for: deciding which action a call gets.

use std::fmt;

use crate::errno::Errno;

const RET_KILL_PROCESS: u32 = 0x8000_0000;
const RET_TRAP: u32 = 0x0003_0000;
const RET_ERRNO: u32 = 0x0005_0000;
const RET_USER_NOTIF: u32 = 0x7FC0_0000;
const RET_LOG: u32 = 0x7FFC_0000;
const RET_ALLOW: u32 = 0x7FFF_0000;
const RET_ACTION: u32 = 0xFFFF_0000;

/// The outcome of a filter for one system call, from what the kernel ranks highest when several
/// filters answer (seccomp(2)) to what it ranks lowest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Action {
    /// The whole process dies with SIGSYS, as if by an uncatchable signal; of SIGKILL where a program for
    /// reports leaves it to the listener ([`crate::Purpose::Report`]).
    KillProcess,
    /// The call does nothing; the thread gets SIGSYS, which a handler may catch.
    Trap,
    /// The call does nothing and returns this error.
    Errno(Errno),
    /// The call waits for whoever holds the filter's listener to answer; ENOSYS without a holder.
    /// No profile asks for it: programs for reporting and recording do.
    Notify,
    /// The call takes place and the kernel logs it, where `actions_logged` lets it.
    Log,
    /// The call takes place.
    Allow,
}

impl Action {
    /// The filter's return value (`SECCOMP_RET_*`, linux/seccomp.h).
    #[must_use]
    pub fn encode(self) -> u32 {
        match self {
            Self::KillProcess => RET_KILL_PROCESS,
            Self::Trap => RET_TRAP,
            Self::Errno(errno) => RET_ERRNO | u32::from(errno.number()),
            Self::Notify => RET_USER_NOTIF,
            Self::Log => RET_LOG,
            Self::Allow => RET_ALLOW,
        }
    }

    /// The action of a return value; `None` for values that `encode` never gives.
    #[must_use]
    pub fn decode(value: u32) -> Option<Self> {
        let data = u16::try_from(value & !RET_ACTION).ok()?;
        match value & RET_ACTION {
            RET_KILL_PROCESS if data == 0 => Some(Self::KillProcess),
            RET_TRAP if data == 0 => Some(Self::Trap),
            RET_USER_NOTIF if data == 0 => Some(Self::Notify),
            RET_LOG if data == 0 => Some(Self::Log),
            RET_ALLOW if data == 0 => Some(Self::Allow),
            RET_ERRNO => Errno::new(data).map(Self::Errno),
            _ => None,
        }
    }

    /// Whether the call takes place, as far as this filter is concerned.
    #[must_use]
    pub const fn permits(self) -> bool {
        matches!(self, Self::Allow | Self::Log)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KillProcess => f.write_str("kill"),
            Self::Trap => f.write_str("trap"),
            Self::Errno(errno) => fmt::Display::fmt(errno, f),
            Self::Notify => f.write_str("notify"),
            Self::Log => f.write_str("log"),
            Self::Allow => f.write_str("allow"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_survives_its_encoding_and_other_values_are_refused() {
        for action in [
            Action::KillProcess,
            Action::Trap,
            Action::Errno(Errno::EPERM),
            Action::Errno(Errno::ENOSYS),
            Action::Notify,
            Action::Log,
            Action::Allow,
        ] {
            assert_eq!(Action::decode(action.encode()), Some(action));
        }
        for other in [
            0,
            0x0005_0000,
            0x0005_1000,
            0x7FFF_0001,
            0x7FFC_0001,
            0x7FF0_0000,
            0x0003_0001,
        ] {
            assert_eq!(Action::decode(other), None, "{other:#x}");
        }
    }
}
