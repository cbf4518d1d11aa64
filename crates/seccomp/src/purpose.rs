//! The jobs that a profile's program can be made for.
//!
//! Not for: what a profile decides, which is the same for each of them.

use std::fmt;

/// What a program is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Purpose {
    /// Answers every call as the profile says.
    Enforce,
    /// As `Enforce`, but a known call that a rule without `quiet` refuses with an error waits for
    /// the listener: it reports the denial and answers with the error that the program for
    /// `Enforce` gives. It must never let the call continue: the kernel reads the arguments again,
    /// and they may have changed (`seccomp_unotify(2)`).
    Report,
    /// Lies above a program for `Enforce` while a profile is recorded: what the profile permits
    /// waits for the listener, which notes it and lets it continue; what it refuses is allowed
    /// here, as the program beneath refuses it. `sendmsg` on
    /// [`crate::RECORD_DESCRIPTOR`] is allowed at once, or nobody could hand over the listener.
    Record,
}

impl Purpose {
    /// Every purpose, in a fixed order.
    pub const ALL: [Self; 3] = [Self::Enforce, Self::Report, Self::Record];
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Enforce => "enforce",
            Self::Report => "report",
            Self::Record => "record",
        })
    }
}
