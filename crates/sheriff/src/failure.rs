//! Every way a command can fail, with the exit code and the remedy that go with it.
//!
//! Not for: the end of a jailed command, which is no failure of ours (`attach::ending`).

use std::io;
use std::path::PathBuf;

use model::SessionId;
use model::exit::EXIT_START_FAILED;
use sys::SysError;

use crate::attach::AttachError;
use crate::commands::{QuestionError, ReplayError, SeccompError, ValueError};
use crate::control::ControlError;
use crate::deposit::DepositError;
use crate::shelf::ShelfError;

/// Exit code of a command other than `run` and `exec` that failed.
const EXIT_FAILED: u8 = 1;
/// Exit code where 1 is an answer, as for diff(1) and grep(1).
const EXIT_UNDECIDED: u8 = 2;
/// What a shell reports for a program that `SIGPIPE` ended: our reader went away.
const EXIT_BROKEN_PIPE: u8 = 141;

/// A command that could not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Attach(#[from] AttachError),
    #[error(transparent)]
    Control(#[from] ControlError),
    #[error(transparent)]
    AuditKey(#[from] audit::KeyError),
    #[error(transparent)]
    AuditRead(#[from] audit::ReadError),
    #[error(transparent)]
    Shelf(#[from] ShelfError),
    #[error(transparent)]
    Profile(#[from] policy::ProfileError),
    #[error(transparent)]
    Policy(#[from] policy::PolicyError),
    #[error(transparent)]
    Seccomp(#[from] SeccompError),
    #[error(transparent)]
    Value(#[from] ValueError),
    #[error(transparent)]
    Deposit(#[from] DepositError),
    #[error(transparent)]
    Jail(#[from] jail::LaunchError),
    #[error(transparent)]
    Rule(#[from] policy::RuleError),
    #[error(transparent)]
    Replay(#[from] ReplayError),
    #[error(transparent)]
    Proposal(#[from] policy::proposal::ProposalError),
    #[error(transparent)]
    Question(#[from] QuestionError),
    /// A question that could not be answered, by a command whose exit code is its answer.
    #[error(transparent)]
    Undecided(Box<Self>),
    /// A command was to be recorded, and was not, or what was recorded is lost.
    #[error(transparent)]
    Unrecorded(Box<Self>),
    #[error("the audit log has no entry of session {session}")]
    NoEntries { session: SessionId },
    #[error("workspace: {0}")]
    Workspace(SysError),
    #[error("report {}: {source}", path.display())]
    Report { path: PathBuf, source: io::Error },
    #[error("the report could not be written: {source}")]
    ReportWrite { source: io::Error },
    #[error("standard output: {source}")]
    Output { source: io::Error },
}

impl Failure {
    /// The same failure of a command whose exit code 1 means something.
    pub(crate) fn undecided(self) -> Self {
        Self::Undecided(Box::new(self))
    }

    /// The same failure of a command whose exit code is that of what it runs.
    pub(crate) fn unrecorded(self) -> Self {
        Self::Unrecorded(Box::new(self))
    }

    /// The exit code of this process.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Attach(error) => error.exit_code(),
            Self::Workspace(_) | Self::Report { .. } => EXIT_START_FAILED,
            Self::Output { source } if source.kind() == io::ErrorKind::BrokenPipe => {
                EXIT_BROKEN_PIPE
            }
            Self::Undecided(failure) => failure.exit_code().max(EXIT_UNDECIDED),
            Self::Unrecorded(failure) => match failure.exit_code() {
                EXIT_FAILED => EXIT_START_FAILED,
                code => code,
            },
            Self::Control(_)
            | Self::Seccomp(_)
            | Self::Value(_)
            | Self::Deposit(_)
            | Self::Jail(_)
            | Self::AuditKey(_)
            | Self::AuditRead(_)
            | Self::Shelf(_)
            | Self::Profile(_)
            | Self::Policy(_)
            | Self::Rule(_)
            | Self::Question(_)
            | Self::Replay(_)
            | Self::Proposal(_)
            | Self::NoEntries { .. }
            | Self::ReportWrite { .. }
            | Self::Output { .. } => EXIT_FAILED,
        }
    }

    /// False when there is nobody left to tell.
    pub(crate) fn is_worth_saying(&self) -> bool {
        match self {
            Self::Undecided(failure) | Self::Unrecorded(failure) => failure.is_worth_saying(),
            Self::Output { .. } => self.exit_code() != EXIT_BROKEN_PIPE,
            _ => true,
        }
    }

    /// What the reader can do about it.
    pub(crate) fn remedy(&self) -> Option<String> {
        match self {
            Self::Attach(error) => error.remedy(),
            Self::Control(error) => error.remedy(),
            Self::Seccomp(error) => error.remedy(),
            Self::Value(error) => error.remedy(),
            Self::Undecided(failure) | Self::Unrecorded(failure) => failure.remedy(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_went_away_is_not_told() {
        let gone = |kind| Failure::Output { source: kind };
        let broken = gone(io::ErrorKind::BrokenPipe.into());
        assert_eq!((broken.exit_code(), broken.is_worth_saying()), (141, false));
        let full = gone(io::ErrorKind::StorageFull.into());
        assert_eq!((full.exit_code(), full.is_worth_saying()), (1, true));
    }
}
