//! Where an imported profile is not, or not quite, what its source says.
//!
//! Not for: what can't be imported at all.

use std::fmt;

use crate::action::Action;

/// A difference, and the line of the source that it concerns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Line, from 1; `None` when it concerns the whole.
    pub line: Option<usize>,
    /// The difference.
    pub what: Difference,
}

/// How a profile differs from the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// A name that our tables lack: calls of other architectures, or misspelt ones. If the source
    /// allows it, the profile doesn't.
    UnknownCall {
        /// The name, cut to 64 characters.
        call: String,
    },
    /// The source lets another architecture in; a profile kills it.
    ForeignArch {
        /// The architecture as it is written.
        arch: String,
    },
    /// Numbers that no known kernel assigns get ENOSYS, where the source has another answer.
    UnknownNumbers {
        /// The source's answer.
        answer: Action,
    },
    /// The source kills the thread; a profile kills the process.
    ThreadKill,
    /// An error number without a name in a profile; EPERM is answered instead.
    Errno {
        /// The number.
        number: u32,
    },
    /// Two rules have different answers for the same arguments. The profile takes the stricter.
    Conflict {
        /// Name of the call.
        call: &'static str,
        /// Line of the other rule.
        other: usize,
    },
    /// Two comparisons of one argument in one rule: runtimes take them as alternatives.
    SameArgument {
        /// Index of the argument.
        argument: usize,
    },
    /// The rule holds for no arguments and was left out.
    Never,
    /// Allowed calls are logged with some arguments and not with others; the profile logs all.
    LogsMore {
        /// Name of the call.
        call: &'static str,
    },
    /// A setting that a profile has no place for.
    Ignored {
        /// The setting.
        setting: String,
    },
    /// An error number behind a name that is taken off an allow list: systemd ignores it too.
    SuffixWithoutEffect {
        /// The word as it is written, cut to 64 characters.
        word: String,
    },
}

impl Note {
    pub(super) const fn at(line: usize, what: Difference) -> Self {
        Self {
            line: Some(line),
            what,
        }
    }

    pub(super) const fn whole(what: Difference) -> Self {
        Self { line: None, what }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        self.what.fmt(f)
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownCall { call } => write!(
                f,
                "{call:?} is no call of x86_64 or aarch64, so the profile does not name it"
            ),
            Self::ForeignArch { arch } => {
                write!(f, "{arch:?} may run in the source; the profile kills it")
            }
            Self::UnknownNumbers { answer } => write!(
                f,
                "numbers that no known kernel assigns get ENOSYS, in the source: {answer}"
            ),
            Self::ThreadKill => f.write_str("kills the process, in the source only the thread"),
            Self::Errno { number } => write!(
                f,
                "answers EPERM, in the source errno {number}, which a profile has no name for"
            ),
            Self::Conflict { call, other } => write!(
                f,
                "{call}: differs from the rule on line {other} for the same arguments; the stricter answer holds"
            ),
            Self::SameArgument { argument } => write!(
                f,
                "two comparisons of argument {argument} in one rule are taken as alternatives, as runtimes do"
            ),
            Self::Never => f.write_str("holds for no arguments and is left out"),
            Self::LogsMore { call } => {
                write!(
                    f,
                    "{call}: logged whatever the arguments, in the source only with some"
                )
            }
            Self::Ignored { setting } => write!(f, "{setting:?} has no place in a profile"),
            Self::SuffixWithoutEffect { word } => write!(
                f,
                "{word:?}: the error number has no effect where a name is taken off an allow list"
            ),
        }
    }
}
