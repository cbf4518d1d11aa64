//! What a program is for, as an option.
//!
//! Not for: what the purposes mean (crate `seccomp`).

use seccomp::Purpose;

/// The purpose of a program.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(super) enum PurposeWord {
    /// Answers every call as the profile says
    Enforce,
    /// The same, but PID 1 of the jail hears of denials and answers them: what jails have
    Report,
    /// Lies above the enforcing one while a command is recorded
    Record,
}

impl From<PurposeWord> for Purpose {
    fn from(word: PurposeWord) -> Self {
        match word {
            PurposeWord::Enforce => Self::Enforce,
            PurposeWord::Report => Self::Report,
            PurposeWord::Record => Self::Record,
        }
    }
}
