//! Why a question to a seccomp profile has no answer.
//!
//! Not for: answers, however bad: they are results.

use std::path::PathBuf;

use seccomp::explain::QuestionError;
use sys::{Errno, SysError};

use crate::intake::IntakeError;
use crate::shelf::FilterError;

/// A command of `sheriff seccomp` that could not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SeccompError {
    #[error(transparent)]
    Filter(#[from] FilterError),
    #[error(transparent)]
    Compile(#[from] seccomp::CompileError),
    #[error(transparent)]
    Question(#[from] QuestionError),
    #[error("{}:{line}: {source}", path.display())]
    Call {
        path: PathBuf,
        line: usize,
        source: QuestionError,
    },
    #[error(transparent)]
    Classes(#[from] seccomp::classes::TooManyClasses),
    #[error(transparent)]
    Program(#[from] seccomp::Fault),
    #[error(transparent)]
    Import(#[from] seccomp::import::ImportError),
    #[error(transparent)]
    Export(#[from] seccomp::export::ExportError),
    #[error(transparent)]
    Coverage(#[from] seccomp::coverage::CoverageError),
    #[error(transparent)]
    Intake(#[from] IntakeError),
    #[error("the daemon sent no profile with the record: see its log")]
    NoBase,
    #[error("the profile that came with the record: {source}")]
    Base { source: std::io::Error },
    #[error("nothing was recorded, though the command ended well: see the daemon's log")]
    NoRecord,
    #[error("no filter can be made for this host's processor: name one with --arch")]
    NoArch,
    #[error("a program is made for one architecture: give --arch once")]
    OneArch,
    #[error("the programs of process {pid}: {source}")]
    Installed { pid: i32, source: SysError },
    #[error("session {session} has no process here: it ended, or its daemon runs elsewhere")]
    NoProcess { session: model::SessionId },
    #[error("/proc: {source}")]
    Processes { source: std::io::Error },
}

impl SeccompError {
    /// What the reader can do about it.
    pub(crate) fn remedy(&self) -> Option<String> {
        let Self::Installed { source, .. } = self else {
            return None;
        };
        let words = match source.errno {
            Errno::EPERM | Errno::EACCES => {
                "run as root, outside of any jail and debugger of the process"
            }
            Errno::EIO | Errno::EINVAL => {
                "use a kernel with CONFIG_CHECKPOINT_RESTORE, or compare the hash that `sheriff inspect` shows"
            }
            Errno::ETIMEDOUT => "let the process go on: `sheriff resume`",
            _ => return None,
        };
        Some(words.to_owned())
    }
}
