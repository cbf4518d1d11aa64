//! What a filter does with a system call, and the kernel's encoding of it.
//!
//! Not for: deciding which action a call gets.

use std::fmt;

use crate::errno::Errno;

const RET_KILL_PROCESS: u32 = 0x8000_0000;
const RET_ERRNO: u32 = 0x0005_0000;
const RET_ALLOW: u32 = 0x7FFF_0000;
const RET_ACTION: u32 = 0xFFFF_0000;

/// The outcome of a filter for one system call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Action {
    /// The whole process dies with SIGSYS, as if by an uncatchable signal.
    KillProcess,
    /// The call does nothing and returns this error.
    Errno(Errno),
    /// The call takes place.
    Allow,
}

impl Action {
    /// The filter's return value (`SECCOMP_RET_*`, linux/seccomp.h).
    #[must_use]
    pub fn encode(self) -> u32 {
        match self {
            Self::KillProcess => RET_KILL_PROCESS,
            Self::Errno(errno) => RET_ERRNO | u32::from(errno.number()),
            Self::Allow => RET_ALLOW,
        }
    }

    /// The action of a return value; `None` for values that `encode` never gives.
    #[must_use]
    pub fn decode(value: u32) -> Option<Self> {
        let data = u16::try_from(value & !RET_ACTION).ok()?;
        match value & RET_ACTION {
            RET_KILL_PROCESS if data == 0 => Some(Self::KillProcess),
            RET_ALLOW if data == 0 => Some(Self::Allow),
            RET_ERRNO => Errno::new(data).map(Self::Errno),
            _ => None,
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KillProcess => f.write_str("kill"),
            Self::Errno(errno) => fmt::Display::fmt(errno, f),
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
            Action::Errno(Errno::EPERM),
            Action::Errno(Errno::ENOSYS),
            Action::Allow,
        ] {
            assert_eq!(Action::decode(action.encode()), Some(action));
        }
        for other in [0, 0x0005_0000, 0x0005_1000, 0x7FFF_0001, 0x7FFC_0000] {
            assert_eq!(Action::decode(other), None, "{other:#x}");
        }
    }
}
