//! Starts a jail or a process in one over `attach.sock`, and stays with it until its end.
//!
//! Not for: what the jail may do; the daemon decides that from its own files.

mod conversation;
mod ending;
mod ephemeral;
mod interrupts;
mod pump;
mod streams;

use std::os::fd::BorrowedFd;

use api::Problem;
use api::attach::Hello;
use model::exit::{EXIT_KILLED, EXIT_START_FAILED};
use sys::seqpacket::Seqpacket;
use sys::{Errno, SysError};

pub(crate) use self::conversation::Ending;
pub(crate) use self::ending::reason;
pub(crate) use self::streams::Streams;

use self::conversation::Conversation;
use self::ephemeral::Ephemeral;
use crate::sockets::Sockets;

/// A connection to the daemon, and the daemon itself when it is only ours.
#[derive(Debug)]
pub(crate) struct Attachment {
    socket: Seqpacket,
    daemon: Option<Ephemeral>,
    sockets: Sockets,
}

/// Why a command was not started, or not seen to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AttachError {
    #[error("no daemon at {path}: {errno}")]
    NoDaemon { path: String, errno: Errno },
    #[error("not allowed to use {path}")]
    Forbidden { path: String },
    #[error("a daemon for one command can only be started by root")]
    NotRoot,
    #[error("sheriffd could not be started: {source}")]
    Start { source: std::io::Error },
    #[error("sheriffd ended before it was ready ({status})")]
    NotReady { status: String },
    #[error("sheriffd was not ready within {seconds} seconds")]
    Slow { seconds: u64 },
    #[error(
        "sheriffd did not end within {seconds} seconds; what is left of it is swept at the next start"
    )]
    Lingers { seconds: u64 },
    #[error(
        "arguments, environment and rules are too long: {bytes} bytes as a message, at most {most}"
    )]
    TooLong { bytes: usize, most: usize },
    #[error("{}", sentence(.0))]
    Refused(Problem),
    #[error("the daemon closed the connection before the command started")]
    ClosedEarly,
    #[error(
        "the connection to the daemon was lost; unless all of it is gone, the jail goes on without \
         this client: see `sheriff ps`"
    )]
    DaemonGone,
    #[error("the daemon sent {what}")]
    Unexpected { what: String },
    #[error("stopped by signal {signal} before the command started")]
    Cancelled { signal: u8 },
    #[error("interrupted twice: connection closed, the jail is being ended")]
    Abandoned { signal: u8 },
    #[error(transparent)]
    Sys(#[from] SysError),
}

impl Attachment {
    /// Connects to the daemon. Without one, root gets a daemon for the length of this command,
    /// unless the command named one.
    pub(crate) fn open(sockets: &Sockets) -> Result<Self, AttachError> {
        let may_start = sys::users::effective() == 0 && !sockets.are_named();
        match Self::existing(sockets) {
            Err(AttachError::NoDaemon { .. }) if may_start => Self::ephemeral(),
            other => other,
        }
    }

    /// Starts a daemon for the length of this command, whether or not another one runs.
    pub(crate) fn ephemeral() -> Result<Self, AttachError> {
        if sys::users::effective() != 0 {
            return Err(AttachError::NotRoot);
        }
        let daemon = Ephemeral::start()?;
        let socket = Seqpacket::connect(&daemon.attach_socket())?;
        Ok(Self {
            socket,
            sockets: Sockets::of(daemon.folder()),
            daemon: Some(daemon),
        })
    }

    /// Connects to a daemon that runs already.
    pub(crate) fn existing(sockets: &Sockets) -> Result<Self, AttachError> {
        let socket = Seqpacket::connect(&sockets.attach()).map_err(|error| {
            let path = sockets.attach().display().to_string();
            match error.errno {
                Errno::ENOENT | Errno::ECONNREFUSED => AttachError::NoDaemon {
                    path,
                    errno: error.errno,
                },
                Errno::EACCES | Errno::EPERM => AttachError::Forbidden { path },
                _ => error.into(),
            }
        })?;
        Ok(Self {
            socket,
            daemon: None,
            sockets: sockets.clone(),
        })
    }

    /// Starts what `hello` says with these streams, and follows it to its end.
    pub(crate) fn follow(
        self,
        hello: &Hello,
        streams: Streams,
        workspace: Option<BorrowedFd<'_>>,
    ) -> Result<Ending, AttachError> {
        let (ending, ()) = self.follow_with(hello, (streams, workspace), |_, _| ())?;
        Ok(ending)
    }

    /// The same; `last` is done after the end, while the daemon is still there.
    pub(crate) fn follow_with<T>(
        self,
        hello: &Hello,
        (streams, workspace): (Streams, Option<BorrowedFd<'_>>),
        last: impl FnOnce(&Ending, &Sockets) -> T,
    ) -> Result<(Ending, T), AttachError> {
        let Self {
            socket,
            daemon,
            sockets,
        } = self;
        let result =
            Conversation::open(socket, hello, streams, workspace).and_then(Conversation::follow);
        let result = result.map(|ending| {
            let done = last(&ending, &sockets);
            (ending, done)
        });
        // The conversation is over either way, and its connection closed; only then may the
        // daemon go.
        let stopped = daemon.map_or(Ok(()), Ephemeral::stop);
        let ending = result?;
        stopped?;
        Ok(ending)
    }
}

impl AttachError {
    /// The exit code of `run` and `exec`.
    pub(crate) const fn exit_code(&self) -> u8 {
        match self {
            Self::DaemonGone => EXIT_KILLED,
            Self::Cancelled { signal } | Self::Abandoned { signal } => {
                128u8.saturating_add(*signal)
            }
            _ => EXIT_START_FAILED,
        }
    }

    /// What the reader can do about it.
    pub(crate) fn remedy(&self) -> Option<String> {
        let text = match self {
            Self::Refused(problem) => {
                return Some(problem.remedy.clone()).filter(|it| !it.is_empty());
            }
            Self::NoDaemon { .. } => {
                "start it (systemctl start sheriffd), or run this command as root and without \
                 --socket-dir, which starts one for the length of the command"
            }
            Self::Forbidden { .. } => {
                "run as root, or as a member of the operator group (sheriff unless configured)"
            }
            Self::NotRoot => "use sudo, or leave out --ephemeral and use the installed daemon",
            Self::Start { .. } => "install sheriffd beside sheriff, or in PATH",
            Self::NotReady { .. } => "see sheriffd's messages above, and `sheriff doctor`",
            Self::TooLong { .. } => "put long arguments into a file of the workspace",
            _ => return None,
        };
        Some(text.to_owned())
    }
}

fn sentence(problem: &Problem) -> String {
    if problem.detail.is_empty() {
        return format!("{} ({})", problem.title, problem.code);
    }
    format!("{}: {} ({})", problem.title, problem.detail, problem.code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_follow_the_documented_table() {
        for (error, code) in [
            (AttachError::ClosedEarly, 125),
            (AttachError::DaemonGone, 137),
            (AttachError::Cancelled { signal: 15 }, 143),
            (AttachError::Abandoned { signal: 2 }, 130),
            (
                AttachError::Forbidden {
                    path: String::new(),
                },
                125,
            ),
        ] {
            assert_eq!(error.exit_code(), code, "{error}");
        }
    }
}
