//! The jobs that a profile's program can be made for.
//!
//! Not for: what a profile decides, which is the same for each of them.

use std::fmt;

/// What a program is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Purpose {
    /// Answers every call as the profile says.
    Enforce,
    /// As `Enforce`, but these wait for the listener: a known call that a rule without `quiet` refuses with
    /// an error, and every fatal call, a foreign architecture's and a second ABI's too. It reports the
    /// denial and answers with the error that the program for `Enforce` gives; for a fatal call it kills
    /// the process and refuses the call besides. It must never let a call continue: the kernel reads
    /// the arguments again, and they may have changed (`seccomp_unotify(2)`).
    ///
    /// Of several programs the kernel ranks an error above the listener, so one that a process puts on
    /// itself can answer its own fatal calls with errors: they are refused then, and not heard of.
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
